//! The rounds of an opening: a polynomial of the extension and the weights of its cells, folded together.

use alloc::vec::Vec;

use p3_multilinear_util::point::Point;
use p3_multilinear_util::poly::Poly;
use p3_sumcheck::constraints::statement::{EqStatement, SelectStatement};
use p3_sumcheck::constraints::{Constraint, Statements};
use p3_sumcheck::strategy::{
    RoundMessage, VariableOrder, fold_and_round_coefficients_prefix, sumcheck_coefficients_prefix,
};

use crate::columns::{lane_sum, unpack};
use crate::field::parallel::*;
use crate::field::{EF, F, PackedEF, PackedF, PackedValue, PrimeCharacteristicRing};
use crate::opening_wire::Rounds;
use crate::transcript::Transcript;

/// Absorbs a round polynomial, draws the challenge and moves the claim on.
pub(crate) fn send(round: [EF; 2], claim: &mut EF, rounds: &mut Rounds, tr: &mut Transcript) -> EF {
    let [constant, square] = round;
    tr.absorb_slice(&round);
    rounds.push(round);
    let r = tr.challenge();
    let linear = *claim - constant.double() - square;
    *claim = constant + r * (linear + r * square);
    r
}

/// Constant term and coefficient of the square of the sum of products over the half tables.
pub(crate) fn round_of(values: &[EF], weights: &[EF]) -> [EF; 2] {
    let RoundMessage { c_a, c_inf } = sumcheck_coefficients_prefix(values, weights);
    [c_a, c_inf]
}

/// Binds the first variable of a table.
pub(crate) fn bind(table: &mut Vec<EF>, r: EF) {
    let half = table.len() / 2;
    for i in 0..half {
        table[i] = table[i] + r * (table[half + i] - table[i]);
    }
    table.truncate(half);
}

/// A polynomial and its weights; the claim is the sum of their products.
pub(crate) struct Folding {
    values: Poly<PackedEF>,
    weights: Poly<PackedEF>,
    claim: EF,
}

impl Folding {
    /// `values` with the weights `sum scale eq(point, .)`, the sum of whose products is `claim`.
    pub(crate) fn new(values: Vec<PackedEF>, points: &[(EF, &[EF])], claim: EF) -> Self {
        let mut weights = PackedEF::zero_vec(values.len());
        for (scale, point) in points.iter().filter(|(scale, _)| *scale != EF::ZERO) {
            let table = Poly::<PackedEF>::new_packed_from_point::<F, EF>(point, *scale);
            weights.par_iter_mut().zip(table.as_slice()).with_min_len(256).for_each(|(w, &e)| *w += e);
        }
        Self { values: Poly::new(values), weights: Poly::new(weights), claim }
    }

    /// The polynomial's cells.
    pub(crate) fn values(&self) -> &[PackedEF] {
        self.values.as_slice()
    }

    /// The polynomial at a point.
    pub(crate) fn value_at(&self, point: &[EF]) -> EF {
        let table = Poly::<PackedEF>::new_packed_from_point::<F, EF>(point, EF::ONE);
        let cells = self.values.as_slice().par_chunks(256).zip(table.as_slice().par_chunks(256));
        cells.map(|(x, e)| lane_sum(x.iter().zip(e).map(|(&x, &e)| x * e).sum())).sum()
    }

    /// Adds to the claim `a` times the value at a point, and `a^(2+i)` times that at position i, the polynomial read
    /// as coefficients.
    pub(crate) fn add(&mut self, a: EF, outside: (Vec<EF>, EF), positions: Vec<F>, values: Vec<EF>) {
        let variables = outside.0.len();
        let mut points = EqStatement::initialize(variables);
        points.add_evaluated_constraint(Point::new(outside.0), outside.1);
        let queries = SelectStatement::new(variables, positions, values);
        let statements = alloc::vec![Statements::Eq(points), Statements::Select(queries)];
        let constraint = Constraint::<F, EF>::new_with_existing_claim(a, variables, statements);
        constraint.combine_packed(&mut self.weights, &mut self.claim);
    }

    /// Folds the first `count` variables, of which at least those of a vector's lanes are left; returns the rounds
    /// and the challenges.
    pub(crate) fn fold(&mut self, count: usize, tr: &mut Transcript) -> (Rounds, Vec<EF>) {
        let (mut rounds, mut challenges): (Rounds, Vec<EF>) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let message = match challenges.last() {
                None => sumcheck_coefficients_prefix(self.values.as_slice(), self.weights.as_slice()),
                Some(&r) => {
                    let r = PackedEF::from(r);
                    fold_and_round_coefficients_prefix(&mut self.values, &mut self.weights, r)
                }
            };
            let round = [lane_sum(message.c_a), lane_sum(message.c_inf)];
            challenges.push(send(round, &mut self.claim, &mut rounds, tr));
        }
        if let Some(&r) = challenges.last() {
            for table in [&mut self.values, &mut self.weights] {
                VariableOrder::Prefix.fix_var(table, PackedEF::from(r));
            }
        }
        (rounds, challenges)
    }

    /// The cells that are left.
    pub(crate) fn cells(&self) -> Vec<EF> {
        unpack(self.values.iter().copied()).collect()
    }

    /// Folds all variables that are left.
    pub(crate) fn finish(self, tr: &mut Transcript) -> Rounds {
        let (mut values, mut claim, mut rounds) = (self.cells(), self.claim, Rounds::new());
        let mut weights: Vec<EF> = unpack(self.weights.into_evals()).collect();
        while values.len() > 1 {
            let r = send(round_of(&values, &weights), &mut claim, &mut rounds, tr);
            bind(&mut values, r);
            bind(&mut weights, r);
        }
        rounds
    }
}

const _: () = assert!(PackedF::WIDTH <= 8, "three variables are left at least: they fill a vector");
