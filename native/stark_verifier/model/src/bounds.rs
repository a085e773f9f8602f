//! Worst-case size of every intermediate value, computed from the published integers.
//!
//! A model whose values could leave their limits would not be exact in int64 and in the Goldilocks field, or
//! could meet a prompt that nobody can prove. Such a model is refused when it is loaded.

use serde::Serialize;

use crate::ModelError;
use crate::model::{Layer, Linear, Model};

/// Largest activation of 16 bits.
pub(crate) const ACT_MAX: u128 = 32767;
/// Goldilocks, the field of the proof: 2^64 - 2^32 + 1.
const FIELD: u128 = 0xffff_ffff_0000_0001;
/// Largest clamp quotient a lookup table of the proof can hold.
const CLAMP_QUOTIENT_MAX: u128 = (1 << 15) - 1;
/// Name under which both sides of a clamp's equation are listed, after the clamp they belong to.
const CLAMP_EQUATION: &str = "clamp equation";
/// General limit of intermediates.
const LIMIT: u128 = 1 << 62;

/// One worst case and its limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// Layer, or `None` for what belongs to the whole model.
    pub layer: Option<usize>,
    /// What is bounded.
    pub name: &'static str,
    /// Worst case of the absolute value.
    pub value: u128,
    /// Largest admitted value.
    pub limit: u128,
    /// log2 of `value`, for display.
    pub bits: f64,
}

/// Every worst case of one model, in the order of computation: whole model, then layer by layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// The list; each entry is within its limit.
    pub list: Vec<Bound>,
}

impl Bounds {
    /// The worst case called `name` of `layer`.
    pub fn find(&self, layer: Option<usize>, name: &str) -> Option<&Bound> {
        self.list.iter().find(|b| b.layer == layer && b.name == name)
    }

    fn check(
        &mut self,
        layer: Option<usize>,
        name: &'static str,
        value: u128,
        limit: u128,
    ) -> Result<(), ModelError> {
        let bits = |x: u128| (x.max(1) as f64).log2();
        if value > limit {
            return Err(ModelError::Bound {
                place: layer.map_or_else(|| "model".into(), |l| format!("layer {l}")),
                bound: name,
                bits: bits(value),
                limit_bits: bits(limit),
            });
        }
        self.list.push(Bound { layer, name, value, limit, bits: bits(value) });
        Ok(())
    }

    /// One rounding shift and clamp: `y = sat_b(RS(A, s))` with |A| at most `worst`.
    ///
    /// The proof writes it as a division by `2^b - 1` whose quotient is looked up.
    fn check_clamp(
        &mut self,
        layer: Option<usize>,
        name: &'static str,
        worst: u128,
        shift: u32,
        bits: u32,
    ) -> Result<(), ModelError> {
        let quotient = clamp_quotient(worst, shift, bits);
        let reached = worst + ((((1 << bits) - 1) * quotient + max_of_width(bits)) << shift) + (1 << shift);
        self.check(layer, name, quotient, CLAMP_QUOTIENT_MAX)?;
        self.check(layer, CLAMP_EQUATION, reached, FIELD - 1)
    }
}

/// Largest value of a clamp to `bits` bits: `2^(bits-1) - 1`.
pub(crate) fn max_of_width(bits: u32) -> u128 {
    (1 << (bits - 1)) - 1
}

/// How many times the clamped width fits: 0 where the clamp can never act.
fn clamp_quotient(worst: u128, shift: u32, bits: u32) -> u128 {
    (((worst + (1 << (shift - 1))) >> shift) + max_of_width(bits)) / ((1 << bits) - 1)
}

/// `max_o m(o) * L1(W_o) * input`.
fn worst_of_linear(linear: &Linear, input: u128) -> u128 {
    let rows = linear.weight.chunks_exact(linear.inp.max(1)).zip(&linear.mult);
    rows.map(|(row, &mult)| row_l1(row) * u128::from(mult.unsigned_abs())).max().unwrap_or(0) * input
}

/// Sum of absolute values of one row.
pub(crate) fn row_l1(row: &[i8]) -> u128 {
    row.iter().map(|&w| u64::from(w.unsigned_abs())).sum::<u64>().into()
}

fn bit_length(x: u128) -> u32 {
    128 - x.leading_zeros()
}

fn ceil_sqrt(x: u128) -> u128 {
    let root = x.isqrt();
    root + u128::from(root * root < x)
}

fn max_abs(values: &[i32]) -> u128 {
    values.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0).into()
}

impl Model {
    /// Worst cases of everything an engine or the proof computes; the entries must already be in range.
    pub(crate) fn bounds(&self) -> Result<Bounds, ModelError> {
        let mut bounds = Bounds { list: Vec::new() };
        self.check_norm_range(&mut bounds)?;
        let norm_factor = self.norm_factor();
        for (index, layer) in self.layers.iter().enumerate() {
            check_layer(&mut bounds, index, layer, norm_factor, self.shape.head_dim as u128)?;
        }
        let norm = norm_factor * max_abs(&self.final_gain);
        bounds.check(None, "final norm x * R * gain", norm, (1 << 60) - 1)?;
        bounds.check_clamp(None, "final norm clamp quotient", norm, self.final_shift, 16)?;
        bounds.check(None, "logits", worst_of_linear(&self.lm_head, ACT_MAX), (1 << 46) - 1)?;
        let longest = self.shape.max_seq as u128;
        // Remainders of the division lie in [0, 2Z): two limbs of 16 bits in the proof.
        bounds.check(None, "attention 2Z", 2 * longest * ACT_MAX, (1 << 32) - 1)?;
        bounds.check(None, "attention 2N + Z", 2 * longest * ACT_MAX * ACT_MAX + longest * ACT_MAX, LIMIT)?;
        Ok(bounds)
    }

    /// V of every norm: the residual stream is bounded because every update is.
    fn check_norm_range(&self, bounds: &mut Bounds) -> Result<(), ModelError> {
        let updates: u128 =
            self.layers.iter().map(|layer| max_of_width(layer.o_bits) + max_of_width(layer.down_bits)).sum();
        let residual = max_abs(&self.embed) + updates;
        bounds.check(None, "residual x", residual, (1 << 31) - 1)?;
        let largest = self.shape.dim as u128 * residual * residual + u128::from(self.eps_term);
        bounds.check(None, "norm V", largest, LIMIT - 1)?;
        let exponent = (bit_length(largest) - 1) >> 1;
        bounds.check(None, "norm exponent (emax is the limit)", exponent.into(), self.emax.into())?;
        let smallest_exponent = (bit_length(self.eps_term.into()) - 1) >> 1;
        let scale = 10_u32.saturating_sub(2 * smallest_exponent);
        bounds.check(None, "norm 2^T0 * 4^(emax+1)", 1 << (scale + 2 * (self.emax + 1)), LIMIT)
    }

    /// Largest `|x| * R`: with V < (idx + 1) 2^(2e-10), |x| R < sqrt(idx+1) rsqrt[idx] 2^(emax-5).
    fn norm_factor(&self) -> u128 {
        let used = self.rsqrt.iter().enumerate().skip(1024);
        let entry = |(index, &value): (usize, &i32)| {
            let value = u128::from(value.unsigned_abs());
            ceil_sqrt((index as u128 + 1) * value * value)
        };
        used.map(entry).max().unwrap_or(0) << (self.emax - 5)
    }
}

fn check_layer(
    bounds: &mut Bounds,
    index: usize,
    layer: &Layer,
    norm_factor: u128,
    head_dim: u128,
) -> Result<(), ModelError> {
    let at = Some(index);
    let norms = [
        ("norm1 x * R * gain", "norm1 clamp quotient", &layer.norm1_gain, layer.norm1_shift),
        ("norm2 x * R * gain", "norm2 clamp quotient", &layer.norm2_gain, layer.norm2_shift),
    ];
    for (product, quotient, gain, shift) in norms {
        let worst = norm_factor * max_abs(gain);
        bounds.check(at, product, worst, (1 << 60) - 1)?;
        bounds.check_clamp(at, quotient, worst, shift, 16)?;
    }
    let rotary = [("q rotary", "q clamp quotient", &layer.q), ("k rotary", "k clamp quotient", &layer.k)];
    for (product, quotient, linear) in rotary {
        let worst = worst_of_linear(linear, ACT_MAX) << 17;
        bounds.check(at, product, worst, LIMIT)?;
        bounds.check_clamp(at, quotient, worst, linear.shift + 16, 16)?;
    }
    let half_units =
        (2 * head_dim * ACT_MAX * ACT_MAX + (1 << (layer.score_shift - 1))) >> (layer.score_shift - 1);
    bounds.check(at, "score half units", half_units, (1 << 32) - 1 + 8191)?;
    let z_max = max_of_width(layer.z_bits);
    let sites = [
        ("v_proj A", "v clamp quotient", &layer.v, ACT_MAX, 16),
        ("o_proj A", "o update clamp quotient", &layer.o, ACT_MAX, layer.o_bits),
        ("gate_proj A", "gate clamp quotient", &layer.gate, ACT_MAX, layer.gate_bits),
        ("down_proj A", "down update clamp quotient", &layer.down, z_max, layer.down_bits),
    ];
    for (product, quotient, linear, input, bits) in sites {
        let worst = worst_of_linear(linear, input);
        bounds.check(at, product, worst, LIMIT)?;
        bounds.check_clamp(at, quotient, worst, linear.shift, bits)?;
    }
    let swiglu = worst_of_linear(&layer.up, ACT_MAX) << 15;
    bounds.check(at, "silu * A_up", swiglu, LIMIT)?;
    bounds.check_clamp(at, "z clamp quotient", swiglu, layer.up.shift, layer.z_bits)
}
