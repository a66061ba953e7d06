//! What is learned from, and the matrix that is learned: one row for each feature, one column for each intent.

use crate::space::Value;

/// Columns are padded to a multiple of this, so that the loops over them need no rest.
const LANES: usize = 8;

/// One example.
#[derive(Debug)]
pub(crate) struct Example {
    pub vector: Vec<Value>,
    /// Its intent's column; none: out of scope.
    pub intent: Option<usize>,
}

/// All examples, and the size of the matrix.
#[derive(Debug)]
pub(crate) struct Problem {
    pub examples: Vec<Example>,
    pub rows: usize,
    pub intents: usize,
}

/// Weights while they are learned.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    /// Columns with the padding.
    pub width: usize,
}

impl Matrix {
    pub(crate) fn new(problem: &Problem) -> Self {
        let width = problem.intents.next_multiple_of(LANES);
        Self { weights: vec![0.0; problem.rows * width], bias: vec![0.0; width], width }
    }

    /// `scores` += the vector times the matrix, without the bias.
    pub(crate) fn add_scores(&self, vector: &[Value], scores: &mut [f32]) {
        for Value { row, value } in vector {
            let start = *row as usize * self.width;
            if let Some(weights) = self.weights.get(start..start + self.width) {
                add_scaled(scores, weights, *value);
            }
        }
    }

    /// The rows of the vector's features += their values times `change`.
    pub(crate) fn add_to_rows(&mut self, vector: &[Value], change: &[f32], factor: f32) {
        for Value { row, value } in vector {
            let start = *row as usize * self.width;
            if let Some(weights) = self.weights.get_mut(start..start + self.width) {
                add_scaled(weights, change, *value * factor);
            }
        }
    }

    /// Scores with the bias, without the padding.
    pub(crate) fn scores(&self, vector: &[Value], intents: usize) -> Vec<f32> {
        let mut scores = self.bias.clone();
        self.add_scores(vector, &mut scores);
        scores.truncate(intents);
        scores
    }

    /// This + `factor` × `other`.
    pub(crate) fn plus(mut self, other: &Self, factor: f32) -> Self {
        add_scaled(&mut self.weights, &other.weights, factor);
        add_scaled(&mut self.bias, &other.bias, factor);
        self
    }
}

fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// A small generator (xorshift64), so that training depends on nothing but its input. Not for secrets.
#[derive(Debug)]
pub(crate) struct Order(u64);

impl Order {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Brings `items` into another order (Fisher–Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            items.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}
