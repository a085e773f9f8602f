//! Committing to a multilinear polynomial and opening it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use p3_challenger::GrindingChallenger;
use p3_dft::Radix2DFTSmallBatch;

use crate::columns::{Codeword, encode_base, encode_extension};
use crate::field::{EF, F, PrimeCharacteristicRing};
use crate::first_fold::FirstFold;
use crate::opening::{MAX_POINTS, begin, draw_indices, fold_rows, positions, powers, spread};
use crate::opening_wire::{Opening, Queries, Rows, Step, encode};
use crate::params::{MAX_VARS, MIN_VARS, PcsParams};
use crate::plan::{Phase, Plan, Size};
use crate::transcript::{Root, Transcript};

/// A committed polynomial: its values, its codeword and the tree over it, kept for any number of openings. Clones
/// share them.
#[derive(Clone)]
pub struct Committed(Arc<Parts>);

struct Parts {
    plan: Plan,
    dft: Radix2DFTSmallBatch<F>,
    cells: Vec<F>,
    codeword: Codeword<F>,
}

impl Committed {
    /// The commitment.
    pub fn root(&self) -> Root {
        Root(self.0.codeword.tree.root())
    }

    /// Variables and columns of the polynomial.
    pub fn size(&self) -> Size {
        self.0.plan.size
    }

    /// The committed values: all of the columns that are not 0 by definition, [`Size::cells`] of them.
    pub fn values(&self) -> &[F] {
        &self.0.cells
    }
}

#[cfg(test)]
impl Committed {
    /// The rows of the committed codeword at these indices, and their siblings.
    pub(crate) fn answers(&self, indices: &[usize]) -> (Rows, Vec<crate::hash::Digest>) {
        let word = &self.0.codeword;
        (Rows::Base(word.rows(indices)), word.tree.siblings(indices))
    }
}

/// Commits to the polynomial of [`Size::of`] as many values, with the given ones from index 0 on and 0 elsewhere; an
/// index is read with its most significant bit as the first coordinate. The values are kept, not copied.
///
/// Nothing is absorbed: call [`Transcript::absorb_root`] in every proof that opens the commitment.
///
/// # Panics
/// If there are more than `2^MAX_VARS` values, or the parameters do not reach their level.
pub fn commit(mut cells: Vec<F>, params: &PcsParams) -> (Root, Committed) {
    let size = Size::of(cells.len());
    let plan = Plan::new(size, params).unwrap_or_else(|| {
        panic!("cells, params: {size:?} with {params:?}; variables are {MIN_VARS} to {MAX_VARS}")
    });
    cells.resize(size.cells(), F::ZERO);
    let longest = plan.phases.iter().map(|phase| phase.index_bits()).max().unwrap_or_default();
    let dft = Radix2DFTSmallBatch::new(1 << longest);
    let codeword = encode_base(&dft, &cells, size.column_vars(), params.log_inv_rate);
    let committed = Committed(Arc::new(Parts { plan, dft, cells, codeword }));
    (committed.root(), committed)
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
    let num_vars = committed.size().num_vars;
    assert!(
        (1..=MAX_POINTS).contains(&points.len()),
        "points: {} of them; give 1 to {MAX_POINTS}",
        points.len()
    );
    for (i, point) in points.iter().enumerate() {
        assert_eq!(point.len(), num_vars, "points[{i}]: number of coordinates");
    }
    let (values, opening) = prove(&committed.0, points, tr);
    (values, encode(&opening))
}

/// The codeword to which queries go.
enum Asked<'a> {
    Committed(&'a Codeword<F>),
    Later(Codeword<EF>),
}

impl Asked<'_> {
    /// Works for the queries, draws them, and opens their rows.
    fn answer(&self, phase: &Phase, tr: &mut Transcript) -> (Vec<usize>, Queries) {
        let work = tr.sponge.grind(phase.work);
        let indices = draw_indices(phase, tr);
        let (rows, siblings) = match self {
            Self::Committed(word) => (Rows::Base(word.rows(&indices)), word.tree.siblings(&indices)),
            Self::Later(word) => (Rows::Extension(word.rows(&indices)), word.tree.siblings(&indices)),
        };
        (indices, Queries { work, rows, siblings })
    }
}

fn prove(parts: &Parts, points: &[Vec<EF>], tr: &mut Transcript) -> (Vec<EF>, Opening) {
    let Parts { plan, dft, cells, codeword } = parts;
    begin(plan, points.len(), tr);
    let far = spread(tr.challenge(), plan.size.num_vars);
    let first = FirstFold::new(cells, points.iter().chain([&far]));
    let mut values = first.values();
    let outside = values.pop().expect("the value outside the domain");
    tr.absorb(outside);
    tr.absorb_slice(&values);
    let factors = powers(tr.challenge(), points.len() + 1);
    let (fold, mut challenges, mut folding) = first.run(&factors, tr);
    let mut asked = Asked::Committed(codeword);
    let mut steps = Vec::new();
    for (before, phase) in plan.phases.iter().zip(&plan.phases[1..]) {
        let next = encode_extension(dft, folding.values(), phase.fold, phase.log_inv_rate);
        let root = next.tree.root();
        tr.absorb_root(&Root(root));
        let far = spread(tr.challenge(), phase.variables);
        let outside = folding.value_at(&far);
        tr.absorb(outside);
        let (indices, queries) = asked.answer(before, tr);
        let found = fold_rows(&queries.rows, &challenges);
        folding.add(tr.challenge(), (far, outside), positions(before, &indices), found);
        let fold;
        (fold, challenges) = folding.fold(phase.fold, tr);
        steps.push(Step { root, outside, queries, fold });
        asked = Asked::Later(next);
    }
    let last = folding.cells();
    tr.absorb_slice(&last);
    let (_, last_queries) = asked.answer(&plan.phases[steps.len()], tr);
    let last_fold = folding.finish(tr);
    (values, Opening { outside, fold, steps, last, last_queries, last_fold })
}
