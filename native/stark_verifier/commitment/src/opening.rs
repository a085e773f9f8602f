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
use crate::opening_wire::{Proof, decode};
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

/// The check of a proof that has been read, of points that fit.
fn check(
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

#[cfg(all(test, feature = "prover"))]
mod tests {
    //! Proofs that the wire format cannot even express: the crate below must refuse them, and never panic.

    use std::boxed::Box;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use p3_multilinear_util::poly::Poly;
    use p3_sumcheck::SumcheckData;
    use p3_whir::QueryOpenings;

    use super::*;
    use crate::field::PrimeCharacteristicRing;
    use crate::opening_prover::{commit, open};
    use crate::opening_wire::encode;

    const NUM_VARS: usize = 12;

    type Mutation = (&'static str, Box<dyn Fn(&mut Proof)>);

    fn mutations() -> Vec<Mutation> {
        fn rows(p: &mut Proof, change: impl Fn(&mut Vec<Vec<F>>)) {
            match &mut p.whir.rounds[0].openings {
                QueryOpenings::Base(opening) => change(&mut opening.rows),
                QueryOpenings::Extension(_) => unreachable!("the first round opens base-field rows"),
            }
        }
        fn siblings(p: &mut Proof, change: impl Fn(&mut Vec<[u8; 32]>)) {
            match &mut p.whir.final_openings {
                QueryOpenings::Base(opening) => change(&mut opening.proof.sibling_hashes),
                QueryOpenings::Extension(opening) => change(&mut opening.proof.sibling_hashes),
            }
        }
        let empty = || SumcheckData { polynomial_evaluations: vec![], pow_witnesses: vec![] };
        vec![
            ("no rounds", Box::new(|p| p.whir.rounds.clear())),
            ("a round twice", Box::new(|p| p.whir.rounds.push(p.whir.rounds[0].clone()))),
            ("no commitment", Box::new(|p| p.whir.rounds[0].commitment = None)),
            ("no final polynomial", Box::new(|p| p.whir.final_poly = None)),
            ("short final polynomial", Box::new(|p| p.whir.final_poly = Some(Poly::new(vec![EF::ONE])))),
            (
                "closing sumcheck toggled",
                Box::new(move |p| {
                    p.whir.final_sumcheck =
                        if p.whir.final_sumcheck.is_some() { None } else { Some(empty()) };
                }),
            ),
            ("no values", Box::new(|p| p.evals.clear())),
            (
                "two values for one",
                Box::new(|p| p.evals[0] = OpeningBatch::new(vec![EF::ONE, EF::ONE], vec![])),
            ),
            (
                "a successor value",
                Box::new(|p| {
                    p.evals[0] = OpeningBatch::new(p.evals[0].current().to_vec(), vec![EF::ONE]);
                }),
            ),
            ("no out-of-domain answer", Box::new(|p| p.whir.initial_ood_answers.clear())),
            ("two out-of-domain answers", Box::new(|p| p.whir.initial_ood_answers.push(EF::ONE))),
            ("a round's answers toggled", Box::new(|p| p.whir.rounds[0].ood_answers.push(EF::ONE))),
            ("empty first sumcheck", Box::new(move |p| p.whir.initial_sumcheck = empty())),
            (
                "short first sumcheck",
                Box::new(|p| p.whir.initial_sumcheck.polynomial_evaluations.truncate(4)),
            ),
            ("nonces of no work", Box::new(|p| p.whir.initial_sumcheck.pow_witnesses = vec![F::ONE; 5])),
            ("no rows", Box::new(|p| rows(p, Vec::clear))),
            ("a row less", Box::new(|p| rows(p, |rows| rows.truncate(rows.len() - 1)))),
            ("a row more", Box::new(|p| rows(p, |rows| rows.push(rows[0].clone())))),
            ("rows in another order", Box::new(|p| rows(p, |rows| rows.swap(0, 1)))),
            ("a short row", Box::new(|p| rows(p, |rows| rows[0].truncate(31)))),
            ("a long row", Box::new(|p| rows(p, |rows| rows[0].push(F::ONE)))),
            ("an empty row", Box::new(|p| rows(p, |rows| rows[0].clear()))),
            ("all rows empty", Box::new(|p| rows(p, |rows| rows.iter_mut().for_each(Vec::clear)))),
            ("no siblings", Box::new(|p| siblings(p, Vec::clear))),
            ("a sibling less", Box::new(|p| siblings(p, |all| all.truncate(all.len() - 1)))),
            ("a sibling more", Box::new(|p| siblings(p, |all| all.push([0; 32])))),
            (
                "openings exchanged",
                Box::new(|p| {
                    core::mem::swap(&mut p.whir.rounds[0].openings, &mut p.whir.final_openings);
                }),
            ),
        ]
    }

    #[test]
    fn proofs_of_another_structure_are_refused_without_panic() {
        let params = PcsParams::for_proof(NUM_VARS, 2);
        let config = || params.config(NUM_VARS).expect("in range");
        let (root, committed) = commit((0..1 << NUM_VARS).map(F::from_u64).collect(), &params);
        let mut tr = Transcript::new("test");
        tr.absorb_root(&root);
        let points = [tr.challenges(NUM_VARS), tr.challenges(NUM_VARS)];
        let start = tr.clone();
        let (values, bytes) = open(&committed, &points, &mut tr);
        let honest = decode(&config(), &values, &bytes).expect("honest");
        assert_eq!(encode(&config(), &honest), bytes);
        check(&root, config(), &points, &honest, &mut start.clone()).expect("the honest twin is accepted");
        for (name, mutate) in mutations() {
            let mut proof = honest.clone();
            mutate(&mut proof);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                check(&root, config(), &points, &proof, &mut start.clone())
            }));
            assert!(matches!(outcome, Ok(Err(_))), "{name}: {outcome:?}");
        }
    }
}
