//! A known answer, asked before an engine may be used.

use std::sync::{Arc, OnceLock};

use sha3::{Digest, Sha3_256};

use super::{Engine, Level};
use crate::ModelError;
use crate::model::{Model, Shape};
use crate::synthetic::{Clamps, Options, random_model};

/// SHA3-256 of the answer: logits of both test models, little-endian int64.
const KNOWN: [u8; 32] = [
    0xd0, 0xfd, 0xd9, 0xa5, 0x18, 0x21, 0xab, 0x0a, 0x2a, 0x7d, 0x78, 0x06, 0x0c, 0x87, 0xc3, 0xb5, 0xcb,
    0xa5, 0xf6, 0x36, 0xab, 0x13, 0x67, 0x5a, 0xd1, 0x44, 0xb3, 0xf3, 0x88, 0xaf, 0xe9, 0x96,
];

/// Sizes that are no multiple of any vector width.
const SHAPE: Shape =
    Shape { vocab: 70, dim: 42, hidden: 101, layers: 2, heads: 6, kv_heads: 3, head_dim: 10, max_seq: 48 };

/// Runs the test of one level; its result is kept for the life of the process.
pub(super) fn run(level: Level) -> Result<(), ModelError> {
    static RESULTS: [OnceLock<bool>; 3] = [const { OnceLock::new() }; 3];
    let passed = *RESULTS[level as usize].get_or_init(|| answer(level).is_ok_and(|hash| hash == KNOWN));
    if passed { Ok(()) } else { Err(ModelError::SelfTest { path: format!("{level:?}") }) }
}

/// A plain model, and one with every clamp and width.
fn models() -> [Result<Model, ModelError>; 2] {
    let plain = Options { gate_bits: 12, ..Options::default() };
    let wide = Options { clamps: Clamps::ALL, z_bits: 20, o_bits: 22, down_bits: 24, ..plain };
    [random_model(1, SHAPE, plain), random_model(2, SHAPE, wide)]
}

fn tokens() -> impl Iterator<Item = u32> {
    (0..21).map(|i| (i * 29 + 5) % SHAPE.vocab as u32)
}

/// The hash this machine computes, the tokens of each model in two portions.
fn answer(level: Level) -> Result<[u8; 32], ModelError> {
    let tokens: Vec<u32> = tokens().collect();
    let mut hasher = Sha3_256::new();
    for model in models() {
        let engine = Engine::unchecked(Arc::new(model?), 1, level)?;
        let mut session = engine.session();
        let (chunk, single) = tokens.split_at(20);
        for part in [chunk, single] {
            session.append_each(part, |logits| logits.iter().for_each(|l| hasher.update(l.to_le_bytes())))?;
        }
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
#[path = "../../tests/model/reference.rs"]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_is_that_of_the_plain_rules() {
        let tokens: Vec<u32> = tokens().collect();
        let mut hasher = Sha3_256::new();
        for model in models() {
            let (logits, _) = reference::logits(&model.unwrap(), &tokens);
            logits.iter().for_each(|l| hasher.update(l.to_le_bytes()));
        }
        let hash: [u8; 32] = hasher.finalize().into();
        assert_eq!(hash, KNOWN);
    }

    #[test]
    fn every_level_gives_the_known_answer() {
        for level in Level::available() {
            assert_eq!(answer(level).unwrap(), KNOWN, "{level:?}");
        }
    }
}
