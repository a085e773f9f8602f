//! The name of a model equals that of the plain Python implementation, byte for byte.

use esper_model::Shape;
use esper_model::synthetic::{Options, random_model};
use esper_prover::ModelKey;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_model_has_one_name() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors/model_id_tiny.json");
    let vector: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let size = |name: &str| usize::try_from(vector["shape"][name].as_u64().unwrap()).unwrap();
    let width = |name: &str| u32::try_from(vector[name].as_u64().unwrap()).unwrap();
    let shape = Shape {
        vocab: size("vocab"),
        dim: size("dim"),
        hidden: size("hidden"),
        layers: size("layers"),
        heads: size("heads"),
        kv_heads: size("kv_heads"),
        head_dim: size("head_dim"),
        max_seq: size("max_seq"),
    };
    let options = Options {
        gate_bits: width("gate_bits"),
        z_bits: width("z_bits"),
        o_bits: width("o_bits"),
        down_bits: width("down_bits"),
        ..Options::default()
    };
    let model = random_model(vector["seed"].as_u64().unwrap(), shape, options).unwrap();
    assert_eq!(hex(&model.integers_hash), vector["integers_hash"].as_str().unwrap());
    let key = ModelKey::new(Arc::new(model)).unwrap();
    assert_eq!(hex(&key.descriptor.encode()), vector["descriptor"].as_str().unwrap());
    assert_eq!(hex(&key.model_id), vector["model_id"].as_str().unwrap());
}
