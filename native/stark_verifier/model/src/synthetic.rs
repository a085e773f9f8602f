//! Random models of any shape, made of integer arithmetic alone: equal on every machine.
//!
//! Tests use them to reach what a real model rarely does: every clamp, wide widths, scores beyond the table of
//! exponentials.

use crate::ModelError;
use crate::model::{Layer, Linear, Model, Shape};

/// Clamps to be met often; the others stay out of reach for typical tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clamps {
    /// Outputs of the norms.
    pub norm: bool,
    /// Rotated queries and keys.
    pub qk: bool,
    /// Values.
    pub v: bool,
    /// Gate values.
    pub gate: bool,
    /// Gated values.
    pub z: bool,
    /// Updates of the residual stream by attention.
    pub u_o: bool,
    /// Updates of the residual stream by the feed-forward part.
    pub u_d: bool,
}

impl Clamps {
    /// Every clamp forced.
    pub const ALL: Self = Self { norm: true, qk: true, v: true, gate: true, z: true, u_o: true, u_d: true };
}

/// How far score differences reach beyond the table of exponentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScoreOverflow {
    /// Differences stay within the table for typical tokens.
    #[default]
    None,
    /// Some pass it by less than 2^16 half units.
    OneLimb,
    /// Some pass it by 2^16 half units or more.
    TwoLimbs,
}

/// Widths and forced clamps of a random model, the same in every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Clamps to be met.
    pub clamps: Clamps,
    /// Reach of score differences.
    pub score_overflow: ScoreOverflow,
    /// 12 or 16.
    pub gate_bits: u32,
    /// 16 to 24, even.
    pub z_bits: u32,
    /// 16 to 26, even.
    pub o_bits: u32,
    /// 16 to 26, even.
    pub down_bits: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clamps: Clamps::default(),
            score_overflow: ScoreOverflow::None,
            gate_bits: 16,
            z_bits: 16,
            o_bits: 20,
            down_bits: 20,
        }
    }
}

/// Fraction bits of the residual stream.
const FRAC_BITS: u32 = 10;
/// `floor(2^48 exp(-1/256))`.
const EXP_STEP: u128 = 0xff00_7fd5_5ffd;
/// Root mean square of a uniform weight in [-127, 127].
const WEIGHT_RMS: u128 = 73;
/// Updates that need not clamp have about this size: as large as the embedding, so that layers matter.
const UPDATE_RMS: u128 = 1 << 11;

/// A random model that passes [`Model::validate`].
///
/// # Errors
/// What `validate` refuses: options that together pass a bound, for example 26-bit updates in many layers.
pub fn random_model(seed: u64, shape: Shape, options: Options) -> Result<Model, ModelError> {
    let mut random = SplitMix(seed);
    let Options { clamps, o_bits, down_bits, .. } = options;
    let update_sum = shape.layers as u128 * (max_of(o_bits) + max_of(down_bits));
    let embed_max = 4 << FRAC_BITS;
    let embed = random.list(shape.vocab * shape.dim, -embed_max, embed_max);
    let eps_term = ((shape.dim as u64) << (2 * FRAC_BITS)) / 100_000 + 1;
    let largest = shape.dim as u128 * (update_sum + embed_max as u128).pow(2) + u128::from(eps_term);
    let emax = ((127 - largest.leading_zeros()) >> 1).max(5);

    let h_rms = target(16, clamps.norm);
    let maker = Maker { shape, options, h_rms, emax };
    let layers = (0..shape.layers).map(|_| maker.layer(&mut random)).collect();
    let (final_gain, final_shift) = maker.norm(&mut random);
    // Logits need no scale: a small multiplier keeps them far from 2^46.
    let mut lm_head = random_linear(&mut random, shape.vocab, shape.dim, 0, 8, None);
    lm_head.shift = 0;
    let (rope_cos, rope_sin) = rotations(&mut random, shape.max_seq * shape.head_dim / 2);
    let mut model = Model {
        shape,
        layers,
        embed,
        lm_head,
        final_gain,
        final_shift,
        exp: exp_table(),
        rsqrt: rsqrt_table(),
        rope_cos,
        rope_sin,
        emax,
        eps_term,
        frac_bits: FRAC_BITS,
        bos: 0,
        eos: (shape.vocab - 1) as u32,
        integers_hash: [0; 64],
    };
    model.validate()?;
    model.integers_hash = model.compute_integers_hash();
    Ok(model)
}

struct Maker {
    shape: Shape,
    options: Options,
    h_rms: u128,
    emax: u32,
}

impl Maker {
    fn layer(&self, random: &mut SplitMix) -> Layer {
        let Self { shape: s, options, h_rms, .. } = *self;
        let clamps = options.clamps;
        let (qk, v) = (target(16, clamps.qk), target(16, clamps.v));
        let gate = target(options.gate_bits, clamps.gate);
        let z = target(options.z_bits, clamps.z);
        let update = |bits, forced| if forced { max_of(bits) } else { UPDATE_RMS.min(max_of(bits) / 16) };
        let (norm1_gain, norm1_shift) = self.norm(random);
        let (norm2_gain, norm2_shift) = self.norm(random);
        let pair = Some(s.head_dim);
        let mult = |inp, from, to, shift| multiplier(inp, from, to, shift);
        // Half of the gate values are positive and pass the table at about half their size.
        let silu_rms = (gate << (16 - options.gate_bits)).min(1 << 15) / 2;
        let up_mult = mult(s.dim, h_rms * silu_rms, z, 32);
        Layer {
            norm1_gain,
            norm1_shift,
            norm2_gain,
            norm2_shift,
            q: random_linear(random, s.q_width(), s.dim, 16, mult(s.dim, h_rms, qk, 16), pair),
            k: random_linear(random, s.kv_width(), s.dim, 16, mult(s.dim, h_rms, qk, 16), pair),
            v: random_linear(random, s.kv_width(), s.dim, 16, mult(s.dim, h_rms, v, 16), None),
            o: self.residual(random, s.q_width(), v, update(options.o_bits, clamps.u_o)),
            gate: random_linear(random, s.hidden, s.dim, 16, mult(s.dim, h_rms, gate, 16), None),
            up: random_linear(random, s.hidden, s.dim, 32, up_mult, None),
            down: self.residual(random, s.hidden, z, update(options.down_bits, clamps.u_d)),
            score_shift: self.score_shift(qk),
            silu: silu_table(options.gate_bits),
            gate_bits: options.gate_bits,
            z_bits: options.z_bits,
            o_bits: options.o_bits,
            down_bits: options.down_bits,
        }
    }

    /// A matrix into the residual stream, with the longer shift where the multiplier would be coarse.
    fn residual(&self, random: &mut SplitMix, inp: usize, from: u128, to: u128) -> Linear {
        let short = multiplier(inp, from, to, 16);
        let shift = if short < 8 { 32 } else { 16 };
        random_linear(random, self.shape.dim, inp, shift, multiplier(inp, from, to, shift), None)
    }

    /// Gains of about 10 bits and the shift that brings the output to its target.
    fn norm(&self, random: &mut SplitMix) -> (Vec<i32>, u32) {
        let scaled = self.h_rms * (self.shape.dim as u128).isqrt();
        // h = x / (rms sqrt(dim)) * gain * 2^(12 + emax - shift).
        let wanted_bits = 10;
        let log = 127 - scaled.leading_zeros();
        let shift = (12 + self.emax + wanted_bits).saturating_sub(log).clamp(1, 46);
        let down = 12 + self.emax;
        let gain = if shift >= down { scaled << (shift - down) } else { scaled >> (down - shift) };
        let gain = gain.clamp(4, 100_000) as i32;
        let list = random.list(self.shape.dim, gain * 3 / 4, gain * 5 / 4);
        (list.into_iter().map(|g| if random.next().is_multiple_of(8) { -g } else { g }).collect(), shift)
    }

    /// Picks the shift by the size of a score, in half units as a power of two. The proof's table ends at 2^15; differences
    /// spread over a factor of 2^5 around the size.
    fn score_shift(&self, qk: u128) -> u32 {
        let typical = qk * qk * (self.shape.head_dim as u128).isqrt();
        let wanted = match self.options.score_overflow {
            ScoreOverflow::None => 8,
            ScoreOverflow::OneLimb => 12,
            ScoreOverflow::TwoLimbs => 18,
        };
        let shift = (128 - typical.leading_zeros()).saturating_sub(wanted).clamp(1, 16);
        // The load check keeps differences below 2^32 + 8191 half units.
        let fits =
            |shift: u32| (2 * self.shape.head_dim as u128 * max_of(16).pow(2)) >> (shift - 1) < 1 << 32;
        (shift..16).find(|&shift| fits(shift)).unwrap_or(16)
    }
}

/// Typical size before the clamp: at the clamp where it is forced, a sixteenth of it otherwise.
fn target(bits: u32, forced: bool) -> u128 {
    if forced { max_of(bits) } else { max_of(bits) / 16 }
}

fn max_of(bits: u32) -> u128 {
    (1 << (bits - 1)) - 1
}

/// Multiplier that takes inputs of size `from` to outputs of size `to` after the shift.
fn multiplier(inp: usize, from: u128, to: u128, shift: u32) -> u128 {
    let sum = WEIGHT_RMS * from * (inp as u128).isqrt().max(1);
    ((to << shift) / sum.max(1)).clamp(1, 1 << 29)
}

/// Random weights; multipliers vary by a quarter from row to row, or from pair to pair of heads of `pair_width`.
fn random_linear(
    random: &mut SplitMix,
    out: usize,
    inp: usize,
    shift: u32,
    mult: u128,
    pair_width: Option<usize>,
) -> Linear {
    let mult = mult as i32;
    let weight = (0..out * inp).map(|_| random.between(-127, 127) as i8).collect();
    let mut mults = random.list(out, (mult * 3 / 4).max(1), mult.max(1) + mult / 4);
    if let Some(width) = pair_width {
        for head in mults.chunks_exact_mut(width) {
            let (first, second) = head.split_at_mut(width / 2);
            second.copy_from_slice(first);
        }
    }
    Linear { out, inp, weight, mult: mults, shift }
}

/// `32767 exp(-i/256)`, rounded.
fn exp_table() -> Vec<i32> {
    let mut value = 32767_u128 << 64;
    let mut table = Vec::with_capacity(4096);
    for _ in 0..4096 {
        table.push(((value + (1 << 63)) >> 64) as i32);
        value = (value * EXP_STEP) >> 48;
    }
    table
}

/// `2^17 / sqrt(i + 1/2)`, rounded, from index 1024 on.
fn rsqrt_table() -> Vec<i32> {
    // round(x) = floor((floor(2x) + 1) / 2) and (2x)^2 = 2^37 / (2i + 1).
    let entry = |i: u64| (((1_u64 << 37) / (2 * i + 1)).isqrt().div_ceil(2)) as i32;
    (0..4096).map(|i| if i < 1024 { 0 } else { entry(i) }).collect()
}

/// Points on the circle with 16 fraction bits, from random Pythagorean triples.
fn rotations(random: &mut SplitMix, count: usize) -> (Vec<i32>, Vec<i32>) {
    let point = |_| {
        let (m, n) = (i64::from(random.between(1, 1000)), i64::from(random.between(-1000, 1000)));
        let square = m * m + n * n;
        (((m * m - n * n) * 65536 / square) as i32, (2 * m * n * 65536 / square) as i32)
    };
    (0..count).map(point).unzip()
}

/// A gate of the shape of silu: 0 far below, the identity far above; the lowest entry repeats its neighbour.
fn silu_table(bits: u32) -> Vec<i16> {
    let half = 1_i64 << (bits - 1);
    let value = |g: i64| {
        let g = g.max(1 - half);
        let pass = (512 * g / half + 256).clamp(0, 512);
        ((g << (16 - bits)) * pass / 512) as i16
    };
    (-half..half).map(value).collect()
}

/// The splitmix64 generator: <https://prng.di.unimi.it/splitmix64.c>.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly uniform in `min..=max`.
    fn between(&mut self, min: i32, max: i32) -> i32 {
        let width = u128::from((i64::from(max) - i64::from(min)) as u64 + 1);
        (i64::from(min) + ((u128::from(self.next()) * width) >> 64) as i64) as i32
    }

    fn list(&mut self, count: usize, min: i32, max: i32) -> Vec<i32> {
        (0..count).map(|_| self.between(min, max)).collect()
    }
}
