//! One-against-the-rest support vector machines with squared hinge loss, all intents at once, by dual coordinate descent:
//! Hsieh et al. 2008, "A dual coordinate descent method for large-scale linear SVM", algorithm 1, loss L2. It has no
//! rate of learning to choose and ends near the optimum after a few rounds.

use super::problem::{Matrix, Order, Problem};

/// What a wrong example costs, beside the length of the weights.
const COST: f32 = 2.0;

/// Rounds over the examples.
const ROUNDS: usize = 8;

pub(super) fn learn(problem: &Problem) -> Matrix {
    let mut matrix = Matrix::new(problem);
    let width = matrix.width;
    let mut duals = vec![0.0_f32; problem.examples.len() * width];
    let mut order: Vec<usize> = (0..problem.examples.len()).collect();
    let mut shuffled = Order::new();
    let mut change = vec![0.0_f32; width];
    for _ in 0..ROUNDS {
        shuffled.shuffle(&mut order);
        for index in &order {
            let Some(example) = problem.examples.get(*index) else { continue };
            let Some(duals) = duals.get_mut(index * width..(index + 1) * width) else { continue };
            change.copy_from_slice(&matrix.bias);
            matrix.add_scores(&example.vector, &mut change);
            let has_changed = descend(duals, &mut change, example.intent);
            if has_changed {
                matrix.add_to_rows(&example.vector, &change, 1.0);
                matrix.bias.iter_mut().zip(&change).for_each(|(bias, change)| *bias += change);
            }
        }
    }
    matrix
}

/// One step for one example: its scores become the change of the weights along it. Whether there is any.
fn descend(duals: &mut [f32], scores: &mut [f32], intent: Option<usize>) -> bool {
    // The vector has length 1 and the bias is one more feature of value 1: together 2. For a shorter vector the step is
    // a little too short, which costs rounds and nothing else.
    const DIAGONAL: f32 = 1.0 / (2.0 * COST);
    const STEP: f32 = 1.0 / (2.0 + DIAGONAL);
    let mut most = 0.0_f32;
    for (column, (dual, score)) in duals.iter_mut().zip(scores.iter_mut()).enumerate() {
        let sign = if Some(column) == intent { 1.0 } else { -1.0 };
        let gradient = sign * *score - 1.0 + *dual * DIAGONAL;
        let next = (*dual - gradient * STEP).max(0.0);
        *score = (next - *dual) * sign;
        *dual = next;
        most = most.max(score.abs());
    }
    most > 0.0
}
