//! How the numbers of a calibration are chosen.

use super::bound::{Group, least_precision};
use super::{Calibration, INSTANT_PRECISION, Judged, KEPT_IN_SCOPE, LEAST_SURE, MOST_SURE, SURE_PRECISION};

/// Fewer messages out of scope than this say nothing about how likely a score is in scope.
const LEAST_OUT_OF_SCOPE: usize = 10;

/// The bound of instant answers is tried at every message where there are few, else at every so many.
const FEW_JUDGED: usize = 1_000;
const TRIED_EVERY: usize = 20;

/// The temperature is chosen on at most so many messages.
const MOST_FOR_SHARPNESS: usize = 3_000;

/// Bounds of the sharpness, and how often the interval is narrowed (each time to two thirds).
const SHARPNESS: (f32, f32) = (0.01, 20.0);
const NARROWINGS: usize = 24;

pub(super) fn fit(scores: &[Vec<f32>], truths: &[Option<usize>]) -> Calibration {
    let mut calibration = Calibration {
        sharpness: sharpness(scores, truths),
        scope_slope: 0.0,
        scope_middle: 0.0,
        least_score: f32::MIN,
        sure: MOST_SURE,
        instant: None,
    };
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for (scores, truth) in scores.iter().zip(truths) {
        let highest = scores.iter().copied().fold(f32::MIN, f32::max);
        if truth.is_some() { inside.push(highest) } else { outside.push(highest) }
    }
    if outside.len() >= LEAST_OUT_OF_SCOPE && !inside.is_empty() {
        (calibration.scope_slope, calibration.scope_middle) = scope_curve(&inside, &outside);
    }
    calibration.least_score = least_score(&mut inside, &outside);
    let judged: Vec<_> = scores.iter().zip(truths).map(|(scores, truth)| (calibration.judge(scores), *truth)).collect();
    calibration.instant = least_instant(&judged);
    let kept = judged.iter().filter(|(judged, _)| judged.in_scope);
    let kept = kept.map(|(judged, truth)| (judged.confidence, *truth == Some(judged.best))).collect();
    let sure = least_confidence(kept, SURE_PRECISION).unwrap_or(MOST_SURE);
    calibration.sure = sure.clamp(LEAST_SURE, MOST_SURE);
    calibration
}

/// The sharpness at which the right intents are likeliest (least negative log likelihood, which has one minimum).
/// Guo et al. 2017, "On calibration of modern neural networks", temperature scaling.
fn sharpness(scores: &[Vec<f32>], truths: &[Option<usize>]) -> f32 {
    let known: Vec<(&Vec<f32>, usize)> =
        scores.iter().zip(truths).filter_map(|(scores, truth)| Some((scores, (*truth)?))).collect();
    let step = known.len().div_ceil(MOST_FOR_SHARPNESS).max(1);
    let loss = |sharpness: f32| -> f64 {
        known.iter().step_by(step).map(|(scores, truth)| surprise(scores, *truth, sharpness)).sum()
    };
    let (mut low, mut high) = (libm::logf(SHARPNESS.0), libm::logf(SHARPNESS.1));
    for _ in 0..NARROWINGS {
        let third = (high - low) / 3.0;
        if loss(libm::expf(low + third)) <= loss(libm::expf(high - third)) {
            high -= third;
        } else {
            low += third;
        }
    }
    libm::expf((low + high) / 2.0)
}

/// Minus the logarithm of how likely `truth` was.
fn surprise(scores: &[f32], truth: usize, sharpness: f32) -> f64 {
    let highest = scores.iter().copied().fold(f32::MIN, f32::max);
    let sum: f32 = scores.iter().map(|score| libm::expf((score - highest) * sharpness)).sum();
    let own = scores.get(truth).map_or(0.0, |score| (score - highest) * sharpness);
    f64::from(libm::logf(sum) - own)
}

/// Slope and middle of the logistic curve that parts `inside` from `outside`, both counting alike in all (Platt 1999).
/// Newton's method on the two numbers, with a little pull towards 0, so that clean cuts have a finite slope.
fn scope_curve(inside: &[f32], outside: &[f32]) -> (f32, f32) {
    const PULL: f64 = 1e-3;
    let all: Vec<(f64, f64, f64)> = (inside.iter().map(|score| (f64::from(*score), 1.0, 0.5 / inside.len() as f64)))
        .chain(outside.iter().map(|score| (f64::from(*score), 0.0, 0.5 / outside.len() as f64)))
        .collect();
    let center: f64 = all.iter().map(|(score, _, weight)| score * weight).sum();
    let (mut slope, mut offset) = (0.0_f64, 0.0_f64);
    for _ in 0..50 {
        let (mut g, mut h) = ([PULL * slope, 0.0], [PULL, 0.0, 1e-9]);
        for (score, truth, weight) in &all {
            let x = score - center;
            let likely = 1.0 / (1.0 + libm::exp(-(slope * x + offset)));
            let (error, curve) = ((likely - truth) * weight, likely * (1.0 - likely) * weight);
            g = [g[0] + error * x, g[1] + error];
            h = [h[0] + curve * x * x, h[1] + curve * x, h[2] + curve];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        if determinant.abs() < 1e-15 {
            break;
        }
        slope -= (g[0] * h[2] - g[1] * h[1]) / determinant;
        offset -= (g[1] * h[0] - g[0] * h[1]) / determinant;
    }
    // Where the messages out of scope score higher than the others, the score says nothing.
    if !slope.is_finite() || !offset.is_finite() || slope < 1e-3 {
        return (0.0, 0.0);
    }
    (slope as f32, (center - offset / slope) as f32)
}

/// The lowest score that refuses all of `outside`, but never one that keeps less than 95 % of `inside`.
fn least_score(inside: &mut [f32], outside: &[f32]) -> f32 {
    inside.sort_unstable_by(f32::total_cmp);
    let refused = (inside.len() as f64 * (1.0 - KEPT_IN_SCOPE)).floor() as usize;
    let highest_allowed = inside.get(refused).copied().unwrap_or(f32::MIN);
    if outside.is_empty() {
        return highest_allowed;
    }
    let all_refused = outside.iter().copied().fold(f32::MIN, f32::max).next_up();
    all_refused.min(highest_allowed)
}

/// The lowest confidence above which the bound for messages that nobody has seen yet is as precise as promised. Where fewer
/// than ten messages out of scope are known, nothing can be said of them, and the promise is for messages in scope.
fn least_instant(judged: &[(Judged, Option<usize>)]) -> Option<f32> {
    let mut order: Vec<&(Judged, Option<usize>)> = judged.iter().filter(|(judged, _)| judged.in_scope).collect();
    order.sort_unstable_by(|one, other| other.0.confidence.total_cmp(&one.0.confidence));
    let all_outside = judged.iter().filter(|(_, truth)| truth.is_none()).count();
    let mut inside = Group { all: judged.len() - all_outside, ..Group::default() };
    let is_known = all_outside >= LEAST_OUT_OF_SCOPE;
    let mut outside = Group { all: if is_known { all_outside } else { 0 }, ..Group::default() };
    let mut least = None;
    for (index, (one, truth)) in order.iter().enumerate() {
        let group = if truth.is_some() { &mut inside } else { &mut outside };
        group.above += 1;
        group.wrong += usize::from(*truth != Some(one.best));
        // Equal confidences stand or fall together; and among many messages the bound is tried at some, for it takes a while.
        let next = order.get(index + 1).map(|next| next.0.confidence);
        let is_last_of_equals = next.is_none_or(|next| next < one.confidence);
        let is_tried = order.len() < FEW_JUDGED || index % TRIED_EVERY == 0;
        if is_last_of_equals && is_tried && least_precision(inside, outside) >= INSTANT_PRECISION {
            least = Some(one.confidence);
        }
    }
    least
}

/// The lowest confidence such that of the messages at or above it at least `precision` are right, one more wrong one
/// assumed, because the next message is not among them.
fn least_confidence(mut judged: Vec<(f32, bool)>, precision: f64) -> Option<f32> {
    judged.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
    let (mut right, mut least) = (0_usize, None);
    for (index, (confidence, is_right)) in judged.iter().enumerate() {
        right += usize::from(*is_right);
        // Equal confidences stand or fall together.
        let is_last_of_equals = judged.get(index + 1).is_none_or(|next| next.0 < *confidence);
        if is_last_of_equals && right as f64 >= precision * (index + 2) as f64 {
            least = Some(*confidence);
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_confidence_keeps_the_precision_with_one_more_wrong() {
        let judged = |right: usize, wrong: usize| {
            let high = (0..right).map(|n| (0.9 - n as f32 * 1e-4, true));
            high.chain((0..wrong).map(|n| (0.5 - n as f32 * 1e-4, false))).collect::<Vec<_>>()
        };
        assert_eq!(least_confidence(judged(48, 5), 0.98), None, "48 of 49 are too few");
        assert_eq!(least_confidence(judged(49, 5), 0.98), Some(0.9 - 48.0 * 1e-4));
        assert_eq!(least_confidence(judged(200, 5), 0.98), Some(0.5 - 2.0 * 1e-4));
        assert_eq!(least_confidence(Vec::new(), 0.98), None);
    }

    #[test]
    fn an_instant_answer_is_as_precise_as_promised_for_messages_that_are_yet_to_come() {
        let one = |confidence: f32, truth| {
            let judged = Judged { best: 0, second: 1, confidence, second_confidence: 0.0, in_scope: true, score: 1.0 };
            (judged, truth)
        };
        let right = |count: usize| (0..count).map(move |n| one(0.9 - n as f32 * 1e-4, Some(0)));
        let wrong = |count: usize| (0..count).map(move |n| one(0.5 - n as f32 * 1e-4, Some(1)));
        let least = |judged: Vec<_>| least_instant(&judged);
        assert_eq!(least(right(148).chain(wrong(9)).collect()), None, "148 are too few to promise 98 of 100");
        assert_eq!(least(right(149).chain(wrong(9)).collect()), Some(0.9 - 148.0 * 1e-4));
        let outside = |count: usize, confidence: f32| (0..count).map(move |_| one(confidence, None));
        assert_eq!(least(right(400).chain(outside(50, 0.4)).collect()), None, "50 out of scope are too few");
        assert!(least(right(400).chain(outside(200, 0.4)).collect()).is_some());
        assert_eq!(least(right(400).chain(outside(200, 0.95)).collect()), None, "they count as wrong");
        assert_eq!(least(Vec::new()), None);
    }

    #[test]
    fn equal_confidences_stand_or_fall_together() {
        let mut judged = vec![(0.9, true); 60];
        judged.extend([(0.8, true), (0.8, false), (0.8, false)]);
        assert_eq!(least_confidence(judged, 0.98), Some(0.9));
    }

    #[test]
    fn the_least_score_refuses_what_it_can_and_keeps_nineteen_of_twenty() {
        let mut inside: Vec<f32> = (0..100).map(|n| n as f32).collect();
        assert_eq!(least_score(&mut inside, &[]), 5.0);
        assert_eq!(least_score(&mut inside, &[50.0]), 5.0);
        let low = least_score(&mut inside, &[2.0, 1.0]);
        assert!(low > 2.0 && low < 2.1, "{low}");
    }

    #[test]
    fn scores_too_low_for_what_they_know_are_made_sharper() {
        // Right every time with a small distance: the likelihoods should be near 1.
        let scores = vec![vec![0.2, 0.1, 0.1]; 50];
        assert!(sharpness(&scores, &[Some(0); 50]) > 10.0);
        // Each right as often as the others: no sharpness helps.
        let truths: Vec<_> = (0..50).map(|n| Some(n % 3)).collect();
        assert!(sharpness(&scores, &truths) < 1.0);
    }

    #[test]
    fn the_curve_of_scope_has_its_middle_between_the_two() {
        let (slope, middle) = scope_curve(&[4.0, 5.0, 6.0, 3.0], &[1.0, 0.0, 2.0, 3.5]);
        assert!(slope > 0.3 && (2.0..4.0).contains(&middle), "{slope} {middle}");
        assert_eq!(scope_curve(&[0.0, 1.0], &[5.0, 6.0]), (0.0, 0.0));
    }
}
