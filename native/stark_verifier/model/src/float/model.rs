//! A Llama checkpoint in Hugging Face form, as float32.

use std::path::Path;

use serde_json::{Map, Value};

use crate::ModelError;
use crate::model::Shape;
use crate::safetensors::{Container, Dtype, View};

/// Weights of one decoder layer; matrices are `[out][in]`.
pub(crate) struct FloatLayer {
    pub norm1: Vec<f32>,
    pub norm2: Vec<f32>,
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub o: Vec<f32>,
    pub gate: Vec<f32>,
    pub up: Vec<f32>,
    pub down: Vec<f32>,
}

/// A float checkpoint in memory.
pub struct FloatModel {
    /// Sizes; `max_seq` is the checkpoint's `max_position_embeddings`.
    pub shape: Shape,
    /// Added to the mean square of every norm.
    pub norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    pub(crate) embed: Vec<f32>,
    /// `None` where the embedding serves as output matrix.
    pub(crate) lm_head: Option<Vec<f32>>,
    pub(crate) final_norm: Vec<f32>,
    pub(crate) layers: Vec<FloatLayer>,
}

impl FloatModel {
    /// Reads `config.json` and `model.safetensors` (float32, float16 or bfloat16) in directory `path`.
    ///
    /// # Errors
    /// [`ModelError::Io`], [`ModelError::Container`], [`ModelError::Field`] for a configuration this engine does not
    /// compute, [`ModelError::MissingTensor`] and [`ModelError::TensorShape`].
    pub fn load_dir(path: &Path) -> Result<FloatModel, ModelError> {
        let config_path = path.join("config.json");
        let bytes =
            std::fs::read(&config_path).map_err(|source| ModelError::Io { path: config_path, source })?;
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|e| field("config.json", format!("not JSON: {e}")))?;
        let config = Config(value.as_object().ok_or_else(|| field("config.json", "not an object".into()))?);
        config.refuse_other_arithmetic()?;
        let shape = config.shape()?;
        let container = Container::read(&path.join("model.safetensors"))?;
        let tensor = |name: &str, sizes: &[usize]| float_tensor(&container, name, sizes);
        let tied = config.0.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false);
        let (dim, hidden, q, kv) = (shape.dim, shape.hidden, shape.q_width(), shape.kv_width());
        let layer = |index: usize| -> Result<FloatLayer, ModelError> {
            let part =
                |name: &str, sizes: &[usize]| tensor(&format!("model.layers.{index}.{name}.weight"), sizes);
            Ok(FloatLayer {
                norm1: part("input_layernorm", &[dim])?,
                norm2: part("post_attention_layernorm", &[dim])?,
                q: part("self_attn.q_proj", &[q, dim])?,
                k: part("self_attn.k_proj", &[kv, dim])?,
                v: part("self_attn.v_proj", &[kv, dim])?,
                o: part("self_attn.o_proj", &[dim, q])?,
                gate: part("mlp.gate_proj", &[hidden, dim])?,
                up: part("mlp.up_proj", &[hidden, dim])?,
                down: part("mlp.down_proj", &[dim, hidden])?,
            })
        };
        Ok(FloatModel {
            shape,
            norm_eps: config.positive("rms_norm_eps")? as f32,
            rope_theta: config.rope_theta()?,
            embed: tensor("model.embed_tokens.weight", &[shape.vocab, dim])?,
            lm_head: if tied { None } else { Some(tensor("lm_head.weight", &[shape.vocab, dim])?) },
            final_norm: tensor("model.norm.weight", &[dim])?,
            layers: (0..shape.layers).map(layer).collect::<Result<_, _>>()?,
        })
    }
}

/// The fields of `config.json`.
struct Config<'a>(&'a Map<String, Value>);

impl Config<'_> {
    fn shape(&self) -> Result<Shape, ModelError> {
        let dim = self.size("hidden_size", None)?;
        let heads = self.size("num_attention_heads", None)?;
        let shape = Shape {
            vocab: self.size("vocab_size", None)?,
            dim,
            hidden: self.size("intermediate_size", None)?,
            layers: self.size("num_hidden_layers", None)?,
            heads,
            kv_heads: self.size("num_key_value_heads", Some(heads))?,
            head_dim: self.size("head_dim", Some(dim / heads))?,
            max_seq: self.size("max_position_embeddings", None)?,
        };
        if !shape.heads.is_multiple_of(shape.kv_heads) {
            return Err(field("num_key_value_heads", format!("must divide num_attention_heads = {heads}")));
        }
        if shape.head_dim == 0 || !shape.head_dim.is_multiple_of(2) {
            return Err(field("head_dim", format!("must be even and positive, got {}", shape.head_dim)));
        }
        Ok(shape)
    }

    fn size(&self, name: &str, default: Option<usize>) -> Result<usize, ModelError> {
        match (self.0.get(name), default) {
            (None | Some(Value::Null), Some(default)) => Ok(default),
            (value, _) => match value.and_then(Value::as_u64) {
                Some(size @ 1..=0x0200_0000) => Ok(size as usize),
                _ => Err(field(name, "config.json needs an integer from 1 to 2^25 here".into())),
            },
        }
    }

    fn positive(&self, name: &str) -> Result<f64, ModelError> {
        let value = self.0.get(name).and_then(Value::as_f64).filter(|v| v.is_finite() && *v > 0.0);
        value.ok_or_else(|| field(name, "config.json needs a positive number here".into()))
    }

    /// `rope_theta`, at the top or inside `rope_parameters`; 10000 where it is left out.
    fn rope_theta(&self) -> Result<f64, ModelError> {
        if self.0.contains_key("rope_theta") {
            return self.positive("rope_theta");
        }
        match self.0.get("rope_parameters").and_then(Value::as_object) {
            Some(inner) if inner.contains_key("rope_theta") => Config(inner).positive("rope_theta"),
            _ => Ok(10_000.0),
        }
    }

    /// Refuses what would need other formulas than a plain Llama's.
    fn refuse_other_arithmetic(&self) -> Result<(), ModelError> {
        let plain = |value: Option<&Value>, admitted: &[Value]| {
            value.is_none_or(|v| v.is_null() || admitted.contains(v))
        };
        let rules = [
            ("hidden_act", Value::from("silu")),
            ("attention_bias", Value::from(false)),
            ("mlp_bias", Value::from(false)),
            ("rope_interleaved", Value::from(false)),
            ("rope_scaling", Value::Null),
            ("quantization_config", Value::Null),
        ];
        for (name, admitted) in rules {
            if !plain(self.0.get(name), std::slice::from_ref(&admitted)) {
                return Err(field(name, format!("only {admitted} is supported, got {}", self.0[name])));
            }
        }
        let kind = self.0.get("rope_parameters").and_then(|inner| inner.get("rope_type"));
        if !plain(kind, &[Value::from("default")]) {
            return Err(field("rope_parameters.rope_type", "only \"default\" is supported".into()));
        }
        Ok(())
    }
}

fn float_tensor(container: &Container, name: &str, sizes: &[usize]) -> Result<Vec<f32>, ModelError> {
    let view = container.find(name).ok_or_else(|| ModelError::MissingTensor { tensor: name.into() })?;
    if view.shape != sizes {
        let (expected, got) = (format!("a float tensor {sizes:?}"), view.describe());
        return Err(ModelError::TensorShape { tensor: name.into(), expected, got });
    }
    let values = to_f32(&view).ok_or_else(|| ModelError::TensorShape {
        tensor: name.into(),
        expected: "F32, F16 or BF16".into(),
        got: view.describe(),
    })?;
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(field(name, format!("entry {index} is {}, all must be finite", values[index]))),
        None => Ok(values),
    }
}

fn to_f32(view: &View<'_>) -> Option<Vec<f32>> {
    let halves = || view.data.as_chunks::<2>().0.iter().map(|&b| u16::from_le_bytes(b));
    match view.dtype {
        Dtype::F32 => Some(view.data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
        Dtype::Bf16 => Some(halves().map(|h| f32::from_bits(u32::from(h) << 16)).collect()),
        Dtype::F16 => Some(halves().map(half_to_f32).collect()),
        _ => None,
    }
}

/// IEEE binary16 to binary32, exact.
fn half_to_f32(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(half >> 10 & 31), f32::from(half & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2.0_f32.powi(exponent - 25),
    }
}

fn field(name: &str, reason: String) -> ModelError {
    ModelError::Field { field: name.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::half_to_f32;

    #[test]
    fn half_precision() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x7bff, 65504.0),
            (0x3555, 0.333_251_95),
        ];
        for (bits, value) in cases {
            assert_eq!(half_to_f32(bits), value);
        }
        assert!(half_to_f32(0x7e00).is_nan() && half_to_f32(0xfc00) == f32::NEG_INFINITY);
    }
}
