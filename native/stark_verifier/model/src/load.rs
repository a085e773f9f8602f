//! Reading a G16 model from its directory: `g16.safetensors`, and `config.json` where the metadata leave out
//! the special tokens.

use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};

use crate::model::{Layer, Linear, Model, Shape};
use crate::safetensors::{Container, Dtype, to_i8, to_i16, to_i32};
use crate::{ModelError, json};

/// File of the integers inside a model directory.
const INTEGERS_FILE: &str = "g16.safetensors";
/// Name of the metadata entry that holds the integer parameters as JSON.
const METADATA_KEY: &str = "g16";
/// Entries of the tables of exponentials and of inverse square roots.
const TABLE: usize = 4096;
/// No size above this is read from the metadata; it keeps every product of two sizes below 2^50.
const MAX_SIZE: u64 = 1 << 25;
/// Most layers a model may have.
const MAX_LAYERS: u64 = 1 << 10;

impl Model {
    /// Reads, checks and hashes the model in directory `path`.
    ///
    /// # Errors
    /// [`ModelError::Io`], [`ModelError::Container`], [`ModelError::Field`] and the tensor errors for a file that
    /// does not follow the format; everything that [`Model::validate`] refuses.
    pub fn load_dir(path: &Path) -> Result<Model, ModelError> {
        let container = Container::read(&path.join(INTEGERS_FILE))?;
        let mut model =
            Self::from_container(&container, None, || special_tokens_of_config(&path.join("config.json")))?;
        model.validate()?;
        model.integers_hash = model.compute_integers_hash();
        Ok(model)
    }

    /// Reads some layers of the model in directory `path` and what stands beside them, and nothing else: memory is that
    /// of the part. `integers_hash` stays zero and no worst case is computed, for both belong to the whole model.
    ///
    /// # Errors
    /// As [`Model::load_dir`] for the file's form, and for the range and shape of the layers' own integers.
    pub fn load_part(path: &Path, part: &ModelPart) -> Result<Model, ModelError> {
        let container = Container::read_some(&path.join(INTEGERS_FILE), |name| part.has(name))?;
        let model = Self::from_container(&container, Some(part), || {
            special_tokens_of_config(&path.join("config.json"))
        })?;
        model.check_layers()?;
        Ok(model)
    }

    /// Builds the model from a parsed file; `fallback` gives (bos, eos) where the metadata lack one.
    fn from_container(
        container: &Container,
        part: Option<&ModelPart>,
        fallback: impl FnOnce() -> Result<(u32, u32), ModelError>,
    ) -> Result<Model, ModelError> {
        let text = container
            .metadata(METADATA_KEY)
            .ok_or_else(|| field(METADATA_KEY, "the metadata entry is missing; export the model again"))?;
        let value =
            json::parse(text.as_bytes()).map_err(|e| field(METADATA_KEY, &format!("not JSON: {e}")))?;
        let fields = Fields { prefix: String::new(), map: object(METADATA_KEY, &value)? };
        check_constants(&fields)?;
        let mut shape = read_shape(&fields)?;
        let update_bits = fields.integer("residual_update_bits", 1, 62)? as u32;
        let layer_fields = fields.list("layer")?;
        if layer_fields.len() != shape.layers {
            let reason = format!("has {} entries, 'layers' says {}", layer_fields.len(), shape.layers);
            return Err(field("layer", &reason));
        }
        check_names(container, shape.layers)?;
        let (bos, eos) = match (
            fields.optional("bos", 0, u64::from(u32::MAX))?,
            fields.optional("eos", 0, u64::from(u32::MAX))?,
        ) {
            (Some(bos), Some(eos)) => (bos as u32, eos as u32),
            (bos, eos) => {
                let (config_bos, config_eos) = fallback()?;
                (bos.map_or(config_bos, |b| b as u32), eos.map_or(config_eos, |e| e as u32))
            }
        };
        let everything = ModelPart { layers: 0..shape.layers, embedding: true, head: true };
        let part = part.unwrap_or(&everything);
        let mut layers = Vec::new();
        for (index, value) in layer_fields.iter().enumerate().filter(|(i, _)| part.layers.contains(i)) {
            let prefix = format!("layer[{index}].");
            let map = object(prefix.trim_end_matches('.'), value)?;
            layers.push(read_layer(container, &shape, index, &Fields { prefix, map }, update_bits)?);
        }
        let tensor = |name: &str, shape: &[usize]| Ok(to_i32(container.expect(name, Dtype::I32, shape)?));
        let rope = [shape.max_seq, shape.head_dim / 2];
        shape.layers = layers.len();
        Ok(Model {
            shape,
            layers,
            embed: if part.embedding { tensor("embed_tokens", &[shape.vocab, shape.dim])? } else { vec![] },
            lm_head: if part.head {
                read_linear(container, "lm_head", shape.vocab, shape.dim, 0)?
            } else {
                Linear::none(shape.dim)
            },
            final_gain: tensor("final_norm_gain", &[shape.dim])?,
            final_shift: fields.integer("final_norm_shift", 1, 62)? as u32,
            exp: tensor("exp_table", &[TABLE])?,
            rsqrt: tensor("rsqrt_table", &[TABLE])?,
            rope_cos: tensor("rope_cos", &rope)?,
            rope_sin: tensor("rope_sin", &rope)?,
            emax: fields.integer("emax", 5, 30)? as u32,
            eps_term: fields.integer("eps_term", 1, 1 << 61)?,
            frac_bits: fields.integer("residual_frac_bits", 0, 24)? as u32,
            bos,
            eos,
            integers_hash: [0; 64],
        })
    }
}

/// What is read of a model: its tables and the last norm's gains are in each part.
#[derive(Clone, Debug)]
pub struct ModelPart {
    /// Layers, counted through the model.
    pub layers: Range<usize>,
    /// Whether the embedding is.
    pub embedding: bool,
    /// Whether the output matrix is.
    pub head: bool,
}

impl ModelPart {
    /// Whether a tensor belongs to the part.
    fn has(&self, name: &str) -> bool {
        match name.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) {
            Some((index, _)) => index.parse().is_ok_and(|i: usize| self.layers.contains(&i)),
            None if name == "embed_tokens" => self.embedding,
            None if name.starts_with("lm_head.") => self.head,
            None => true,
        }
    }
}

/// Fields whose value the format fixes.
fn check_constants(fields: &Fields<'_>) -> Result<(), ModelError> {
    let spec = fields.map.get("spec").and_then(Value::as_str);
    if spec != Some("G16") {
        return Err(field("spec", &format!("must be \"G16\", got {spec:?}")));
    }
    if fields.map.contains_key("version") {
        fields.integer("version", 1, 1)?;
    }
    for (name, value) in [("rsqrt_bits", 12), ("exp_bits", 12), ("rope_bits", 16), ("act_bits", 16)] {
        fields.integer(name, value, value)?;
    }
    Ok(())
}

fn read_shape(fields: &Fields<'_>) -> Result<Shape, ModelError> {
    let size = |name: &str, max: u64| fields.integer(name, 1, max).map(|n| n as usize);
    let shape = Shape {
        vocab: size("vocab", MAX_SIZE)?,
        dim: size("dim", MAX_SIZE)?,
        hidden: size("hidden", MAX_SIZE)?,
        layers: size("layers", MAX_LAYERS)?,
        heads: size("heads", MAX_SIZE)?,
        kv_heads: size("kv_heads", MAX_SIZE)?,
        head_dim: size("head_dim", MAX_SIZE)?,
        max_seq: size("max_seq", MAX_SIZE)?,
    };
    if !shape.heads.is_multiple_of(shape.kv_heads) {
        return Err(field(
            "kv_heads",
            &format!("must divide heads = {}, got {}", shape.heads, shape.kv_heads),
        ));
    }
    if !shape.head_dim.is_multiple_of(2) {
        return Err(field("head_dim", &format!("must be even, got {}", shape.head_dim)));
    }
    Ok(shape)
}

fn read_layer(
    container: &Container,
    shape: &Shape,
    index: usize,
    fields: &Fields<'_>,
    update_bits: u32,
) -> Result<Layer, ModelError> {
    fields.integer("out_shift", 0, 0)?;
    let shifts_value = fields.map.get("linear_shift").unwrap_or(&Value::Null);
    let name = format!("{}linear_shift", fields.prefix);
    let shifts = Fields { prefix: format!("{name}."), map: object(&name, shifts_value)? };
    let linear = |name: &str, out: usize, inp: usize| {
        let shift = shifts.integer(name, 1, 46)? as u32;
        read_linear(container, &format!("layers.{index}.{name}"), out, inp, shift)
    };
    let gain = |name: &str| -> Result<Vec<i32>, ModelError> {
        let name = format!("layers.{index}.{name}");
        Ok(to_i32(container.expect(&name, Dtype::I32, &[shape.dim])?))
    };
    let bits = |name: &str, default: u32, min: u64, max: u64| -> Result<u32, ModelError> {
        match fields.optional(name, min, max)? {
            Some(value) if value % 2 == 1 => {
                Err(field(&format!("{}{name}", fields.prefix), &format!("must be even, got {value}")))
            }
            value => Ok(value.map_or(default, |v| v as u32)),
        }
    };
    let gate_bits = bits("gate_bits", 16, 12, 16)?;
    if gate_bits == 14 {
        return Err(field(&format!("{}gate_bits", fields.prefix), "must be 12 or 16, got 14"));
    }
    let silu_name = format!("layers.{index}.silu_table");
    Ok(Layer {
        norm1_gain: gain("norm1_gain")?,
        norm1_shift: fields.integer("norm1_shift", 1, 46)? as u32,
        norm2_gain: gain("norm2_gain")?,
        norm2_shift: fields.integer("norm2_shift", 1, 46)? as u32,
        q: linear("q_proj", shape.q_width(), shape.dim)?,
        k: linear("k_proj", shape.kv_width(), shape.dim)?,
        v: linear("v_proj", shape.kv_width(), shape.dim)?,
        o: linear("o_proj", shape.dim, shape.q_width())?,
        gate: linear("gate_proj", shape.hidden, shape.dim)?,
        up: linear("up_proj", shape.hidden, shape.dim)?,
        down: linear("down_proj", shape.dim, shape.hidden)?,
        score_shift: fields.integer("score_shift", 1, 16)? as u32,
        silu: to_i16(container.expect(&silu_name, Dtype::I16, &[1 << gate_bits])?),
        gate_bits,
        z_bits: bits("z_bits", 16, 16, 24)?,
        o_bits: bits("o_bits", update_bits, 16, 26)?,
        down_bits: bits("down_bits", update_bits, 16, 26)?,
    })
}

fn read_linear(
    container: &Container,
    name: &str,
    out: usize,
    inp: usize,
    shift: u32,
) -> Result<Linear, ModelError> {
    Ok(Linear {
        out,
        inp,
        weight: to_i8(container.expect(&format!("{name}.weight"), Dtype::I8, &[out, inp])?),
        mult: to_i32(container.expect(&format!("{name}.multiplier"), Dtype::I32, &[out])?),
        shift,
    })
}

/// Refuses tensors the format does not know: they would be outside the hash.
fn check_names(container: &Container, layers: usize) -> Result<(), ModelError> {
    const TOP: [&str; 8] = [
        "embed_tokens",
        "exp_table",
        "final_norm_gain",
        "lm_head.multiplier",
        "lm_head.weight",
        "rope_cos",
        "rope_sin",
        "rsqrt_table",
    ];
    const LINEAR: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let known = |name: &str| {
        TOP.contains(&name)
            || name.strip_prefix("layers.").and_then(|rest| rest.split_once('.')).is_some_and(
                |(index, rest)| {
                    let canonical =
                        index.parse::<usize>().is_ok_and(|i| i < layers && i.to_string() == index);
                    let linear = rest.strip_suffix(".weight").or_else(|| rest.strip_suffix(".multiplier"));
                    canonical
                        && (["norm1_gain", "norm2_gain", "silu_table"].contains(&rest)
                            || linear.is_some_and(|l| LINEAR.contains(&l)))
                },
            )
    };
    match container.names().find(|name| !known(name)) {
        Some(name) => Err(ModelError::UnknownTensor { tensor: name.into() }),
        None => Ok(()),
    }
}

/// (bos, eos) of a Hugging Face `config.json`.
fn special_tokens_of_config(path: &Path) -> Result<(u32, u32), ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::Io { path: path.into(), source })?;
    let value = json::parse(&bytes).map_err(|e| field("config.json", &format!("not JSON: {e}")))?;
    let token = |name: &str| {
        value.get(name).and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
            field(name, "config.json needs one integer here, or the g16 metadata the fields 'bos' and 'eos'")
        })
    };
    Ok((token("bos_token_id")?, token("eos_token_id")?))
}

/// A JSON object together with the path that leads to it.
struct Fields<'a> {
    prefix: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The integer `name`, in `min..=max`.
    fn integer(&self, name: &str, min: u64, max: u64) -> Result<u64, ModelError> {
        self.optional(name, min, max)?.ok_or_else(|| {
            field(
                &format!("{}{name}", self.prefix),
                &format!("is missing; an integer from {min} to {max} is needed"),
            )
        })
    }

    /// The integer `name`, in `min..=max`, or nothing where the field is absent.
    fn optional(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, ModelError> {
        let Some(value) = self.map.get(name) else { return Ok(None) };
        match value.as_u64() {
            Some(integer) if (min..=max).contains(&integer) => Ok(Some(integer)),
            _ => {
                let reason = format!("must be an integer from {min} to {max}, got {value}");
                Err(field(&format!("{}{name}", self.prefix), &reason))
            }
        }
    }

    fn list(&self, name: &str) -> Result<&'a Vec<Value>, ModelError> {
        self.map.get(name).and_then(Value::as_array).ok_or_else(|| field(name, "must be a list of objects"))
    }
}

fn object<'a>(name: &str, value: &'a Value) -> Result<&'a Map<String, Value>, ModelError> {
    value.as_object().ok_or_else(|| field(name, "must be a JSON object"))
}

fn field(name: &str, reason: &str) -> ModelError {
    ModelError::Field { field: name.into(), reason: reason.into() }
}
