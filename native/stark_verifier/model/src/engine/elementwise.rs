//! Rounding shifts, clamps, norms, rotation and the gate: everything that is not a dot product.

use super::level::per_level;

/// `RS(x, s) = (x + 2^(s-1)) >> s` for s ≥ 1: halves go up.
#[inline(always)]
pub(crate) fn round_shift(x: i64, shift: u32) -> i64 {
    (x + (1 << (shift - 1))) >> shift
}

/// Clamp to `±(2^(bits-1) - 1)`.
#[inline(always)]
pub(crate) fn saturate(x: i64, bits: u32) -> i64 {
    let max = (1 << (bits - 1)) - 1;
    x.clamp(-max, max)
}

/// Integers of one norm.
pub(crate) struct Norm<'a> {
    /// `[dim]`.
    pub gain: &'a [i32],
    pub shift: u32,
    pub rsqrt: &'a [i32],
    pub emax: u32,
    pub eps_term: i64,
}

impl Norm<'_> {
    /// `R` of the sum of squares `V`, eps included: `rsqrt[idx] << (emax - e)`.
    pub fn factor(&self, v: i64) -> i64 {
        let exponent = (63 - v.leading_zeros()) >> 1;
        let index = if exponent >= 5 { v >> (2 * exponent - 10) } else { v << (10 - 2 * exponent) };
        i64::from(self.rsqrt[index as usize]) << (self.emax - exponent)
    }
}

per_level! {
    /// `h[i] = sat16(RS(x[i] R gain[i], shift))`.
    fn rms_norm(norm: &Norm<'_>, x: &[i32], h: &mut [i32]) {
        let v = norm.eps_term + x.iter().map(|&x| i64::from(x) * i64::from(x)).sum::<i64>();
        let factor = norm.factor(v);
        for ((h, &x), &gain) in h.iter_mut().zip(x).zip(norm.gain) {
            *h = saturate(round_shift(i64::from(x) * factor * i64::from(gain), norm.shift), 16) as i32;
        }
    }
}

per_level! {
    /// Rotates the pairs (i, i + head_dim/2) of every head of `a` and rounds to int16.
    fn rotate(a: &[i64], cos: &[i32], sin: &[i32], shift: u32, out: &mut [i16]) {
        let half = cos.len();
        for (a, out) in a.chunks_exact(2 * half).zip(out.chunks_exact_mut(2 * half)) {
            let (first, second) = a.split_at(half);
            let (out_first, out_second) = out.split_at_mut(half);
            for i in 0..half {
                let (c, s) = (i64::from(cos[i]), i64::from(sin[i]));
                out_first[i] = saturate(round_shift(first[i] * c - second[i] * s, shift + 16), 16) as i16;
                out_second[i] = saturate(round_shift(first[i] * s + second[i] * c, shift + 16), 16) as i16;
            }
        }
    }
}

per_level! {
    /// `sat16(RS(A, shift))`.
    fn requantize(a: &[i64], shift: u32, out: &mut [i16]) {
        for (out, &a) in out.iter_mut().zip(a) {
            *out = saturate(round_shift(a, shift), 16) as i16;
        }
    }
}

per_level! {
    /// `x += sat_bits(RS(A, shift))`.
    fn add_update(a: &[i64], shift: u32, bits: u32, x: &mut [i32]) {
        for (x, &a) in x.iter_mut().zip(a) {
            *x += saturate(round_shift(a, shift), bits) as i32;
        }
    }
}

/// Integers of one gate.
pub(crate) struct Gate<'a> {
    /// `2^bits` entries.
    pub silu: &'a [i16],
    pub bits: u32,
    pub shift: u32,
    pub up_shift: u32,
    pub z_bits: u32,
}

per_level! {
    /// `z = sat(RS(silu[g] A_up, up_shift))` with `g = sat(RS(A_gate, shift))`.
    fn swiglu(gate: &Gate<'_>, a_gate: &[i64], a_up: &[i64], z: &mut [i32]) {
        let middle = 1_i64 << (gate.bits - 1);
        let mask = gate.silu.len() - 1;
        for ((z, &a_gate), &a_up) in z.iter_mut().zip(a_gate).zip(a_up) {
            let g = saturate(round_shift(a_gate, gate.shift), gate.bits);
            let s = i64::from(gate.silu[(g + middle) as usize & mask]);
            *z = saturate(round_shift(s * a_up, gate.up_shift), gate.z_bits) as i32;
        }
    }
}
