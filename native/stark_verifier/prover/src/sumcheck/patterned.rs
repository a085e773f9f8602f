//! The inner product of cells with weights that are a sum of patterns.
//!
//! Where a weight is (weight of its block) times (weight of its row), binding the variables of blocks leaves rows alone:
//! the first rounds run over one folded cell a block, for each pattern. After them, cells and weights are short, and the
//! rest is the inner product as ever.

use super::cross::{Cross, cut};
use super::inner::{Rounds, fold_packed, inner_sums, total};
use crate::cells::Polynomial;
use crate::packing::{lane_sum, lanes_of, pack, unpack};
use crate::patterns::Patterns;
use crate::small::{Lanes, fold_rows, fold_top};
use esper_commitment::{EF, PackedEF, PackedF, PackedValue, PrimeCharacteristicRing, Transcript};
use esper_verifier::mle::eq_table;
use esper_verifier::sumcheck::SumcheckProof;
use rayon::prelude::*;

/// Variables that are bound while cells are blocks. After them a 64th of the cells is left to be written out.
pub const TOP: usize = 6;
/// Variables of blocks at least: whole lanes are left when TOP of them are bound.
pub const LEAST_BLOCKS: usize = TOP + 4;

const _: () = assert!(PackedF::WIDTH <= 8, "16 blocks are at least two vectors");

/// [`super::prove_inner`] for a polynomial whose weights are patterns.
///
/// # Panics
/// If there are fewer than 2^LEAST_BLOCKS blocks, or blocks have fewer than eight rows.
pub fn prove_patterns(
    polynomial: Polynomial<'_>,
    weights: &Patterns,
    claim: EF,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, EF) {
    let (bits, num_vars) = (weights.bits, polynomial.num_vars);
    assert!(num_vars >= bits + LEAST_BLOCKS, "blocks enough for the first rounds");
    let mut rounds = Rounds::new(claim, t);
    let rows: Vec<&[EF]> = weights.patterns.iter().map(|p| p.rows.as_slice()).collect();
    // Of each pattern: folded cells and blocks' weights.
    let folded = fold_rows::<Lanes>(polynomial.cells, bits, &rows);
    let mut work: Vec<(Vec<PackedEF>, Vec<PackedEF>)> = folded
        .into_iter()
        .zip(&weights.patterns)
        .map(|(mut cells, p)| {
            cells.resize(1 << (num_vars - bits), EF::ZERO);
            (pack(&cells), pack(&p.blocks))
        })
        .collect();
    let mut cross = Cross::new::<Lanes>(polynomial, TOP, &weights.runs);
    for _ in 0..TOP {
        let sums = work.iter().map(|(p, w)| inner_sums(p, w).map(lane_sum));
        let r = rounds.send(total(sums.chain([cross.sums()])));
        for v in work.iter_mut().flat_map(|(p, w)| [p, w]) {
            fold_packed(v, r);
        }
        cross.fold(r);
    }
    let eq = eq_table(rounds.point(), EF::ONE);
    let blocks = work.into_iter().map(|(_, blocks)| unpack(blocks)).collect();
    let left = left_weights(weights, blocks, 1 << (num_vars - TOP), &eq);
    // The cells fill whole places: half a column each.
    let places = polynomial.cells.len() >> (num_vars - TOP);
    rounds.finish(pack(&fold_top::<Lanes>(polynomial.cells, &eq[..places])), pack(&left))
}

/// Weights with the top variables bound as `eq` says, `place` of them; `folded` are each pattern's block weights, bound
/// already.
fn left_weights(weights: &Patterns, folded: Vec<Vec<EF>>, place: usize, eq: &[EF]) -> Vec<EF> {
    let rows: Vec<Vec<PackedEF>> = weights.patterns.iter().map(|p| pack(&p.rows)).collect();
    let mut out = vec![EF::ZERO; place];
    out.par_chunks_mut(1 << weights.bits).enumerate().for_each(|(block, out)| {
        for (i, out) in out.chunks_mut(PackedF::WIDTH).enumerate() {
            let sum: PackedEF = rows.iter().zip(&folded).map(|(r, b)| r[i] * PackedEF::from(b[block])).sum();
            out.iter_mut().zip(lanes_of([sum])).for_each(|(o, w)| *o = w);
        }
    });
    for (at, part) in weights.runs.iter().flat_map(|r| cut(r, place)) {
        let bound = eq[at / place];
        out[at % place..].iter_mut().zip(part).for_each(|(o, &w)| *o += bound * w);
    }
    out
}
