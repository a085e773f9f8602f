//! Committing to a multilinear polynomial and opening it.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use p3_commit::MultilinearPcs;
use p3_dft::Radix2DFTSmallBatch;
use p3_matrix::dense::RowMajorMatrix;
use p3_multilinear_util::point::Point;
use p3_sumcheck::PrescribedPointPcs;
use p3_sumcheck::layout::{Layout, SuffixProver, Table};
use p3_whir::WhirProverData;

use crate::field::{EF, F};
use crate::hash::{Trees, trees};
use crate::opening::{MAX_POINTS, Whir, protocol};
use crate::opening_wire::encode;
use crate::params::{FIRST_FOLD, MAX_VARS, MIN_VARS, PcsParams};
use crate::transcript::{Root, Transcript};

type ProverData = WhirProverData<F, EF, Trees, SuffixProver<F, EF>>;

/// A committed polynomial: its values, its codeword and the tree over it, kept for any number of openings. Clones
/// share them.
#[derive(Clone)]
pub struct Committed {
    whir: Arc<Whir>,
    data: ProverData,
    root: Root,
}

impl Committed {
    /// The commitment.
    pub fn root(&self) -> Root {
        self.root
    }

    /// Variables of the polynomial.
    pub fn num_vars(&self) -> usize {
        self.whir.num_variables()
    }

    /// The committed values, `2^num_vars` of them.
    pub fn values(&self) -> &[F] {
        self.data.table(0).poly(0).into_slice()
    }
}

/// Commits to the polynomial with the given values on the hypercube; a value's index is read with its most
/// significant bit as the first coordinate.
///
/// Nothing is absorbed: call [`Transcript::absorb_root`] in every proof that opens the commitment.
///
/// # Panics
/// Unless `values.len()` is a power of two from `2^MIN_VARS` to `2^MAX_VARS` and the parameters reach their level.
pub fn commit(values: Vec<F>, params: &PcsParams) -> (Root, Committed) {
    assert!(values.len().is_power_of_two(), "values: length {} is no power of two", values.len());
    let num_vars = values.len().trailing_zeros() as usize;
    let config = params.config(num_vars).unwrap_or_else(|| {
        panic!("values, params: 2^{num_vars} values with {params:?}; sizes are 2^{MIN_VARS} to 2^{MAX_VARS}")
    });
    let dft = Radix2DFTSmallBatch::new(1 << config.max_fft_size());
    let whir = Arc::new(Whir::new(config, dft, trees()));
    let width = values.len();
    let witness =
        SuffixProver::<F, EF>::new_witness(vec![Table::new(RowMajorMatrix::new(values, width))], FIRST_FOLD);
    // The crate absorbs the root as it commits; here a commitment is made before and apart from any proof.
    let mut apart = Transcript::new("esper/commit");
    let (cap, data) = whir.commit(witness, &mut apart.sponge).expect("the configuration was accepted");
    let root = Root(cap.roots()[0]);
    (root, Committed { whir, data, root })
}

/// The polynomial's values at `points`, and the proof of them.
///
/// Each point has one coordinate for each variable, the first one for the most significant bit of the index. Starts
/// from the transcript's state, which must already hold the root and whatever the points depend on; absorbs the
/// values.
///
/// # Panics
/// If there are no points, more than [`MAX_POINTS`], or one of the wrong length.
pub fn open(committed: &Committed, points: &[Vec<EF>], tr: &mut Transcript) -> (Vec<EF>, Vec<u8>) {
    let num_vars = committed.num_vars();
    assert!(
        (1..=MAX_POINTS).contains(&points.len()),
        "points: {} of them; give 1 to {MAX_POINTS}",
        points.len()
    );
    for (i, point) in points.iter().enumerate() {
        assert_eq!(point.len(), num_vars, "points[{i}]: number of coordinates");
    }
    let points: Vec<Point<EF>> = points.iter().cloned().map(Point::new).collect();
    let proof = committed
        .whir
        .open_at(committed.data.clone(), &protocol(num_vars, points.len()), &points, &mut tr.sponge)
        .expect("the configuration was accepted");
    let values = proof.evals.iter().map(|batch| batch.current()[0]).collect();
    (values, encode(&committed.whir, &proof))
}
