//! The trained weights, one byte each.

use crate::space::{Space, Value};
use crate::train::problem::Matrix;

/// The matrix of a trained model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Linear {
    pub space: Space,
    pub intents: usize,
    pub bias: Vec<f32>,
    /// One for each row: what its weights are multiplied by.
    pub scales: Vec<f32>,
    /// Row by row, one signed byte for each intent.
    pub weights: Vec<u8>,
}

impl Linear {
    /// What one row takes in memory and in the file.
    pub(crate) fn row_bytes(intents: usize) -> usize {
        intents + 2 * size_of::<f32>()
    }

    /// Rounds each row's weights to 255 steps of its own size.
    pub(crate) fn quantise(space: Space, matrix: &Matrix, intents: usize) -> Self {
        let mut scales = Vec::with_capacity(space.rows());
        let mut weights = Vec::with_capacity(space.rows() * intents);
        for row in matrix.weights.chunks_exact(matrix.width) {
            let row = row.get(..intents).unwrap_or_default();
            let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            let scale = largest / 127.0;
            scales.push(scale);
            let step = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            // The cast saturates, and keeps the sign in two's complement.
            weights.extend(row.iter().map(|weight| (weight * step).round() as i8 as u8));
        }
        Self { space, intents, bias: matrix.bias.iter().copied().take(intents).collect(), scales, weights }
    }

    /// One score for each intent.
    pub(crate) fn scores(&self, hashes: &[u64]) -> Vec<f32> {
        let mut scores = self.bias.clone();
        for value in self.space.vector(hashes) {
            if let Some((weights, factor)) = self.row(value) {
                for (score, weight) in scores.iter_mut().zip(weights) {
                    *score += factor * f32::from(*weight as i8);
                }
            }
        }
        scores
    }

    /// What this feature adds to the score of `intent`.
    pub(crate) fn share(&self, value: Value, intent: usize) -> f32 {
        let share = self.row(value).and_then(|(weights, factor)| Some(factor * f32::from(*weights.get(intent)? as i8)));
        share.unwrap_or_default()
    }

    fn row(&self, value: Value) -> Option<(&[u8], f32)> {
        let row = value.row as usize;
        let weights = self.weights.get(row * self.intents..(row + 1) * self.intents)?;
        Some((weights, value.value * self.scales.get(row)?))
    }
}
