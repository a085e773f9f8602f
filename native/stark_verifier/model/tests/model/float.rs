//! The float engine against plain float64 arithmetic, and against the integers of the fixture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common;
use esper_model::{Engine, FloatConfig, FloatEngine, FloatModel, Level, Model, SITES, Shape};
use serde_json::{Value, json};

const DIM: usize = 24;
const HIDDEN: usize = 37;
const HEADS: usize = 6;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 6;
const VOCAB: usize = 41;
const LAYERS: usize = 2;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Multiples of 1/128 in [-1/2, 3/2), exact in every float type.
fn random_tensors(tied: bool) -> Tensors {
    let mut state = 12345_u32;
    let mut tensors = Tensors::new();
    let mut add = |name: String, shape: &[usize], offset: f32| {
        let count = shape.iter().product();
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            offset + ((state >> 25) as f32 - 64.0) / 128.0
        };
        tensors.insert(name, (shape.to_vec(), (0..count).map(next).collect()));
    };
    add("model.embed_tokens.weight".into(), &[VOCAB, DIM], 0.0);
    add("model.norm.weight".into(), &[DIM], 1.0);
    if !tied {
        add("lm_head.weight".into(), &[VOCAB, DIM], 0.0);
    }
    for layer in 0..LAYERS {
        let mut part = |name: &str, shape: &[usize], offset| {
            add(format!("model.layers.{layer}.{name}.weight"), shape, offset)
        };
        part("input_layernorm", &[DIM], 1.0);
        part("post_attention_layernorm", &[DIM], 1.0);
        part("self_attn.q_proj", &[HEADS * HEAD_DIM, DIM], 0.0);
        part("self_attn.k_proj", &[KV_HEADS * HEAD_DIM, DIM], 0.0);
        part("self_attn.v_proj", &[KV_HEADS * HEAD_DIM, DIM], 0.0);
        part("self_attn.o_proj", &[DIM, HEADS * HEAD_DIM], 0.0);
        part("mlp.gate_proj", &[HIDDEN, DIM], 0.0);
        part("mlp.up_proj", &[HIDDEN, DIM], 0.0);
        part("mlp.down_proj", &[DIM, HIDDEN], 0.0);
    }
    tensors
}

fn config(tied: bool) -> FloatConfig {
    let shape = Shape {
        vocab: VOCAB,
        dim: DIM,
        hidden: HIDDEN,
        layers: LAYERS,
        heads: HEADS,
        kv_heads: KV_HEADS,
        head_dim: HEAD_DIM,
        max_seq: 64,
    };
    FloatConfig { shape, norm_eps: 1e-5, rope_theta: 500.0, tied }
}

/// A model directory that goes away with the value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str, tensors: &Tensors, dtype: &str) -> Self {
        let path = std::env::temp_dir().join(format!("esper-float-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (name, (shape, values)) in tensors {
            let begin = data.len();
            for &value in values {
                match dtype {
                    "F32" => data.extend(value.to_le_bytes()),
                    "BF16" => data.extend(((value.to_bits() >> 16) as u16).to_le_bytes()),
                    _ => data.extend(half_bits(value).to_le_bytes()),
                }
            }
            let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()]});
            header.insert(name.clone(), entry);
        }
        let header = Value::Object(header).to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        std::fs::write(path.join("model.safetensors"), file).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Binary16 of a number that has one.
fn half_bits(value: f32) -> u16 {
    if value == 0.0 {
        return 0;
    }
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 255) as i32 - 127 + 15;
    assert!((1..31).contains(&exponent) && bits & 0x1fff == 0, "{value} is no binary16");
    (bits >> 16 & 0x8000) as u16 | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16
}

/// Logits `[position][vocab]` in float64 and the largest absolute values by (layer, site).
fn reference(t: &Tensors, tokens: &[u32]) -> (Vec<f64>, BTreeMap<(usize, &'static str), f64>) {
    let get =
        |name: &str| t.get(name).map(|(_, values)| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let matvec = |m: &[f64], x: &[f64]| -> Vec<f64> {
        m.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
    };
    let norm = |x: &[f64], gain: &[f64]| -> Vec<f64> {
        let scale = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + 1e-5).sqrt();
        x.iter().zip(gain).map(|(x, g)| x / scale * g).collect()
    };
    let rotate = |x: &[f64], position: usize| -> Vec<f64> {
        let mut out = x.to_vec();
        for head in 0..x.len() / HEAD_DIM {
            for i in 0..HEAD_DIM / 2 {
                let angle = position as f64 * 500_f64.powf(-2.0 * i as f64 / HEAD_DIM as f64);
                let (a, b) = (head * HEAD_DIM + i, head * HEAD_DIM + i + HEAD_DIM / 2);
                out[a] = x[a] * angle.cos() - x[b] * angle.sin();
                out[b] = x[a] * angle.sin() + x[b] * angle.cos();
            }
        }
        out
    };
    let mut seen: BTreeMap<(usize, &'static str), f64> = BTreeMap::new();
    let mut see = |layer: usize, site: &'static str, values: &[f64]| {
        let most = seen.entry((layer, site)).or_default();
        *most = values.iter().fold(*most, |m, v| m.max(v.abs()));
    };
    let embed = get("model.embed_tokens.weight").unwrap();
    let head = get("lm_head.weight").unwrap_or_else(|| embed.clone());
    let (mut keys, mut values) = (vec![Vec::new(); LAYERS], vec![Vec::new(); LAYERS]);
    let mut out = Vec::new();
    for (position, &token) in tokens.iter().enumerate() {
        let mut x = embed[token as usize * DIM..][..DIM].to_vec();
        for layer in 0..LAYERS {
            let w = |name: &str| get(&format!("model.layers.{layer}.{name}.weight")).unwrap();
            let h = norm(&x, &w("input_layernorm"));
            see(layer, "attention_input", &h);
            let q = rotate(&matvec(&w("self_attn.q_proj"), &h), position);
            see(layer, "query", &q);
            keys[layer].push(rotate(&matvec(&w("self_attn.k_proj"), &h), position));
            see(layer, "key", &keys[layer][position]);
            values[layer].push(matvec(&w("self_attn.v_proj"), &h));
            see(layer, "value", &values[layer][position]);
            let mut o = Vec::new();
            for head in 0..HEADS {
                let start = head / (HEADS / KV_HEADS) * HEAD_DIM;
                let q = &q[head * HEAD_DIM..][..HEAD_DIM];
                let dot = |k: &Vec<f64>| {
                    q.iter().zip(&k[start..]).map(|(a, b)| a * b).sum::<f64>() / (HEAD_DIM as f64).sqrt()
                };
                let exps: Vec<f64> = keys[layer].iter().map(|k| dot(k).exp()).collect();
                let total: f64 = exps.iter().sum();
                o.extend((0..HEAD_DIM).map(|c| {
                    exps.iter().zip(&values[layer]).map(|(e, v)| e * v[start + c]).sum::<f64>() / total
                }));
            }
            see(layer, "attention_output", &o);
            let update = matvec(&w("self_attn.o_proj"), &o);
            see(layer, "attention_update", &update);
            x.iter_mut().zip(update).for_each(|(x, u)| *x += u);
            let h = norm(&x, &w("post_attention_layernorm"));
            see(layer, "feed_forward_input", &h);
            let (gate, up) = (matvec(&w("mlp.gate_proj"), &h), matvec(&w("mlp.up_proj"), &h));
            see(layer, "gate", &gate);
            see(layer, "up", &up);
            let z: Vec<f64> = gate.iter().zip(&up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
            see(layer, "gated", &z);
            let update = matvec(&w("mlp.down_proj"), &z);
            see(layer, "feed_forward_update", &update);
            x.iter_mut().zip(update).for_each(|(x, u)| *x += u);
            see(layer, "residual", &x);
        }
        out.extend(matvec(&head, &norm(&x, &get("model.norm.weight").unwrap())));
    }
    (out, seen)
}

fn sequences() -> Vec<Vec<u32>> {
    [60, 1, 17].iter().map(|&n| (0..n).map(|i| (i * i * 7 + n) % VOCAB as u32).collect()).collect()
}

#[test]
fn logits_on_every_level_and_element_type() {
    for (tied, dtype) in [(true, "F32"), (false, "BF16"), (false, "F16")] {
        let tensors = random_tensors(tied);
        let dir = Directory::new(dtype, &tensors, dtype);
        let model = Arc::new(FloatModel::load_dir(&dir.0, &config(tied)).unwrap());
        for level in Level::available() {
            for threads in [1, 2] {
                let engine = FloatEngine::with_level(model.clone(), threads, level).unwrap();
                for (tokens, logits) in sequences().iter().zip(engine.logits(&sequences()).unwrap()) {
                    let (expected, _) = reference(&tensors, tokens);
                    assert_eq!(logits.len(), expected.len());
                    for (index, (got, want)) in logits.iter().zip(&expected).enumerate() {
                        let close = (f64::from(*got) - want).abs() < 2e-4 * (1.0 + want.abs());
                        assert!(close, "{dtype} {level:?} entry {index}: {got} against {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn weights_in_two_files() {
    let mut first = random_tensors(false);
    let second = first.split_off("model.layers.1.mlp.down_proj.weight");
    let (one, two) = (Directory::new("first", &first, "F32"), Directory::new("second", &second, "BF16"));
    let whole = Directory::new("whole", &random_tensors(false), "F32");
    let files = [&one, &two].map(|directory| directory.0.join("model.safetensors"));
    let logits =
        |model: FloatModel| FloatEngine::new(Arc::new(model), 1).unwrap().logits(&sequences()).unwrap();
    let expected = logits(FloatModel::load_dir(&whole.0, &config(false)).unwrap());
    assert_eq!(logits(FloatModel::load(&files, &config(false)).unwrap()), expected);
    let missing = FloatModel::load(&files[..1], &config(false)).err().unwrap().to_string();
    assert!(missing.contains("is missing"), "{missing}");
}

#[test]
fn answers_follow_the_logits() {
    let dir = Directory::new("answers", &random_tensors(true), "F32");
    let engine = FloatEngine::new(Arc::new(FloatModel::load_dir(&dir.0, &config(true)).unwrap()), 2).unwrap();
    let prompts: Vec<Vec<u32>> = vec![vec![3], vec![7, 8, 9], vec![1; 20]];
    let answers = engine.generate(&prompts, 10, u32::MAX).unwrap();
    for (prompt, answer) in prompts.iter().zip(&answers) {
        assert_eq!(answer.len(), 10);
        let mut tokens = prompt.clone();
        tokens.extend(&answer[..9]);
        let logits = engine.logits(&[tokens]).unwrap().remove(0);
        for (row, &token) in logits.chunks(VOCAB).skip(prompt.len() - 1).zip(answer) {
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            assert!(row[token as usize] > top - 1e-4);
        }
    }
    let eos = answers[1][2];
    let short = &engine.generate(&prompts, 10, eos).unwrap()[1];
    let end = answers[1].iter().position(|&t| t == eos).unwrap();
    assert_eq!(short, &answers[1][..=end]);
    assert!(engine.generate(&prompts, 0, eos).is_err() && engine.generate(&[vec![1; 60]], 6, eos).is_err());
}

#[test]
fn calibration_measures_every_site() {
    let tensors = random_tensors(true);
    let dir = Directory::new("calibration", &tensors, "F32");
    let model = Arc::new(FloatModel::load_dir(&dir.0, &config(true)).unwrap());
    let one = FloatEngine::new(model.clone(), 1).unwrap().calibrate(&sequences()).unwrap();
    let two = FloatEngine::new(model, 2).unwrap().calibrate(&sequences()).unwrap();
    assert_eq!(one, two);
    assert_eq!(one.tokens, 78);
    let mut expected: BTreeMap<(usize, &str), f64> = BTreeMap::new();
    for tokens in sequences() {
        for (key, value) in reference(&tensors, &tokens).1 {
            let most = expected.entry(key).or_default();
            *most = most.max(value);
        }
    }
    assert_eq!(expected.len(), LAYERS * SITES.len());
    for ((layer, site), want) in expected {
        let spread = one.layers[layer].sites[SITES.iter().position(|s| *s == site).unwrap()];
        assert!(
            (f64::from(spread.absmax) - want).abs() < 1e-4 * want,
            "layer {layer} {site}: {spread:?}, {want}"
        );
        assert!(spread.mean_abs() > 0.0 && spread.mean_abs() < want);
        assert_eq!(spread.count % 78, 0, "{site}");
    }
    let stats = &one.layers[0];
    assert!(stats.score_min < stats.score_max && stats.score_range <= stats.score_max - stats.score_min);
}

#[test]
fn a_configuration_that_does_not_fit_is_refused() {
    let refuse = |change: fn(&mut FloatConfig)| {
        let mut other = config(true);
        change(&mut other);
        let dir = Directory::new("refused", &random_tensors(true), "F32");
        FloatModel::load_dir(&dir.0, &other).err().unwrap().to_string()
    };
    assert!(refuse(|c| c.shape.kv_heads = 4).contains("num_key_value_heads"));
    assert!(refuse(|c| c.shape.head_dim = 5).contains("head_dim"));
    assert!(refuse(|c| c.shape.vocab = 0).contains("shape"));
    assert!(refuse(|c| c.shape.dim = 23).contains("model.embed_tokens.weight"));
    assert!(refuse(|c| c.tied = false).contains("lm_head.weight"));
    assert!(refuse(|c| c.norm_eps = 0.0).contains("rms_norm_eps"));
    assert!(refuse(|c| c.rope_theta = f64::NAN).contains("rope_theta"));
}

/// The integers were exported from these floats: nearly all next tokens agree.
#[test]
fn the_fixture_agrees_with_its_integers() {
    let Some(dir) = common::fixture_dir() else { return };
    let tokens = fixture_tokens(&dir);
    let integers = Arc::new(Model::load_dir(&dir).unwrap());
    let plain = FloatConfig { shape: integers.shape, norm_eps: 1e-5, rope_theta: 10_000.0, tied: true };
    let float = FloatEngine::new(Arc::new(FloatModel::load_dir(&dir, &plain).unwrap()), 2).unwrap();
    let integer = Engine::new(integers, 1).unwrap();
    let (mut equal, mut all) = (0, 0);
    for (float, integer) in float.logits(&tokens).unwrap().iter().zip(integer.logits(&tokens).unwrap()) {
        for (float, integer) in float.chunks(512).zip(integer.chunks(512)) {
            let best = |a: usize, b: usize| if float[b] > float[a] { b } else { a };
            let top = (0..512).fold(0, best);
            equal += usize::from(integer[top] == *integer.iter().max().unwrap());
            all += 1;
        }
    }
    assert!(equal * 100 > all * 95, "{equal} of {all}");
}

fn fixture_tokens(dir: &Path) -> Vec<Vec<u32>> {
    let vectors: Value =
        serde_json::from_slice(&std::fs::read(dir.join("g16_vectors.json")).unwrap()).unwrap();
    serde_json::from_value(vectors["tokens"].clone()).unwrap()
}
