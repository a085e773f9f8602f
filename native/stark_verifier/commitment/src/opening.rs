//! Verifying openings of a committed multilinear polynomial.

use alloc::vec;
use alloc::vec::Vec;

use p3_dft::Radix2DFTSmallBatch;
use p3_multilinear_util::point::Point;
use p3_sumcheck::layout::SuffixProver;
use p3_sumcheck::{OpeningBatch, OpeningProtocol, PrescribedPointPcs, TableShape, TableSpec};
use p3_whir::{VerifierError, WhirProver};

use crate::field::{EF, F};
use crate::hash::{Trees, trees};
use crate::opening_wire::{Proof, decode, least_len};
use crate::params::{Config, PcsParams};
use crate::transcript::{Root, Sponge, Transcript};
use crate::wire::WireError;

/// Most points that one opening takes.
pub const MAX_POINTS: usize = 1 << 12;

/// WHIR over one table of one column; its transform keeps no roots until it is used, and verifying never uses it.
pub(crate) type Whir = WhirProver<EF, F, Radix2DFTSmallBatch<F>, Trees, Sponge, SuffixProver<F, EF>>;

/// Why an opening is refused.
#[derive(Debug, thiserror::Error)]
pub enum PcsError {
    /// The size or the parameters are not ones that this commitment takes.
    #[error(
        "num_vars, params: {num_vars} variables with {params:?} are not supported; use PcsParams::for_proof"
    )]
    Parameters {
        /// Variables asked for.
        num_vars: usize,
        /// Parameters asked for.
        params: PcsParams,
    },
    /// No points, too many, or not one value for each.
    #[error(
        "points: {points} points and {values} values; give 1 to {MAX_POINTS} points, each with its value"
    )]
    Points {
        /// Points given.
        points: usize,
        /// Values given.
        values: usize,
    },
    /// A point of the wrong length.
    #[error("points[{index}]: {actual} coordinates, expected {expected}")]
    PointLength {
        /// Which point.
        index: usize,
        /// Its number of coordinates.
        actual: usize,
        /// The polynomial's number of variables.
        expected: usize,
    },
    /// The bytes are no proof of this shape.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The proof does not convince.
    #[error("opening refused: {0}")]
    Refused(#[from] VerifierError),
}

/// One column of `2^num_vars` values, opened once at each of `points` points.
pub(crate) fn protocol(num_vars: usize, points: usize) -> OpeningProtocol {
    let openings = (0..points).map(|_| OpeningBatch::new(vec![0], vec![])).collect();
    OpeningProtocol::new(vec![TableSpec::new(TableShape::new(num_vars, 1), openings)])
}

/// Checks that the polynomial under `root` takes `values` at `points`.
///
/// Each point has `num_vars` coordinates, the first one belonging to the most significant bit of the index. The root
/// is not absorbed here: the caller does so ([`Transcript::absorb_root`]) before it draws anything that depends on
/// the polynomial, and absorbs points that were not drawn from the transcript. The values are absorbed here. Must be
/// called with the transcript in the state that `open` started from; it is left in the state in which `open` left it,
/// and in an unspecified one after an error.
///
/// # Errors
/// [`PcsError`]: unsupported sizes, malformed bytes, or a proof that does not convince. Never panics.
pub fn verify_opening(
    root: &Root,
    num_vars: usize,
    params: &PcsParams,
    points: &[Vec<EF>],
    values: &[EF],
    proof: &[u8],
    tr: &mut Transcript,
) -> Result<(), PcsError> {
    let config = params.config(num_vars).ok_or(PcsError::Parameters { num_vars, params: *params })?;
    if points.is_empty() || points.len() > MAX_POINTS || points.len() != values.len() {
        return Err(PcsError::Points { points: points.len(), values: values.len() });
    }
    if let Some((index, point)) = points.iter().enumerate().find(|(_, point)| point.len() != num_vars) {
        return Err(PcsError::PointLength { index, actual: point.len(), expected: num_vars });
    }
    let proof = decode(&config, values, proof)?;
    check(root, config, points, &proof, tr)
}

/// Whether `proof` decodes as an opening of a polynomial of `num_vars` variables; says nothing of what it shows.
///
/// # Errors
/// [`PcsError::Parameters`] for unsupported sizes, [`PcsError::Wire`] for bytes that are no opening. Never panics.
pub fn check_opening_encoding(num_vars: usize, params: &PcsParams, proof: &[u8]) -> Result<(), PcsError> {
    let config = params.config(num_vars).ok_or(PcsError::Parameters { num_vars, params: *params })?;
    decode(&config, &[], proof)?;
    Ok(())
}

/// Bytes of the shortest opening of a polynomial of `num_vars` variables: one without any Merkle sibling. `None` for
/// unsupported sizes.
pub fn least_opening_len(num_vars: usize, params: &PcsParams) -> Option<usize> {
    params.config(num_vars).map(|config| least_len(&config))
}

/// The check of a proof that has been read, of points that fit.
pub(crate) fn check(
    root: &Root,
    config: Config,
    points: &[Vec<EF>],
    proof: &Proof,
    tr: &mut Transcript,
) -> Result<(), PcsError> {
    let points: Vec<Point<EF>> = points.iter().cloned().map(Point::new).collect();
    let protocol = protocol(config.num_variables(), points.len());
    let whir = Whir::new(config, Radix2DFTSmallBatch::default(), trees());
    whir.verify_at(&root.to_cap(), proof, &protocol, &points, &mut tr.sponge)?;
    Ok(())
}
