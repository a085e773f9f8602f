//! Runs of cells that no pattern covers, in the rounds over the top variables.
//!
//! The top variables divide cells and weights into places of equal length. All that these rounds need are the inner
//! products of each place of the weights with each place of the cells: a matrix, taken once, and bound on both sides as
//! the rounds go on. Where places meet that are not the same, one of them has been folded upon the other.

use crate::cells::Polynomial;
use crate::patterns::Run;
use crate::small::{Eight, Halves};
use esper_commitment::{EF, PrimeCharacteristicRing};
use rayon::prelude::*;

/// Cells that one task multiplies with all places.
const PIECE: usize = 512;

/// Inner products `[place of the weights][place of the cells]`.
pub struct Cross {
    places: usize,
    products: Vec<EF>,
}

impl Cross {
    /// Of runs over a polynomial, in 2^top places. Its cells fill whole places; in the others they are 0.
    pub fn new<E: Eight>(polynomial: Polynomial<'_>, top: usize, runs: &[Run]) -> Self {
        let places = 1usize << top;
        let len = 1usize << (polynomial.num_vars - top);
        let pieces: Vec<(usize, &[EF])> = runs.iter().flat_map(|r| cut(r, len)).collect();
        let add = |mut products: Vec<EF>, (start, weights): &(usize, &[EF])| {
            let (place, low) = (start / len, start % len);
            let row = &mut products[place * places..][..places];
            let halves = Halves::new(weights);
            for (cells, sum) in polynomial.cells.chunks(len).zip(row) {
                *sum += halves.sum::<E>(&cells[low..][..weights.len()]);
            }
            products
        };
        let zeros = || vec![EF::ZERO; places * places];
        let products = pieces
            .par_iter()
            .with_min_len(32)
            .fold(zeros, add)
            .reduce(zeros, |a, b| a.iter().zip(&b).map(|(&x, &y)| x + y).collect());
        Self { places, products }
    }

    /// Sums at 0 and at infinity of the top variable.
    pub fn sums(&self) -> [EF; 2] {
        let half = self.places / 2;
        let at = |u: usize, v: usize| self.products[u * self.places + v];
        (0..half).fold([EF::ZERO; 2], |[zero, square], i| {
            let j = i + half;
            [zero + at(i, i), square + at(i, i) - at(i, j) - at(j, i) + at(j, j)]
        })
    }

    /// Binds the top variable to `r`, of weights and cells.
    pub fn fold(&mut self, r: EF) {
        let half = self.places / 2;
        let at = |u: usize, v: usize| self.products[u * self.places + v];
        let line = |a: EF, b: EF| a + r * (b - a);
        let cells_bound = |u: usize, v: usize| line(at(u, v), at(u, v + half));
        let bound = (0..half * half)
            .map(|i| (i / half, i % half))
            .map(|(u, v)| line(cells_bound(u, v), cells_bound(u + half, v)));
        self.products = bound.collect();
        self.places = half;
    }
}

/// A run in pieces that lie in one place each.
pub(super) fn cut(run: &Run, len: usize) -> impl Iterator<Item = (usize, &[EF])> {
    let piece = len.min(PIECE);
    let (mut start, mut rest) = (run.start, run.weights.as_slice());
    std::iter::from_fn(move || {
        let (part, behind) = rest.split_at(rest.len().min(piece - start % piece));
        let here = start;
        (start, rest) = (start + part.len(), behind);
        (!part.is_empty()).then_some((here, part))
    })
}
