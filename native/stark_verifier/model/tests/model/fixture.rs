//! The published 260K model: loads, and its worst cases are within the limits.

use std::sync::Arc;

use crate::common;
use esper_model::{Engine, Level, Linear, Model, ModelPart};
use sha2::{Digest, Sha256};

#[test]
fn the_fixture_loads_and_its_bounds_hold() {
    let Some(dir) = common::fixture_dir() else { return };
    let model = Model::load_dir(&dir).unwrap();
    assert_eq!((model.shape.dim, model.shape.layers, model.bos, model.eos), (64, 5, 1, 2));
    let bounds = model.validate().unwrap();
    for bound in &bounds.list {
        assert!(bound.value <= bound.limit, "{bound:?}");
    }
    let hash: String = model.integers_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    // The same from plain Python, by the canonical bytes of docs/g16-format.md.
    let expected = "2bdfdb1ea57958f9b868327894fa173ac1d60320e1eec192eab2ed363d106fe8\
                    9ef7f378cf3b8e03305d06258ee21d6dda5b635bfecb1b59583cf3bfff75ff09";
    assert_eq!(hash, expected);
}

#[test]
fn a_part_is_read_without_the_rest() {
    let Some(dir) = common::fixture_dir() else { return };
    let whole = Model::load_dir(&dir).unwrap();
    for (layers, embedding, head) in
        [(0..2, true, false), (2..4, false, false), (4..5, false, true), (0..5, true, true)]
    {
        let part = Model::load_part(&dir, &ModelPart { layers: layers.clone(), embedding, head }).unwrap();
        let mut expected = whole.clone();
        expected.layers = whole.layers[layers.clone()].to_vec();
        expected.shape.layers = layers.len();
        expected.integers_hash = [0; 64];
        if !embedding {
            expected.embed = vec![];
        }
        if !head {
            expected.lm_head = Linear::none(whole.shape.dim);
        }
        assert!(part == expected, "{layers:?}");
        let named = ModelPart { layers: layers.clone(), embedding, head };
        assert_eq!(part.compute_integers_hash(), whole.part_integers_hash(&named), "{layers:?}");
    }
}

/// The published hash of 6 x 97 tokens, on every level, with one and two threads, whole and token by token.
#[test]
fn golden_logits_bit_for_bit() {
    let Some(dir) = common::fixture_dir() else { return };
    let vectors: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("g16_vectors.json")).unwrap()).unwrap();
    let sequences: Vec<Vec<u32>> = serde_json::from_value(vectors["tokens"].clone()).unwrap();
    let expected = vectors["logits_sha256"].as_str().unwrap();
    assert_eq!(expected, "abb0e4afba5eca030a129f1135513ff4cdc17ce8fb0936516e6c9061a3dcae3b");
    let model = Arc::new(Model::load_dir(&dir).unwrap());
    for level in Level::available() {
        for threads in [1, 2] {
            let engine = Engine::with_level(model.clone(), threads, level).unwrap();
            assert_eq!(hash(&engine.logits(&sequences).unwrap()), expected, "{level:?}, {threads} threads");
        }
        let engine = Engine::with_level(model.clone(), 1, level).unwrap();
        let one_by_one = |tokens: &Vec<u32>| {
            let mut session = engine.session();
            tokens.iter().flat_map(|&t| session.append(&[t]).unwrap().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(
            hash(&sequences.iter().map(one_by_one).collect::<Vec<_>>()),
            expected,
            "{level:?} one by one"
        );
    }
}

fn hash(logits: &[Vec<i64>]) -> String {
    let mut hasher = Sha256::new();
    logits.iter().flatten().for_each(|l| hasher.update(l.to_le_bytes()));
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
