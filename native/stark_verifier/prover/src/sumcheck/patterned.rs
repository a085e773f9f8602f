//! The inner product of cells with weights that are a sum of patterns.
//!
//! Where a weight is (weight of its block) times (weight of its row), binding the variables of blocks leaves rows alone:
//! the first rounds run over one folded cell a block, for each pattern. After them, cells and weights are short, and the
//! rest is the inner product as ever.

use super::cross::{Cross, cut};
use super::inner::{Rounds, fold_packed, inner_sums, total};
use crate::packing::{lane_sum, lanes_of, pack, unpack};
use crate::patterns::Patterns;
use crate::small::{Lanes, fold_rows, fold_top};
use esper_commitment::{EF, F, PackedEF, PackedF, PackedValue, PrimeCharacteristicRing, Transcript};
use esper_verifier::mle::eq_table;
use esper_verifier::sumcheck::SumcheckProof;
use rayon::prelude::*;

/// Variables that are bound while cells are blocks. After them a 64th of the cells is left to be written out.
pub const TOP: usize = 6;
/// Variables of blocks at least: whole lanes are left when TOP of them are bound.
pub const LEAST_BLOCKS: usize = TOP + 4;

const _: () = assert!(PackedF::WIDTH <= 8, "16 blocks are at least two vectors");

/// [`super::prove_inner`] for weights over the chunks laid end to end.
///
/// # Panics
/// If a chunk has fewer than 2^LEAST_BLOCKS blocks, or blocks fewer than eight rows.
pub fn prove_patterns(
    chunks: &[&[F]],
    weights: &Patterns,
    claim: EF,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, Vec<EF>) {
    let (bits, len) = (weights.bits, chunks[0].len());
    assert!(len >> bits >> LEAST_BLOCKS > 0, "blocks enough for the first rounds");
    let mut rounds = Rounds::new(claim, t);
    let rows: Vec<&[EF]> = weights.patterns.iter().map(|p| p.rows.as_slice()).collect();
    // Of each chunk, of each pattern: its folded cells and its blocks' weights.
    let mut work: Vec<Vec<(Vec<PackedEF>, Vec<PackedEF>)>> = chunks
        .iter()
        .enumerate()
        .map(|(c, cells)| {
            let folded = fold_rows::<Lanes>(cells, bits, &rows).into_iter().zip(&weights.patterns);
            let blocks = c * (len >> bits)..(c + 1) * (len >> bits);
            folded.map(|(cells, p)| (pack(&cells), pack(&p.blocks[blocks.clone()]))).collect()
        })
        .collect();
    let mut cross = Cross::new::<Lanes>(chunks, TOP, &weights.runs);
    for _ in 0..TOP {
        let sums = work.iter().flatten().map(|(p, w)| inner_sums(p, w).map(lane_sum));
        let r = rounds.send(total(sums.chain([cross.sums()])));
        for v in work.iter_mut().flatten().flat_map(|(p, w)| [p, w]) {
            fold_packed(v, r);
        }
        cross.fold(r);
    }
    let eq = eq_table(rounds.point(), EF::ONE);
    let left = chunks.iter().zip(work).enumerate().map(|(c, (cells, work))| {
        let folded = work.into_iter().map(|(_, blocks)| unpack(blocks)).collect();
        let weights = left_weights(weights, folded, c * len, len, &eq);
        (pack(&fold_top::<Lanes>(cells, &eq)), pack(&weights))
    });
    let left = left.collect();
    rounds.finish(left)
}

/// Weights of the chunk of `len` cells from `start` on, its top variables bound as `eq` says; `folded` are each
/// pattern's block weights, bound already.
fn left_weights(weights: &Patterns, folded: Vec<Vec<EF>>, start: usize, len: usize, eq: &[EF]) -> Vec<EF> {
    let rows: Vec<Vec<PackedEF>> = weights.patterns.iter().map(|p| pack(&p.rows)).collect();
    let place = len >> TOP;
    let mut out = vec![EF::ZERO; place];
    out.par_chunks_mut(1 << weights.bits).enumerate().for_each(|(block, out)| {
        for (i, out) in out.chunks_mut(PackedF::WIDTH).enumerate() {
            let sum: PackedEF = rows.iter().zip(&folded).map(|(r, b)| r[i] * PackedEF::from(b[block])).sum();
            out.iter_mut().zip(lanes_of([sum])).for_each(|(o, w)| *o = w);
        }
    });
    for (at, part) in weights.runs.iter().flat_map(|r| cut(r, place)) {
        let Some(at) = at.checked_sub(start).filter(|&at| at < len) else { continue };
        let bound = eq[at / place];
        out[at % place..].iter_mut().zip(part).for_each(|(o, &w)| *o += bound * w);
    }
    out
}
