//! Lookup tables: their entries, tags and closed forms.

use crate::descriptor::{ClampClass, Descriptor};
use crate::mle::{eq_index, prefix_sums};
use crate::model_layout::{EXP_ENTRIES, ModelLayout, RSQRT_ENTRIES, RSQRT_FIRST};
use alloc::vec::Vec;
use esper_commitment::{EF, F, PrimeCharacteristicRing};

/// A table that cells are looked up in. Tables with different entries have different tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// 0..2^k.
    Unsigned(u32),
    /// -(2^(b-1) - 1)..=2^(b-1) - 1: exactly 2^b - 1 entries.
    Signed(u32),
    /// 0..=2^(b/2): low digit of a wide value, base 2^(b/2) + 1.
    WideLow(u32),
    /// 0..2^(b/2) - 1: high digit of a wide value.
    WideHigh(u32),
    /// (e, P = 2^(2e - 10 + T0), Q = 2^(emax - e)) for e in emin..=emax.
    NormExponent,
    /// (idx, rsqrt[idx]) for idx in 1024..=4095.
    Rsqrt,
    /// (D', exp[min(D' >> 1, 4095)]) for D' in 1..=32767: keys on the causal mask.
    ExpOnMask,
    /// (0, 0): keys off the mask.
    ExpOffMask,
    /// (g, silu[g]) of a layer, the lowest entry left out.
    Silu(u32),
    /// (f, sign f) for |f| <= reach of a class other than that of z.
    ClampSign(u32),
    /// The same for z of b bits.
    ClampSignZ(u32),
}

/// Largest magnitude of a signed width: 2^(b-1) - 1.
pub const fn magnitude(bits: u32) -> i64 {
    (1 << (bits - 1)) - 1
}

impl Table {
    /// Clamp-sign table of a class's sites of `bits` bits.
    pub fn clamp_sign(class: ClampClass, bits: u32) -> Self {
        match class {
            ClampClass::Z => Self::ClampSignZ(bits),
            _ => Self::ClampSign(class as u32),
        }
    }

    /// The tag that enters keys: kind and parameter, distinct for every table.
    pub fn tag(self) -> u64 {
        let (kind, parameter) = match self {
            Self::Unsigned(k) => (1, k),
            Self::Signed(b) => (2, b),
            Self::WideLow(b) => (3, b),
            Self::WideHigh(b) => (4, b),
            Self::NormExponent => (5, 0),
            Self::Rsqrt => (6, 0),
            Self::ExpOnMask => (7, 0),
            Self::ExpOffMask => (8, 0),
            Self::Silu(layer) => (9, layer),
            Self::ClampSign(class) => (10, class),
            Self::ClampSignZ(b) => (11, b),
        };
        kind << 16 | u64::from(parameter)
    }

    /// Number of entries.
    pub fn entries(self, d: &Descriptor) -> usize {
        match self {
            Self::Unsigned(k) => 1 << k,
            Self::Signed(b) => (1 << b) - 1,
            Self::WideLow(b) => (1 << (b / 2)) + 1,
            Self::WideHigh(b) => (1 << (b / 2)) - 1,
            Self::NormExponent => (d.emax - d.emin() + 1) as usize,
            Self::Rsqrt => RSQRT_ENTRIES,
            Self::ExpOnMask => EXP_ENTRIES,
            Self::ExpOffMask => 1,
            Self::Silu(layer) => (1 << d.layers[layer as usize].gate_bits) - 1,
            Self::ClampSign(class) => 2 * d.clamp_reach[class as usize] as usize + 1,
            Self::ClampSignZ(b) => 2 * d.z_reach(b) as usize + 1,
        }
    }

    /// First key; keys are consecutive.
    pub fn first_key(self, d: &Descriptor) -> i64 {
        match self {
            Self::Unsigned(_) | Self::WideLow(_) | Self::WideHigh(_) | Self::ExpOffMask => 0,
            Self::Signed(b) => -magnitude(b),
            Self::NormExponent => i64::from(d.emin()),
            Self::Rsqrt => RSQRT_FIRST as i64,
            Self::ExpOnMask => 1,
            Self::Silu(layer) => -magnitude(d.layers[layer as usize].gate_bits),
            Self::ClampSign(class) => -i64::from(d.clamp_reach[class as usize]),
            Self::ClampSignZ(b) => -i64::from(d.z_reach(b)),
        }
    }

    /// Further components of entry `i` that are public: (v2, v3).
    pub fn public_values(self, d: &Descriptor, i: usize) -> [i64; 2] {
        match self {
            Self::NormExponent => {
                let e = d.emin() + i as u32;
                [1 << (2 * e + d.t0() - 10), 1 << (d.emax - e)]
            }
            Self::ClampSign(_) | Self::ClampSignZ(_) => [(i as i64 + self.first_key(d)).signum(), 0],
            _ => [0, 0],
        }
    }

    /// First cell of the model polynomial that holds v2, entry by entry.
    pub fn model_values(self, layout: &ModelLayout) -> Option<usize> {
        match self {
            Self::Rsqrt => Some(layout.rsqrt),
            Self::ExpOnMask => Some(layout.exp),
            Self::Silu(layer) => Some(layout.layers[layer as usize].silu),
            _ => None,
        }
    }

    /// Sum over entries of eq(x, start + i) (key + beta tag + beta^2 v2 + beta^3 v3), public parts only.
    pub fn keys_at(self, d: &Descriptor, x: &[EF], start: usize, beta: EF) -> EF {
        let n = self.entries(d);
        let ((c1, w1), (c0, w0)) = (prefix_sums(x, start + n), prefix_sums(x, start));
        let count = c1 - c0;
        let base = F::from_i64(self.first_key(d)) - F::from_u64(start as u64);
        let keys = w1 - w0 + count * base + count * beta * F::from_u64(self.tag());
        let beta2 = beta * beta;
        match self {
            Self::NormExponent => (0..n).fold(keys, |sum, i| {
                let [p, q] = self.public_values(d, i);
                sum + eq_index(x, start + i) * beta2 * (beta * F::from_i64(q) + F::from_i64(p))
            }),
            Self::ClampSign(_) | Self::ClampSignZ(_) => {
                let reach = self.first_key(d).unsigned_abs() as usize;
                let (low, high) = (prefix_sums(x, start + reach).0, prefix_sums(x, start + reach + 1).0);
                keys + beta2 * (c1 - high - (low - c0))
            }
            _ => keys,
        }
    }
}

/// Limbs of a non-negative remainder below 2^bits: 16-bit limbs and a top one.
pub fn remainder_limbs(bits: u32) -> Vec<u32> {
    let mut limbs = alloc::vec![16; (bits / 16) as usize];
    if !bits.is_multiple_of(16) {
        limbs.push(bits % 16);
    }
    limbs
}

/// Width of the top limb of a division remainder over T positions: bitlen(2 T 32767 - 1) - 16.
pub fn division_top_bits(positions: usize) -> u32 {
    let bound = 2 * positions as u64 * 32767 - 1;
    (64 - bound.leading_zeros()).saturating_sub(16).max(1)
}

/// Width of the top limb of the top-K slack: bitlen(2 X_lm) - 32, at least 1.
pub fn slack_top_bits(logit_bound: u64) -> u32 {
    (64 - (2 * logit_bound).leading_zeros()).saturating_sub(32).max(1)
}
