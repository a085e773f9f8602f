//! How many bits an opening gives, and what several terms give together.

use alloc::vec;

use p3_blake3::Blake3;
use p3_dft::Radix2DFTSmallBatch;
use p3_merkle_tree::MerkleTreeMmcs;
use p3_security::ErrorBits;
use p3_sumcheck::layout::PrefixProver;
use p3_sumcheck::{OpeningBatch, OpeningProtocol, PrescribedPointPcs, TableShape, TableSpec};
use p3_symmetric::{CompressionFunctionFromHasher, SerializingHasher};
use p3_whir::WhirProver;

use crate::field::{EF, F};
use crate::hash::DIGEST_LEN;
use crate::params::PcsParams;
use crate::transcript::Sponge;

/// WHIR of the crate, which knows what its steps are worth. They are the steps of this crate's openings; the trees,
/// which the evidence leaves to its user, are not.
type Whir = WhirProver<EF, F, Radix2DFTSmallBatch<F>, Trees, Sponge, PrefixProver<F, EF>>;
type Trees = MerkleTreeMmcs<
    F,
    u8,
    SerializingHasher<Blake3>,
    CompressionFunctionFromHasher<Blake3, 2, DIGEST_LEN>,
    2,
    DIGEST_LEN,
>;

/// Security of one opening, in bits; a report, not part of any decision.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SecurityTerms {
    /// Union of all error terms of the opening: claims, folds, sumchecks, out-of-domain points, queries.
    pub opening: f64,
    /// Logarithm of how many polynomials lie within the Johnson radius of the committed word. An out-of-domain point
    /// drawn right after the root is absorbed leaves one of them for all later challenges.
    pub list_size: f64,
}

/// The bits of an opening of `points` points of a polynomial of `num_vars` variables, whatever its columns.
///
/// `None` if the size is out of range or the parameters cannot reach their level.
pub fn opening_security(num_vars: usize, params: &PcsParams, points: usize) -> Option<SecurityTerms> {
    let trees = Trees::new(SerializingHasher::new(Blake3), CompressionFunctionFromHasher::new(Blake3), 0);
    let whir = Whir::new(params.config(num_vars)?, Radix2DFTSmallBatch::default(), trees);
    // One column of 2^num_vars values, opened once at each point.
    let openings = (0..points).map(|_| OpeningBatch::new(vec![0], vec![])).collect();
    let protocol = OpeningProtocol::new(vec![TableSpec::new(TableShape::new(num_vars, 1), openings)]);
    let evidence = whir.prescribed_security(&protocol)?;
    Some(SecurityTerms { opening: evidence.error().bits(), list_size: evidence.log2_max_candidates })
}

/// Bits of the proof's other terms, rounded down, for up to 2^30 cells and 2^31 lookup leaves, which no proof passes,
/// over the 192-bit challenge field: LogUp, fractional GKR, sumchecks, batching, and the early out-of-domain point.
pub const PROTOCOL_TERMS: [f64; 5] = [158.0, 180.0, 182.0, 178.0, 174.0];

/// The bits that error terms of the given bits give together: `-log2(sum of 2^-t)`.
pub fn compose(terms: &[f64]) -> f64 {
    let errors: alloc::vec::Vec<ErrorBits> = terms.iter().map(|&t| ErrorBits::from_log2(t)).collect();
    ErrorBits::sum(&errors).bits()
}
