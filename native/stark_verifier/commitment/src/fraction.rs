//! Verifying that a sum of `2^n` fractions is 0, up to one claim about numerators and denominators.
//!
//! The proof is that of `p3_multi_stark::fractional_gkr`, on its transcript. This verifier is an own one: the crate's
//! spends its time on a description of the transcript's `n^2 + 3n` steps, which depends on `n` alone and is therefore
//! computed once ([`GkrSeed`]).

use alloc::vec::Vec;

use p3_challenger::CanObserve;
use p3_multi_stark::fractional_gkr::FractionGkrShape;

use crate::field::{EF, F, Field, PrimeCharacteristicRing};
use crate::transcript::Transcript;
use crate::wire::{EXT_LEN, Reader, WireError};

/// Most variables of a sum: 2^40 fractions.
pub const MAX_GKR_VARS: usize = 40;

/// What a proof over `num_vars` variables absorbs first: a description of its steps. Compute it once for each size.
#[derive(Clone, Debug)]
pub struct GkrSeed {
    num_vars: usize,
    elements: Vec<F>,
}

/// A sponge that only records what it is given.
struct Recorder(Vec<F>);

impl CanObserve<F> for Recorder {
    fn observe(&mut self, value: F) {
        self.0.push(value);
    }
}

impl GkrSeed {
    /// The seed of a sum over `2^num_vars` fractions.
    ///
    /// # Errors
    /// [`GkrError::Variables`] unless `num_vars` is 1 to [`MAX_GKR_VARS`].
    pub fn new(num_vars: usize) -> Result<Self, GkrError> {
        if !(1..=MAX_GKR_VARS).contains(&num_vars) {
            return Err(GkrError::Variables { num_vars });
        }
        let mut recorder = Recorder(Vec::new());
        FractionGkrShape { num_variables: num_vars }.domain_separator::<F, EF>().seed(&mut recorder);
        Ok(Self { num_vars, elements: recorder.0 })
    }

    /// Variables of the sum.
    pub fn num_vars(&self) -> usize {
        self.num_vars
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

/// Bytes of a proof over `num_vars` variables: the root denominator, then for layer `i` its `i` round polynomials of
/// three values and its four child values.
pub const fn fraction_proof_len(num_vars: usize) -> usize {
    (1 + 3 * num_vars * num_vars.saturating_sub(1) / 2 + 4 * num_vars) * EXT_LEN
}

/// Value at `r` of the cubic through (0, a), (1, b), (2, c), (3, d), by forward differences.
fn cubic_at([a, b, c, d]: [EF; 4], r: EF, half: F, sixth: F) -> EF {
    let first = b - a;
    let second = c - b.double() + a;
    let third = d - c.double() - c + b.double() + b - a;
    a + r * (first + (r - F::ONE) * (second * half + (r - F::TWO) * (third * sixth)))
}

/// Draws until the challenge is not 0, as the prover does.
fn nonzero_challenge(tr: &mut Transcript) -> EF {
    loop {
        let r = tr.challenge();
        if r != EF::ZERO {
            return r;
        }
    }
}

/// Checks a proof that `2^n` fractions sum to 0, and returns the claim that is left.
///
/// Numerators and denominators must be fixed by what the transcript already holds. Leaves the transcript in the state
/// in which the prover left it, and in an unspecified one after an error.
///
/// # Errors
/// [`GkrError`]: malformed bytes, a vanishing denominator, or a layer that does not add up. Never panics.
pub fn verify_fraction_sum(seed: &GkrSeed, proof: &[u8], tr: &mut Transcript) -> Result<GkrClaim, GkrError> {
    let n = seed.num_vars;
    let mut reader = Reader::new(proof);
    let (half, sixth) = (F::TWO.inverse(), F::from_u64(6).inverse());
    let root_denominator = reader.ext()?;
    if root_denominator == EF::ZERO {
        return Err(GkrError::ZeroRootDenominator);
    }
    CanObserve::<F>::observe_slice(&mut tr.sponge, &seed.elements);
    tr.absorb(root_denominator);
    let (mut point, mut next) = (Vec::<EF>::with_capacity(n), Vec::<EF>::with_capacity(n));
    let (mut numerator, mut denominator) = (EF::ZERO, root_denominator);
    for layer in 0..n {
        let lambda = tr.challenge();
        let mut claim = numerator + lambda * denominator;
        next.clear();
        next.push(EF::ZERO); // the place of the branch coordinate, drawn last
        let mut eq = EF::ONE;
        for &p in &point {
            let [at0, at2, at3] = [reader.ext()?, reader.ext()?, reader.ext()?];
            tr.absorb_slice(&[at0, at2, at3]);
            let r = nonzero_challenge(tr);
            claim = cubic_at([at0, claim - at0, at2, at3], r, half, sixth);
            eq *= (p * r).double() - p - r + F::ONE;
            next.push(r);
        }
        let [n0, d0, n1, d1] = [reader.ext()?, reader.ext()?, reader.ext()?, reader.ext()?];
        if claim != eq * (d1 * n0 + d0 * (n1 + lambda * d1)) {
            return Err(GkrError::Layer { layer });
        }
        tr.absorb_slice(&[n0, d0, n1, d1]);
        let branch = nonzero_challenge(tr);
        numerator = n0 + branch * (n1 - n0);
        denominator = d0 + branch * (d1 - d0);
        next[0] = branch;
        core::mem::swap(&mut point, &mut next);
    }
    reader.finish()?;
    Ok(GkrClaim { point, numerator, denominator })
}
