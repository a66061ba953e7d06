//! Multinomial logistic regression by stochastic gradient descent with a falling rate. Ending early is what keeps the
//! weights small.

use super::problem::{Matrix, Order, Problem};

/// The rate of the first step; it falls in a straight line to 0.
const RATE: f32 = 2.0;

/// How fast the bias learns beside the weights.
const BIAS_RATE: f32 = 0.1;

/// Rounds over the examples: more where there are few.
const ROUNDS: std::ops::RangeInclusive<usize> = 12..=24;
const STEPS: usize = 60_000;

pub(super) fn learn(problem: &Problem) -> Matrix {
    let mut matrix = Matrix::new(problem);
    let count = problem.examples.len().max(1);
    let rounds = (STEPS / count).clamp(*ROUNDS.start(), *ROUNDS.end());
    let all = (rounds * count) as f32;
    let mut order: Vec<usize> = (0..problem.examples.len()).collect();
    let mut shuffled = Order::new();
    let mut scores = vec![0.0_f32; matrix.width];
    let mut done = 0.0;
    for _ in 0..rounds {
        shuffled.shuffle(&mut order);
        for index in &order {
            let Some(example) = problem.examples.get(*index) else { continue };
            let rate = RATE * (1.0 - done / all);
            done += 1.0;
            scores.copy_from_slice(&matrix.bias);
            matrix.add_scores(&example.vector, &mut scores);
            gradient(&mut scores, problem.intents, example.intent);
            matrix.add_to_rows(&example.vector, &scores, rate);
            let bias_rate = rate * BIAS_RATE;
            matrix.bias.iter_mut().zip(&scores).for_each(|(bias, change)| *bias += bias_rate * change);
        }
    }
    matrix
}

/// Scores become what is wanted minus what is likely. Out of scope, all intents are wanted alike.
fn gradient(scores: &mut [f32], intents: usize, intent: Option<usize>) {
    let (scores, padding) = scores.split_at_mut(intents);
    padding.fill(0.0);
    softmax(scores, 1.0);
    match intent {
        Some(intent) => {
            scores.iter_mut().for_each(|likely| *likely = -*likely);
            if let Some(wanted) = scores.get_mut(intent) {
                *wanted += 1.0;
            }
        }
        None => scores.iter_mut().for_each(|likely| *likely = 1.0 / intents as f32 - *likely),
    }
}

/// Scores become likelihoods that add up to 1; a `sharpness` over 1 makes the highest higher.
pub(crate) fn softmax(scores: &mut [f32], sharpness: f32) {
    let highest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = libm::expf((*score - highest) * sharpness);
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likelihoods_add_up_to_one_and_keep_their_order() {
        let mut scores = [1.0, 3.0, 2.0];
        softmax(&mut scores, 2.0);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(scores[1] > scores[2] && scores[2] > scores[0]);
        let mut far = [1e30, -1e30];
        softmax(&mut far, 1.0);
        assert_eq!(far, [1.0, 0.0]);
    }
}
