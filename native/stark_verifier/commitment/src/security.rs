//! How many bits an opening gives, and what several terms give together.

use p3_dft::Radix2DFTSmallBatch;
use p3_security::ErrorBits;
use p3_sumcheck::PrescribedPointPcs;

use crate::opening::{Whir, protocol};
use crate::params::PcsParams;

/// Security of one opening, in bits; a report, not part of any decision.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SecurityTerms {
    /// Union of all error terms of the opening: claims, folds, sumchecks, out-of-domain points, queries.
    pub opening: f64,
    /// Logarithm of how many polynomials lie within the Johnson radius of the committed word. An out-of-domain point
    /// drawn right after the root is absorbed leaves one of them for all later challenges.
    pub list_size: f64,
}

/// The bits of an opening of `points` points of a polynomial of `num_vars` variables.
///
/// `None` if the size is out of range or the parameters cannot reach their level.
pub fn opening_security(num_vars: usize, params: &PcsParams, points: usize) -> Option<SecurityTerms> {
    let whir = Whir::new(params.config(num_vars)?, Radix2DFTSmallBatch::default(), crate::hash::trees());
    let evidence = whir.prescribed_security(&protocol(num_vars, points))?;
    Some(SecurityTerms { opening: evidence.error().bits(), list_size: evidence.log2_max_candidates })
}

/// Bits of the proof's other terms, for up to 2^26 cells and 2^27 lookup leaves over the 192-bit challenge field:
/// LogUp, fractional GKR, sumchecks, batching, and the early out-of-domain point.
pub const PROTOCOL_TERMS: [f64; 5] = [162.0, 182.0, 184.0, 182.0, 178.0];

/// The bits that error terms of the given bits give together: `-log2(sum of 2^-t)`.
pub fn compose(terms: &[f64]) -> f64 {
    let errors: alloc::vec::Vec<ErrorBits> = terms.iter().map(|&t| ErrorBits::from_log2(t)).collect();
    ErrorBits::sum(&errors).bits()
}
