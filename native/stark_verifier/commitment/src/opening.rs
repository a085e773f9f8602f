//! Verifying openings of a committed multilinear polynomial: WHIR, with the first variables folded first.

use alloc::vec::Vec;

use p3_challenger::{CanSampleUniformBits, GrindingChallenger};

use crate::field::{EF, F, PrimeCharacteristicRing, TwoAdicField};
use crate::hash::Digest;
use crate::opening_wire::{Opening, Queries, Rounds, Rows, decode, least_len};
use crate::params::PcsParams;
use crate::plan::{Phase, Plan, Size};
use crate::transcript::{Root, Transcript};
use crate::tree::{TreeError, check_rows};
use crate::wire::WireError;

/// Most points that one opening takes.
pub const MAX_POINTS: usize = 1 << 12;

/// What an opening absorbs first, before the numbers that decide its steps.
const NAME: &[u8] = b"esper opening v2";

/// Why an opening is refused.
#[derive(Debug, thiserror::Error)]
pub enum PcsError {
    /// The size or the parameters are not ones that this commitment takes.
    #[error(
        "size, params: {size:?} with {params:?} are not supported; use Size::of and PcsParams::for_proof"
    )]
    Parameters {
        /// Size asked for.
        size: Size,
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
    /// The proof of work before the queries to a codeword is not done.
    #[error("opening refused: the work before the queries to codeword {codeword} is not done")]
    Work {
        /// Which codeword, the committed one being 0.
        codeword: usize,
    },
    /// Rows of a codeword are not under its root.
    #[error("opening refused: codeword {codeword}: {error}")]
    Tree {
        /// Which codeword, the committed one being 0.
        codeword: usize,
        /// What is wrong with them.
        error: TreeError,
    },
    /// The last polynomial does not take a value that was queried.
    #[error("opening refused: the last polynomial is not what query {query} found")]
    LastPolynomial {
        /// Which query to the last codeword.
        query: usize,
    },
    /// The sum that is left at the end of all folds does not hold.
    #[error("opening refused: the folds do not close")]
    Closing,
}

/// Checks that the polynomial of `size` under `root` takes `values` at `points`.
///
/// Each point has `size.num_vars` coordinates, the first one belonging to the most significant bit of the index. The
/// root is not absorbed here: the caller does so ([`Transcript::absorb_root`]) before it draws anything that depends
/// on the polynomial, and absorbs points that were not drawn from the transcript. Size, parameters and values are
/// absorbed here. Must be called with the transcript in the state that `open` started from; it is left in the state
/// in which `open` left it, and in an unspecified one after an error.
///
/// # Errors
/// [`PcsError`]: unsupported sizes, malformed bytes, or a proof that does not convince. Never panics.
pub fn verify_opening(
    root: &Root,
    size: Size,
    params: &PcsParams,
    points: &[Vec<EF>],
    values: &[EF],
    proof: &[u8],
    tr: &mut Transcript,
) -> Result<(), PcsError> {
    let plan = Plan::new(size, params).ok_or(PcsError::Parameters { size, params: *params })?;
    if points.is_empty() || points.len() > MAX_POINTS || points.len() != values.len() {
        return Err(PcsError::Points { points: points.len(), values: values.len() });
    }
    if let Some((index, point)) = points.iter().enumerate().find(|(_, point)| point.len() != size.num_vars) {
        return Err(PcsError::PointLength { index, actual: point.len(), expected: size.num_vars });
    }
    let opening = decode(&plan, proof)?;
    let mut run = Run { plan: &plan, constraints: Vec::new(), end: Vec::new(), claim: EF::ZERO, tr };
    run.check(root, points, values, &opening)
}

/// Whether `proof` decodes as an opening of a polynomial of this size; says nothing of what it shows.
///
/// # Errors
/// [`PcsError::Parameters`] for unsupported sizes, [`PcsError::Wire`] for bytes that are no opening. Never panics.
pub fn check_opening_encoding(size: Size, params: &PcsParams, proof: &[u8]) -> Result<(), PcsError> {
    let plan = Plan::new(size, params).ok_or(PcsError::Parameters { size, params: *params })?;
    decode(&plan, proof)?;
    Ok(())
}

/// Bytes of the shortest opening of a polynomial of this size: one without any Merkle sibling. `None` for unsupported
/// sizes.
pub fn least_opening_len(size: Size, params: &PcsParams) -> Option<usize> {
    Plan::new(size, params).map(|plan| least_len(&plan))
}

/// Absorbs what decides the steps of an opening of `claims` points.
pub(crate) fn begin(plan: &Plan, claims: usize, tr: &mut Transcript) {
    let Plan { size, params, .. } = plan;
    tr.absorb_bytes(NAME);
    for number in
        [size.num_vars, size.width, params.log_inv_rate, params.pow_bits, params.security_level, claims]
    {
        tr.absorb_u64(number as u64);
    }
}

/// The point `x^(2^(n-1)), ..., x^2, x`: eq at it gives index i the weight of a polynomial of one variable.
pub(crate) fn spread(x: EF, num_vars: usize) -> Vec<EF> {
    let mut point: Vec<EF> = core::iter::successors(Some(x), |x| Some(x.square())).take(num_vars).collect();
    point.reverse();
    point
}

/// 1, x, x^2, ...: `count` of them.
pub(crate) fn powers(x: EF, count: usize) -> Vec<EF> {
    core::iter::successors(Some(EF::ONE), |&power| Some(power * x)).take(count).collect()
}

/// eq of the point and every index, the first coordinate being the most significant bit.
pub(crate) fn eq_table(point: &[EF]) -> Vec<EF> {
    let mut table = Vec::with_capacity(1 << point.len());
    table.push(EF::ONE);
    for &x in point {
        table = table.iter().flat_map(|&e| [e - e * x, e * x]).collect();
    }
    table
}

/// The indices of the queries to a codeword.
pub(crate) fn draw_indices(phase: &Phase, tr: &mut Transcript) -> Vec<usize> {
    let bits = phase.index_bits();
    (0..phase.queries)
        .map(|_| {
            // Whole bytes are drawn, and none are thrown away: the error cannot occur.
            tr.sponge.sample_uniform_bits::<true>(bits).unwrap_or_default()
        })
        .collect()
}

/// Positions of rows: powers of the root of unity whose order is the number of rows.
pub(crate) fn positions(phase: &Phase, indices: &[usize]) -> Vec<F> {
    let generator = F::two_adic_generator(phase.index_bits());
    indices.iter().map(|&index| generator.exp_u64(index as u64)).collect()
}

/// Rows folded at the point of a fold: elements beyond the end of a row are 0.
pub(crate) fn fold_rows(rows: &Rows, challenges: &[EF]) -> Vec<EF> {
    let weights = eq_table(challenges);
    match rows {
        Rows::Base(rows) => {
            rows.iter().map(|row| weights.iter().zip(row).map(|(&w, &x)| w * x).sum()).collect()
        }
        Rows::Extension(rows) => {
            rows.iter().map(|row| weights.iter().zip(row).map(|(&w, &x)| w * x).sum()).collect()
        }
    }
}

/// A weighted sum of values of a polynomial, by the weights of each.
struct Constraint {
    /// Weights of values at points.
    points: Vec<(EF, Vec<EF>)>,
    /// Weights of the polynomial read as coefficients, at elements of the field.
    positions: Vec<(EF, F)>,
    /// Variables of the polynomial.
    variables: usize,
}

impl Constraint {
    /// The weights' multilinear polynomial at a point.
    fn at(&self, point: &[EF]) -> EF {
        let points: EF = self.points.iter().map(|(weight, x)| *weight * eq(x, point)).sum();
        points + self.positions.iter().map(|&(weight, z)| weight * powers_at(z, point)).sum::<EF>()
    }
}

fn eq(x: &[EF], y: &[EF]) -> EF {
    x.iter().zip(y).map(|(&x, &y)| (x * y).double() - x - y + EF::ONE).product()
}

/// The multilinear polynomial that is z^i at index i.
fn powers_at(mut z: F, point: &[EF]) -> EF {
    let mut out = EF::ONE;
    for &x in point.iter().rev() {
        out *= x * (z - F::ONE) + F::ONE;
        z = z.square();
    }
    out
}

/// An opening so far.
struct Run<'a> {
    plan: &'a Plan,
    constraints: Vec<Constraint>,
    /// Challenges of all folds, in order: the point at whose last coordinates everything is taken.
    end: Vec<EF>,
    claim: EF,
    tr: &'a mut Transcript,
}

impl Run<'_> {
    fn check(
        &mut self,
        root: &Root,
        points: &[Vec<EF>],
        values: &[EF],
        opening: &Opening,
    ) -> Result<(), PcsError> {
        let num_vars = self.plan.size.num_vars;
        begin(self.plan, points.len(), self.tr);
        let outside = spread(self.tr.challenge(), num_vars);
        self.tr.absorb(opening.outside);
        self.tr.absorb_slice(values);
        let weights = powers(self.tr.challenge(), points.len() + 1);
        let all_values = values.iter().chain([&opening.outside]);
        self.claim = weights.iter().zip(all_values).map(|(&w, &v)| w * v).sum();
        let all_points = points.iter().cloned().chain([outside]);
        let points = weights.into_iter().zip(all_points).collect();
        self.constraints.push(Constraint { points, positions: Vec::new(), variables: num_vars });
        self.fold(&opening.fold);
        let mut root = root.0;
        for (codeword, step) in opening.steps.iter().enumerate() {
            let variables = self.plan.phases[codeword + 1].variables;
            self.tr.absorb_root(&Root(step.root));
            let outside = spread(self.tr.challenge(), variables);
            self.tr.absorb(step.outside);
            let (positions, values) = self.query(&root, codeword, &step.queries)?;
            let weights = powers(self.tr.challenge(), values.len() + 2);
            let folded: EF = weights[2..].iter().zip(&values).map(|(&w, &v)| w * v).sum();
            self.claim += weights[1] * step.outside + folded;
            self.constraints.push(Constraint {
                points: alloc::vec![(weights[1], outside)],
                positions: weights[2..].iter().copied().zip(positions).collect(),
                variables,
            });
            self.fold(&step.fold);
            root = step.root;
        }
        self.tr.absorb_slice(&opening.last);
        let (positions, values) = self.query(&root, opening.steps.len(), &opening.last_queries)?;
        for (query, (z, value)) in positions.into_iter().zip(values).enumerate() {
            let at = opening.last.iter().rev().fold(EF::ZERO, |sum, &c| sum * z + c);
            if at != value {
                return Err(PcsError::LastPolynomial { query });
            }
        }
        self.fold(&opening.last_fold);
        self.close(&opening.last)
    }

    /// The sum over all cells of their weights, at the end point of all folds.
    fn close(&self, last: &[EF]) -> Result<(), PcsError> {
        let end = |variables: usize| &self.end[self.end.len() - variables..];
        let weights = eq_table(end(self.plan.last_vars));
        let value: EF = weights.iter().zip(last).map(|(&w, &v)| w * v).sum();
        let weight: EF = self.constraints.iter().map(|c| c.at(end(c.variables))).sum();
        if weight * value == self.claim { Ok(()) } else { Err(PcsError::Closing) }
    }

    fn fold(&mut self, rounds: &Rounds) {
        for &[constant, square] in rounds {
            self.tr.absorb_slice(&[constant, square]);
            let r = self.tr.challenge();
            let linear = self.claim - constant.double() - square;
            self.claim = constant + r * (linear + r * square);
            self.end.push(r);
        }
    }

    /// The queried positions of a codeword, and the values there once its rows are folded.
    fn query(
        &mut self,
        root: &Digest,
        codeword: usize,
        queries: &Queries,
    ) -> Result<(Vec<F>, Vec<EF>), PcsError> {
        let phase = &self.plan.phases[codeword];
        if !self.tr.sponge.check_witness(phase.work, queries.work) {
            return Err(PcsError::Work { codeword });
        }
        let (indices, depth) = (draw_indices(phase, self.tr), phase.index_bits());
        match &queries.rows {
            Rows::Base(rows) => check_rows(root, depth, &indices, rows, &queries.siblings),
            Rows::Extension(rows) => check_rows(root, depth, &indices, rows, &queries.siblings),
        }
        .map_err(|error| PcsError::Tree { codeword, error })?;
        let challenges = &self.end[self.end.len() - phase.fold..];
        Ok((positions(phase, &indices), fold_rows(&queries.rows, challenges)))
    }
}
