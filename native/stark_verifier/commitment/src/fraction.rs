//! Verifying that a sum of `2^n` fractions is 0, up to one claim about numerators and denominators.
//!
//! Fractions are added in pairs, layer by layer, until one is left: (n0 / d0) + (n1 / d1) = (n0 d1 + n1 d0) / (d0 d1). A
//! layer of `2^m` fractions is the polynomials n and d in m variables. A claim n(x), d(x) on a layer becomes one on the
//! layer below by a sumcheck of n0(y) d1(y) + n1(y) d0(y) + lambda d0(y) d1(y) over eq(x, y), where n0, d0, n1, d1 are the
//! layer below at the two places that were added for y.
//!
//! **Which two.** With more than eight fractions the bit 3 of the index is added away, with eight or less the bit 0: so
//! blocks of eight stay together, neighbours are added, and a layer with a tail of fractions 0 / 1 is as short as what is
//! before the tail. Rounds bind variables in the same order.
//!
//! **Rounds.** s(X) = eq(x, X) h(X) with h of degree 2, and the claim is c = (1 - x) h(0) + x h(1) = h(0) + x (a + b) for
//! h(X) = h(0) + a X + b X^2. A round sends a and b alone; h(0) follows, and no division is needed. A false claim has no
//! true h, and a false h meets the true one in two places at most.

use alloc::vec::Vec;

use crate::field::{EF, PrimeCharacteristicRing};
use crate::transcript::Transcript;
use crate::wire::{EXT_LEN, Reader, WireError};

/// Most variables of a sum: 2^40 fractions.
pub const MAX_GKR_VARS: usize = 40;
/// Bits of the index that are added away last: 2^3 neighbours fill the widest vectors.
pub(crate) const LOW_BITS: usize = 3;

/// A point of a layer, in the order in which its variables are bound.
///
/// Of a layer of m variables: first those of the blocks, from bit 3 up, then those of the low bits, from bit 0 up; only
/// the latter where m is 3 or less.
#[derive(Clone, Default, Debug)]
pub(crate) struct LayerPoint {
    /// Coordinates of the bits from 3 on, lowest first.
    pub blocks: Vec<EF>,
    /// Coordinates of the bits 0, 1, 2.
    pub low: Vec<EF>,
}

impl LayerPoint {
    /// The point of this layer that the challenges of its rounds make, and from it one of the layer below.
    pub fn below(&self, challenges: &[EF], branch: EF) -> Self {
        let (blocks, low) = challenges.split_at(self.blocks.len());
        let joined = |rest: &[EF]| core::iter::once(branch).chain(rest.iter().copied()).collect();
        // The bit that was added away is the lowest of its kind in the layer below.
        if low.len() < LOW_BITS {
            Self { blocks: Vec::new(), low: joined(low) }
        } else {
            Self { blocks: joined(blocks), low: low.to_vec() }
        }
    }

    /// Coordinates in the order of the rounds.
    pub fn in_order(&self) -> impl Iterator<Item = EF> {
        self.blocks.iter().chain(&self.low).copied()
    }

    /// The first coordinate for the most significant bit.
    pub fn most_significant_first(&self) -> Vec<EF> {
        self.blocks.iter().rev().chain(self.low.iter().rev()).copied().collect()
    }
}

/// What remains to be checked: the numerators' and denominators' multilinear extensions take these values at `point`.
/// **The proof shows nothing unless the caller checks both.**
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GkrClaim {
    /// One coordinate for each variable, the first one for the most significant bit of a fraction's index.
    pub point: Vec<EF>,
    /// Claimed value of the numerators.
    pub numerator: EF,
    /// Claimed value of the denominators.
    pub denominator: EF,
}

/// Why a proof of a sum is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GkrError {
    /// No such size.
    #[error("num_vars: {num_vars} variables; sums have 1 to {MAX_GKR_VARS}")]
    Variables {
        /// Variables asked for.
        num_vars: usize,
    },
    /// The bytes are no proof of this size.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The product of all denominators is 0: one of the fractions denotes nothing.
    #[error("fraction sum: the root denominator is 0; a denominator vanishes")]
    ZeroRootDenominator,
    /// The rounds of a layer do not close on the fractions it sends.
    #[error("fraction sum: layer {layer}, counted from the root, is inconsistent")]
    Layer {
        /// Which layer, 0 at the root.
        layer: usize,
    },
}

/// Bytes of a proof over `num_vars` variables: the root denominator, then for layer `i` its `i` rounds of two
/// coefficients and its four child values.
pub const fn fraction_proof_len(num_vars: usize) -> usize {
    (1 + num_vars * num_vars.saturating_sub(1) + 4 * num_vars) * EXT_LEN
}

/// What both sides absorb first: which protocol, and its size.
pub(crate) fn begin(num_vars: usize, tr: &mut Transcript) {
    tr.absorb_bytes(b"esper/fractions/v2");
    tr.absorb_u64(num_vars as u64);
}

/// Checks a proof that `2^num_vars` fractions sum to 0, and returns the claim that is left.
///
/// Numerators and denominators must be fixed by what the transcript already holds. Leaves the transcript in the state
/// in which the prover left it, and in an unspecified one after an error.
///
/// # Errors
/// [`GkrError`]: a size that no sum has, malformed bytes, a vanishing denominator, or a layer that does not add up. Never panics.
pub fn verify_fraction_sum(num_vars: usize, proof: &[u8], tr: &mut Transcript) -> Result<GkrClaim, GkrError> {
    if !(1..=MAX_GKR_VARS).contains(&num_vars) {
        return Err(GkrError::Variables { num_vars });
    }
    let mut reader = Reader::new(proof);
    let root_denominator = reader.ext()?;
    if root_denominator == EF::ZERO {
        return Err(GkrError::ZeroRootDenominator);
    }
    begin(num_vars, tr);
    tr.absorb(root_denominator);
    let mut point = LayerPoint::default();
    let mut challenges = Vec::<EF>::with_capacity(num_vars);
    let (mut numerator, mut denominator) = (EF::ZERO, root_denominator);
    for layer in 0..num_vars {
        let lambda = tr.challenge();
        let mut claim = numerator + lambda * denominator;
        challenges.clear();
        for x in point.in_order() {
            let [a, b] = [reader.ext()?, reader.ext()?];
            tr.absorb_slice(&[a, b]);
            let r = tr.challenge();
            claim += r * (a + r * b) - x * (a + b);
            challenges.push(r);
        }
        let [n0, d0, n1, d1] = [reader.ext()?, reader.ext()?, reader.ext()?, reader.ext()?];
        if claim != d1 * n0 + d0 * (n1 + lambda * d1) {
            return Err(GkrError::Layer { layer });
        }
        tr.absorb_slice(&[n0, d0, n1, d1]);
        let branch = tr.challenge();
        numerator = n0 + branch * (n1 - n0);
        denominator = d0 + branch * (d1 - d0);
        point = point.below(&challenges, branch);
    }
    reader.finish()?;
    Ok(GkrClaim { point: point.most_significant_first(), numerator, denominator })
}
