//! A Llama checkpoint in Hugging Face form, as float32.

use std::path::{Path, PathBuf};

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

/// What the weights alone do not say. Whoever reads `config.json` hands it over: one file, one reader.
#[derive(Clone, Copy, Debug)]
pub struct FloatConfig {
    /// Sizes; `max_seq` is the checkpoint's `max_position_embeddings`.
    pub shape: Shape,
    /// Added to the mean square of every norm.
    pub norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Whether the embedding serves as output matrix.
    pub tied: bool,
}

impl FloatConfig {
    fn check(&self) -> Result<(), ModelError> {
        let s = &self.shape;
        let sizes = [s.vocab, s.dim, s.hidden, s.layers, s.heads, s.kv_heads, s.head_dim, s.max_seq];
        if sizes.iter().any(|size| !(1..=1 << 25).contains(size)) {
            return Err(field("shape", format!("sizes must be from 1 to 2^25, got {sizes:?}")));
        }
        if !s.heads.is_multiple_of(s.kv_heads) {
            return Err(field(
                "num_key_value_heads",
                format!("must divide num_attention_heads = {}", s.heads),
            ));
        }
        if !s.head_dim.is_multiple_of(2) {
            return Err(field("head_dim", format!("must be even, got {}", s.head_dim)));
        }
        for (name, value) in [("rms_norm_eps", self.norm_eps), ("rope_theta", self.rope_theta)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(field(name, format!("must be a positive number, got {value}")));
            }
        }
        Ok(())
    }
}

impl FloatModel {
    /// Reads `model.safetensors` (float32, float16 or bfloat16) in directory `path`.
    ///
    /// # Errors
    /// As of [`FloatModel::load`].
    pub fn load_dir(path: &Path, config: &FloatConfig) -> Result<FloatModel, ModelError> {
        Self::load(&[path.join("model.safetensors")], config)
    }

    /// Reads the weights from `files`, each tensor from the first that holds it.
    ///
    /// # Errors
    /// [`ModelError::Field`] for a configuration out of range, [`ModelError::Io`], [`ModelError::Container`],
    /// [`ModelError::MissingTensor`] and [`ModelError::TensorShape`].
    pub fn load(files: &[PathBuf], config: &FloatConfig) -> Result<FloatModel, ModelError> {
        config.check()?;
        let shape = config.shape;
        let containers: Vec<Container> =
            files.iter().map(|file| Container::read(file)).collect::<Result<_, _>>()?;
        let tensor = |name: &str, sizes: &[usize]| float_tensor(&containers, name, sizes);
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
            norm_eps: config.norm_eps as f32,
            rope_theta: config.rope_theta,
            embed: tensor("model.embed_tokens.weight", &[shape.vocab, dim])?,
            lm_head: if config.tied { None } else { Some(tensor("lm_head.weight", &[shape.vocab, dim])?) },
            final_norm: tensor("model.norm.weight", &[dim])?,
            layers: (0..shape.layers).map(layer).collect::<Result<_, _>>()?,
        })
    }
}

fn float_tensor(containers: &[Container], name: &str, sizes: &[usize]) -> Result<Vec<f32>, ModelError> {
    let view = containers
        .iter()
        .find_map(|container| container.find(name))
        .ok_or_else(|| ModelError::MissingTensor { tensor: name.into() })?;
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
