//! Range and shape of every published integer, checked before anything is computed with them.

use crate::ModelError;
use crate::bounds::Bounds;
use crate::model::{Layer, Linear, Model, Shape};

/// Shift of `silu * A_up`, fixed by the format.
const UP_SHIFT: u32 = 32;
/// Shift and width together stay below this, so that a rounded value never reaches the sign bit.
const SHIFT_AND_WIDTH_MAX: u32 = 62;
/// Gains have at most this many bits and a sign.
const GAIN_BITS: u32 = 17;

impl Model {
    /// Checks lengths, ranges and worst cases of every integer.
    ///
    /// # Errors
    /// The first rule broken, naming layer and tensor or bound.
    pub fn validate(&self) -> Result<Bounds, ModelError> {
        let s = &self.shape;
        check_shape(s, self.layers.len())?;
        in_range("emax", self.emax.into(), 5, 30)?;
        in_range("eps_term", i64::try_from(self.eps_term).unwrap_or(i64::MAX), 1, 1 << 61)?;
        in_range("bos", self.bos.into(), 0, s.vocab as i64 - 1)?;
        in_range("eos", self.eos.into(), 0, s.vocab as i64 - 1)?;
        length("embed_tokens", self.embed.len(), s.vocab * s.dim)?;
        length("rope_cos", self.rope_cos.len(), s.max_seq * s.head_dim / 2)?;
        length("rope_sin", self.rope_sin.len(), s.max_seq * s.head_dim / 2)?;
        length("exp_table", self.exp.len(), 4096)?;
        length("rsqrt_table", self.rsqrt.len(), 4096)?;
        entries("exp_table", &self.exp, 0..=32767, "0 to 32767")?;
        entries("exp_table", &self.exp[..1], 1..=32767, "1 to 32767, so that no attention sum is 0")?;
        if let Some(bad) = self.rsqrt[1024..].iter().position(|v| !(0..=4095).contains(v)) {
            return Err(entry(
                "rsqrt_table",
                1024 + bad,
                self.rsqrt[1024 + bad].into(),
                "0 to 4095 from index 1024 on",
            ));
        }
        for (name, table) in [("rope_cos", &self.rope_cos), ("rope_sin", &self.rope_sin)] {
            entries(name, table, -65536..=65536, "-65536 to 65536")?;
        }
        check_gain("final_norm_gain", &self.final_gain, s.dim)?;
        check_shift("final_norm_shift", self.final_shift, 16)?;
        check_linear("lm_head", &self.lm_head, s.vocab, s.dim)?;
        if self.lm_head.shift != 0 {
            return Err(field("lm_head.shift", "must be 0: logits are never shifted"));
        }
        self.check_layers()?;
        self.bounds()
    }

    /// Lengths and ranges of the integers of all layers that are here.
    pub(crate) fn check_layers(&self) -> Result<(), ModelError> {
        let mut layers = self.layers.iter().enumerate();
        layers.try_for_each(|(index, layer)| check_layer(index, layer, &self.shape))
    }
}

fn check_shape(s: &Shape, layers: usize) -> Result<(), ModelError> {
    let sizes = [
        ("vocab", s.vocab),
        ("dim", s.dim),
        ("hidden", s.hidden),
        ("layers", s.layers),
        ("heads", s.heads),
        ("kv_heads", s.kv_heads),
        ("head_dim", s.head_dim),
        ("max_seq", s.max_seq),
    ];
    for (name, size) in sizes {
        in_range(name, size as i64, 1, 1 << 25)?;
    }
    if !s.heads.is_multiple_of(s.kv_heads) {
        return Err(field("kv_heads", &format!("must divide heads = {}, got {}", s.heads, s.kv_heads)));
    }
    if !s.head_dim.is_multiple_of(2) {
        return Err(field("head_dim", &format!("must be even, got {}", s.head_dim)));
    }
    // Keeps the byte sums of the engine's matrix kernels inside int32: 127 * 255 * 2^16 < 2^31.
    in_range("max_seq", s.max_seq as i64, 1, 1 << 16)?;
    for (name, inp) in [("dim", s.dim), ("hidden", s.hidden), ("heads * head_dim", s.q_width())] {
        in_range(name, inp as i64, 1, 1 << 16)?;
    }
    if layers != s.layers {
        return Err(field("layer", &format!("has {layers} entries, 'layers' says {}", s.layers)));
    }
    Ok(())
}

fn check_layer(index: usize, layer: &Layer, s: &Shape) -> Result<(), ModelError> {
    let name = |part: &str| format!("layers.{index}.{part}");
    let setting = |part: &str| format!("layer[{index}].{part}");
    check_gain(&name("norm1_gain"), &layer.norm1_gain, s.dim)?;
    check_gain(&name("norm2_gain"), &layer.norm2_gain, s.dim)?;
    let (q, kv) = (s.q_width(), s.kv_width());
    let sizes = [
        (q, s.dim),
        (kv, s.dim),
        (kv, s.dim),
        (s.dim, q),
        (s.hidden, s.dim),
        (s.hidden, s.dim),
        (s.dim, s.hidden),
    ];
    for ((part, linear), (out, inp)) in layer.linears().into_iter().zip(sizes) {
        check_linear(&name(part), linear, out, inp)?;
    }
    for (part, linear) in [("q_proj", &layer.q), ("k_proj", &layer.k)] {
        check_pairs(&name(&format!("{part}.multiplier")), &linear.mult, s.head_dim)?;
    }
    for (part, bits) in [("z_bits", layer.z_bits), ("o_bits", layer.o_bits), ("down_bits", layer.down_bits)] {
        let max = if part == "z_bits" { 24 } else { 26 };
        in_range(&setting(part), bits.into(), 16, max)?;
        if bits % 2 == 1 {
            return Err(field(&setting(part), &format!("must be even, got {bits}")));
        }
    }
    if ![12, 16].contains(&layer.gate_bits) {
        return Err(field(&setting("gate_bits"), &format!("must be 12 or 16, got {}", layer.gate_bits)));
    }
    in_range(&setting("score_shift"), layer.score_shift.into(), 1, 16)?;
    if layer.up.shift != UP_SHIFT {
        return Err(field(&setting("linear_shift.up_proj"), &format!("must be 32, got {}", layer.up.shift)));
    }
    let shifts = [
        ("norm1_shift", layer.norm1_shift, 16),
        ("norm2_shift", layer.norm2_shift, 16),
        ("linear_shift.q_proj (16 more for rotary)", layer.q.shift.saturating_add(16), 16),
        ("linear_shift.k_proj (16 more for rotary)", layer.k.shift.saturating_add(16), 16),
        ("linear_shift.v_proj", layer.v.shift, 16),
        ("linear_shift.o_proj", layer.o.shift, layer.o_bits),
        ("linear_shift.gate_proj", layer.gate.shift, layer.gate_bits),
        ("linear_shift.up_proj", layer.up.shift, layer.z_bits),
        ("linear_shift.down_proj", layer.down.shift, layer.down_bits),
    ];
    for (part, shift, bits) in shifts {
        check_shift(&setting(part), shift, bits)?;
    }
    length(&name("silu_table"), layer.silu.len(), 1 << layer.gate_bits)?;
    if layer.silu[0] != layer.silu[1] {
        let admitted =
            format!("{} as entry 1: the lowest gate value stands for its neighbour", layer.silu[1]);
        return Err(entry(&name("silu_table"), 0, layer.silu[0].into(), &admitted));
    }
    Ok(())
}

fn check_linear(name: &str, linear: &Linear, out: usize, inp: usize) -> Result<(), ModelError> {
    if linear.out != out || linear.inp != inp {
        return Err(ModelError::TensorShape {
            tensor: format!("{name}.weight"),
            expected: format!("[{out}, {inp}]"),
            got: format!("[{}, {}]", linear.out, linear.inp),
        });
    }
    let weight = format!("{name}.weight");
    length(&weight, linear.weight.len(), out * inp)?;
    if let Some(bad) = linear.weight.iter().position(|&w| w == i8::MIN) {
        return Err(entry(&weight, bad, i8::MIN.into(), "-127 to 127"));
    }
    let mult = format!("{name}.multiplier");
    length(&mult, linear.mult.len(), out)?;
    entries(&mult, &linear.mult, 1..=i32::MAX, "at least 1")
}

/// Multipliers of the rows (a, b) = (i, i + head_dim/2) of every head are equal: rotation mixes the two.
fn check_pairs(name: &str, mult: &[i32], head_dim: usize) -> Result<(), ModelError> {
    let half = head_dim / 2;
    for head in 0..mult.len() / head_dim {
        for first in head * head_dim..head * head_dim + half {
            let second = first + half;
            if mult[first] != mult[second] {
                return Err(ModelError::PairMultiplier {
                    tensor: name.into(),
                    first,
                    second,
                    first_value: mult[first],
                    second_value: mult[second],
                });
            }
        }
    }
    Ok(())
}

fn check_gain(name: &str, gain: &[i32], dim: usize) -> Result<(), ModelError> {
    length(name, gain.len(), dim)?;
    let max = (1 << GAIN_BITS) - 1;
    entries(name, gain, -max..=max, "at most 17 bits and sign")
}

fn check_shift(name: &str, shift: u32, bits: u32) -> Result<(), ModelError> {
    in_range(name, shift.into(), 1, (SHIFT_AND_WIDTH_MAX - bits).into())
}

fn in_range(name: &str, value: i64, min: i64, max: i64) -> Result<(), ModelError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(field(name, &format!("must be from {min} to {max}, got {value}")))
}

fn length(name: &str, got: usize, expected: usize) -> Result<(), ModelError> {
    if got == expected {
        return Ok(());
    }
    Err(ModelError::TensorShape {
        tensor: name.into(),
        expected: format!("{expected} entries"),
        got: format!("{got} entries"),
    })
}

fn entries(
    name: &str,
    values: &[i32],
    admitted: std::ops::RangeInclusive<i32>,
    words: &str,
) -> Result<(), ModelError> {
    match values.iter().position(|v| !admitted.contains(v)) {
        Some(bad) => Err(entry(name, bad, values[bad].into(), words)),
        None => Ok(()),
    }
}

fn entry(name: &str, index: usize, value: i64, admitted: &str) -> ModelError {
    ModelError::Entry { tensor: name.into(), index, value, admitted: admitted.into() }
}

fn field(name: &str, reason: &str) -> ModelError {
    ModelError::Field { field: name.into(), reason: reason.into() }
}
