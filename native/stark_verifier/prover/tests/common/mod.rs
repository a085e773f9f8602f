//! Statements made by running a model, for tests.
#![allow(dead_code)]

pub mod forge;
pub mod parted;
pub mod replay;

use esper_model::synthetic::{Options, random_model};
use esper_model::{Engine, Model, Shape};
use esper_prover::ModelKey;
use esper_verifier::{SequenceStatement, Statement};
use std::sync::Arc;

/// A small shape whose sizes are no powers of two: three query heads a key head, head width 6.
pub const ODD: Shape =
    Shape { vocab: 53, dim: 20, hidden: 28, layers: 2, heads: 6, kv_heads: 2, head_dim: 6, max_seq: 16 };
/// A shape of powers of two.
pub const EVEN: Shape =
    Shape { vocab: 64, dim: 16, hidden: 32, layers: 2, heads: 4, kv_heads: 2, head_dim: 4, max_seq: 16 };

/// A synthetic model's key.
pub fn key(seed: u64, shape: Shape, options: Options) -> ModelKey {
    ModelKey::new(Arc::new(random_model(seed, shape, options).expect("a model within bounds")))
        .expect("a key")
}

/// Greedy answers of `key`'s model, as a statement.
pub fn answered(
    key: &ModelKey,
    prompts: &[Vec<u32>],
    rows: usize,
    max_answer: usize,
    top_k: usize,
) -> Statement {
    Statement { model_id: key.model_id, ..answered_by(&key.model, prompts, rows, max_answer, top_k) }
}

/// The same of a model without a key, under no id.
pub fn answered_by(
    model: &Arc<Model>,
    prompts: &[Vec<u32>],
    rows: usize,
    max_answer: usize,
    top_k: usize,
) -> Statement {
    let eos = model.eos;
    let engine = Engine::new(Arc::clone(model), 1).expect("an engine");
    let answers = engine.generate(prompts, max_answer, eos, top_k).expect("answers");
    let sequences = prompts
        .iter()
        .zip(answers)
        .map(|(prompt, a)| SequenceStatement {
            prompt: prompt.clone(),
            answer: a.tokens.clone(),
            max_answer,
            top: a.top.clone(),
        })
        .collect();
    Statement { model_id: [0; 64], binding: [7; 64], rows, top_k, sequences }
}

/// Prompts of different lengths from a seed.
pub fn prompts(vocab: usize, lengths: &[usize], seed: u32) -> Vec<Vec<u32>> {
    let mut x = seed | 1;
    let mut token = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x % vocab as u32
    };
    lengths.iter().map(|&n| (0..n).map(|_| token()).collect()).collect()
}
