//! Files that do not follow the format give an error that names what is wrong, and never a panic.

use std::path::{Path, PathBuf};

use crate::common;
use esper_model::{Model, ModelError, ModelPart};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The fixture taken apart, to be put together with changes.
struct Parts {
    header: Value,
    data: Vec<u8>,
    config: Vec<u8>,
}

impl Parts {
    fn fixture() -> Option<Self> {
        let dir = common::fixture_dir()?;
        let file = std::fs::read(dir.join("g16.safetensors")).unwrap();
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        Some(Self {
            header: serde_json::from_slice(&file[8..8 + length]).unwrap(),
            data: file[8 + length..].to_vec(),
            config: std::fs::read(dir.join("config.json")).unwrap(),
        })
    }

    fn g16(&self) -> Value {
        serde_json::from_str(self.header["__metadata__"]["g16"].as_str().unwrap()).unwrap()
    }

    fn set_g16(&mut self, g16: &Value) {
        self.header["__metadata__"]["g16"] = g16.to_string().into();
    }

    /// Replaces the integer field that `pointer` leads to in the metadata.
    fn set_field(&mut self, pointer: &str, value: Value) {
        let mut g16 = self.g16();
        *g16.pointer_mut(pointer).unwrap() = value;
        self.set_g16(&g16);
    }

    /// Bytes of one tensor.
    fn tensor(&mut self, name: &str) -> &mut [u8] {
        let offsets = &self.header[name]["data_offsets"];
        let (begin, end) = (offsets[0].as_u64().unwrap() as usize, offsets[1].as_u64().unwrap() as usize);
        &mut self.data[begin..end]
    }

    fn set_i32(&mut self, name: &str, index: usize, value: i32) {
        self.tensor(name)[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn load(&self) -> Result<Model, ModelError> {
        let header = self.header.to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(&self.data);
        load_bytes(&file, &self.config)
    }

    fn message(&self) -> String {
        self.load().expect_err("the change should be refused").to_string()
    }
}

fn load_bytes(file: &[u8], config: &[u8]) -> Result<Model, ModelError> {
    let id = std::thread::current().id();
    let dir = std::env::temp_dir().join(format!("esper-malformed-{}-{id:?}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("g16.safetensors"), file).unwrap();
    std::fs::write(dir.join("config.json"), config).unwrap();
    let result = Model::load_dir(&dir);
    // A loader of parts reads the same bytes, never panics, and takes what the other takes.
    let layers = result.as_ref().map_or(2, |model| model.shape.layers);
    let part = Model::load_part(&dir, &ModelPart { layers: 0..layers, embedding: true, head: true });
    std::fs::remove_dir_all(&dir).unwrap();
    if let Ok(whole) = &result {
        assert_eq!(Model { integers_hash: whole.integers_hash, ..part.unwrap() }, *whole);
    }
    result
}

/// The message after one change to the fixture, or `None` without a fixture.
fn after(change: impl FnOnce(&mut Parts)) -> Option<String> {
    let mut parts = Parts::fixture()?;
    change(&mut parts);
    Some(parts.message())
}

macro_rules! refused {
    ($change:expr, $($words:literal),+) => {
        let Some(message) = after($change) else { return };
        $(assert!(message.contains($words), "{message}");)+
    };
}

#[test]
fn the_twin_without_a_change_is_accepted() {
    let Some(mut parts) = Parts::fixture() else { return };
    let plain = parts.load().unwrap();
    let mut g16 = parts.g16();
    g16["bos"] = json!(7);
    g16["eos"] = json!(9);
    g16["version"] = json!(1);
    g16["layer"][2]["o_bits"] = json!(22);
    parts.set_g16(&g16);
    parts.config = b"no JSON, and not read".to_vec();
    let changed = parts.load().unwrap();
    assert_eq!((changed.bos, changed.eos, changed.layers[2].o_bits), (7, 9, 22));
    assert_ne!(plain.integers_hash, changed.integers_hash);
    // Display values are outside the hash.
    let mut display = Parts::fixture().unwrap();
    display.set_field("/logit_scale", json!(0.5));
    assert_eq!(display.load().unwrap(), plain);
}

#[test]
fn metadata() {
    refused!(|p| p.header["__metadata__"] = json!({}), "field 'g16'", "missing");
    refused!(|p| p.set_field("/spec", json!("G8")), "field 'spec'", "G16");
    refused!(|p| p.set_field("/exp_bits", json!(11)), "field 'exp_bits'", "12");
    refused!(|p| p.set_field("/dim", json!(64.5)), "field 'dim'");
    refused!(|p| p.set_field("/dim", json!(-64)), "field 'dim'");
    refused!(|p| p.set_field("/dim", json!(1_u64 << 60)), "field 'dim'");
    refused!(|p| p.set_field("/dim", json!(128)), "expected", "128");
    refused!(|p| p.set_field("/kv_heads", json!(3)), "kv_heads", "divide");
    refused!(|p| p.set_field("/layers", json!(4)), "'layer'", "5 entries");
    refused!(|p| p.set_field("/eps_term", json!(0)), "eps_term");
    refused!(|p| p.set_field("/emax", json!(31)), "emax");
    refused!(|p| p.set_field("/layer/1/score_shift", json!(0)), "layer[1].score_shift", "1 to 16");
    refused!(|p| p.set_field("/layer/1/score_shift", json!(17)), "layer[1].score_shift", "1 to 16");
    refused!(|p| p.set_field("/layer/2/out_shift", json!(1)), "layer[2].out_shift");
    refused!(|p| p.set_field("/layer/2/linear_shift/q_proj", json!(31)), "layer[2].linear_shift.q_proj");
    refused!(
        |p| p.set_field("/layer/2/linear_shift/up_proj", json!(31)),
        "layer[2].linear_shift.up_proj",
        "32"
    );
    refused!(|p| p.set_field("/layer/0/norm1_shift", json!(0)), "layer[0].norm1_shift");
    refused!(|p| p.config = b"{}".to_vec(), "bos_token_id", "'bos' and 'eos'");
    for (name, value) in [("o_bits", 21), ("down_bits", 28), ("z_bits", 26), ("gate_bits", 14)] {
        let change = |p: &mut Parts| {
            let mut g16 = p.g16();
            g16["layer"][3][name] = json!(value);
            p.set_g16(&g16);
        };
        let Some(message) = after(change) else { return };
        assert!(message.contains(&format!("layer[3].{name}")), "{message}");
    }
}

#[test]
fn tensors() {
    refused!(|p| p.tensor("layers.3.up_proj.weight")[5] = 0x80, "layers.3.up_proj.weight", "entry 5 is -128");
    refused!(|p| p.set_i32("layers.1.v_proj.multiplier", 4, 0), "layers.1.v_proj.multiplier", "entry 4 is 0");
    refused!(|p| p.set_i32("exp_table", 0, 0), "exp_table", "entry 0");
    refused!(|p| p.set_i32("exp_table", 9, 32768), "exp_table", "entry 9 is 32768");
    refused!(|p| p.set_i32("rsqrt_table", 1024, 4096), "rsqrt_table", "entry 1024 is 4096");
    refused!(|p| p.set_i32("rope_cos", 1, 65537), "rope_cos", "entry 1 is 65537");
    refused!(|p| p.set_i32("rope_sin", 1, -65537), "rope_sin", "entry 1 is -65537");
    refused!(|p| p.set_i32("layers.0.norm2_gain", 3, 1 << 17), "layers.0.norm2_gain", "17 bits");
    refused!(|p| p.set_i32("final_norm_gain", 0, -(1 << 17)), "final_norm_gain", "17 bits");
    refused!(|p| p.tensor("layers.4.silu_table")[0] ^= 1, "layers.4.silu_table", "entry 1");
    refused!(|p| p.set_i32("layers.2.k_proj.multiplier", 12, 7), "layers.2.k_proj.multiplier", "8 and 12");
    refused!(
        |p| {
            let header = p.header.as_object_mut().unwrap();
            let entry = header.remove("layers.0.q_proj.weight").unwrap();
            header.insert("layers.0.q_proj.extra".into(), entry);
        },
        "layers.0.q_proj.extra",
        "does not belong"
    );
    refused!(|p| p.header["rope_sin"]["shape"] = json!([4, 512]), "rope_sin", "[4, 512]");
    refused!(|p| p.header["rope_sin"]["dtype"] = json!("F32"), "rope_sin", "F32");
}

#[test]
fn worst_cases_beyond_their_limits() {
    refused!(|p| p.set_i32("layers.1.gate_proj.multiplier", 0, i32::MAX), "layer 1", "gate clamp quotient");
    refused!(|p| p.set_i32("layers.2.up_proj.multiplier", 0, i32::MAX), "layer 2", "silu * A_up");
    refused!(
        |p| (0..8).for_each(|i| p.set_i32("layers.2.q_proj.multiplier", i, i32::MAX)),
        "layer 2",
        "q rotary"
    );
    refused!(|p| p.set_i32("lm_head.multiplier", 3, 1 << 30), "model", "logits");
    refused!(|p| p.set_i32("embed_tokens", 0, i32::MIN), "model", "residual x");
    refused!(|p| p.set_i32("embed_tokens", 0, 1 << 30), "model", "norm V");
    refused!(|p| p.set_field("/emax", json!(24)), "model", "norm exponent");
    refused!(|p| p.set_field("/emax", json!(30)), "model", "norm 2^T0");
}

#[test]
fn containers() {
    refused!(|p| p.data.push(0), "well-formed", "cover");
    refused!(|p| p.data.truncate(100), "well-formed", "leave the 100 bytes");
    refused!(|p| p.header["exp_table"]["data_offsets"] = json!([0, 16384]), "well-formed");
    refused!(|p| p.header["exp_table"]["shape"] = json!([u64::MAX, 4096]), "exp_table", "overflows");
    refused!(|p| p.header["exp_table"]["data_offsets"] = json!([0]), "two entries");
    refused!(|p| p.header["exp_table"]["dtype"] = json!("I64"), "I64");
    refused!(|p| p.header = json!([]), "well-formed", "does not begin with '{'");
    for file in [&b""[..], b"1234567", &u64::MAX.to_le_bytes(), &[200, 0, 0, 0, 0, 0, 0, 0, b'{']] {
        assert!(matches!(load_bytes(file, b"{}"), Err(ModelError::Container { .. })));
    }
    let nested = "[".repeat(100_000);
    let mut file = (nested.len() as u64).to_le_bytes().to_vec();
    file.extend(nested.as_bytes());
    assert!(matches!(load_bytes(&file, b"{}"), Err(ModelError::Container { .. })));
    assert!(matches!(Model::load_dir(Path::new("/nonexistent")), Err(ModelError::Io { .. })));
}

fn fixture_bytes() -> Option<Vec<u8>> {
    let dir: PathBuf = common::fixture_dir()?;
    Some(std::fs::read(dir.join("g16.safetensors")).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any damage is an error or another valid model, never a panic; most of it falls on the header.
    #[test]
    fn damaged_bytes_never_panic(
        flips in prop::collection::vec((0_usize..10_000, any::<u8>()), 1..4),
        cut in prop::option::of(0_usize..1_200_000),
    ) {
        let Some(mut file) = fixture_bytes() else { return Ok(()) };
        flips.iter().for_each(|&(at, byte)| file[at] = byte);
        file.truncate(cut.unwrap_or(usize::MAX));
        if let Ok(model) = load_bytes(&file, br#"{"bos_token_id": 1, "eos_token_id": 2}"#) {
            prop_assert!(model.validate().is_ok());
        }
    }
}
