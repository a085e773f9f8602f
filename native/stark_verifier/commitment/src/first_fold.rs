//! The first fold, over the index of a column: its rounds need no more of the cells than each column's value at the
//! low coordinates of each point.
//!
//! With f(c, x) the cells and eq(p, c) eq(q, x) the weights of a point (p, q), a round's sum over c and x is that over c
//! of eq(p, c) times V(c), the value of column c at q; both are linear in every variable of c, so binding it is binding
//! them. Columns that are 0 by definition have the value 0.

use alloc::vec::Vec;

use crate::columns::{fold_columns, partial_values};
use crate::field::{EF, F, PrimeCharacteristicRing};
use crate::folding::{Folding, bind, round_of, send};
use crate::opening::eq_table;
use crate::opening_wire::Rounds;
use crate::params::FIRST_FOLD;
use crate::plan::COLUMNS;
use crate::transcript::Transcript;

/// A claimed point on the way through the first fold.
struct Point<'a> {
    /// Its coordinates within a column.
    low: &'a [EF],
    /// The columns' values there.
    values: Vec<EF>,
    /// The columns' weights.
    weights: Vec<EF>,
}

/// The first fold of an opening at some points.
pub(crate) struct FirstFold<'a> {
    cells: &'a [F],
    points: Vec<Point<'a>>,
}

impl<'a> FirstFold<'a> {
    /// Of the polynomial with these cells, 0 behind them, at points of all its variables.
    pub(crate) fn new(cells: &'a [F], points: impl Iterator<Item = &'a Vec<EF>>) -> Self {
        let split: Vec<(&[EF], &[EF])> = points.map(|point| point.split_at(FIRST_FOLD)).collect();
        let low: Vec<&[EF]> = split.iter().map(|&(_, low)| low).collect();
        let points = split.iter().zip(partial_values(cells, &low)).map(|(&(high, low), mut values)| {
            values.resize(COLUMNS, EF::ZERO);
            Point { low, values, weights: eq_table(high) }
        });
        Self { cells, points: points.collect() }
    }

    /// The polynomial at each point.
    pub(crate) fn values(&self) -> Vec<EF> {
        let value = |p: &Point<'_>| p.values.iter().zip(&p.weights).map(|(&v, &w)| v * w).sum();
        self.points.iter().map(value).collect()
    }

    /// Runs the rounds of the sum of all values, each times its factor; returns them, their challenges, and what is
    /// left to be folded.
    pub(crate) fn run(mut self, factors: &[EF], tr: &mut Transcript) -> (Rounds, Vec<EF>, Folding) {
        let mut claim = self.values().iter().zip(factors).map(|(&v, &a)| v * a).sum();
        for (point, &factor) in self.points.iter_mut().zip(factors) {
            point.weights.iter_mut().for_each(|w| *w *= factor);
        }
        let (mut rounds, mut challenges) = (Rounds::new(), Vec::new());
        for _ in 0..FIRST_FOLD {
            let round = self.points.iter().fold([EF::ZERO; 2], |sum, point| {
                let [constant, square] = round_of(&point.values, &point.weights);
                [sum[0] + constant, sum[1] + square]
            });
            let r = send(round, &mut claim, &mut rounds, tr);
            for table in self.points.iter_mut().flat_map(|p| [&mut p.values, &mut p.weights]) {
                bind(table, r);
            }
            challenges.push(r);
        }
        let folded = fold_columns(self.cells, self.points[0].low.len(), &eq_table(&challenges));
        let points: Vec<(EF, &[EF])> = self.points.iter().map(|p| (p.weights[0], p.low)).collect();
        (rounds, challenges, Folding::new(folded, &points, claim))
    }
}
