//! A group of products in vector lanes.
//!
//! Nearly all of a group's products begin with the same factor, the weights eq(point, .). The products of the other
//! factors are therefore added first, as polynomials of the leading variable, and the shared factor is multiplied once
//! for an entry and not once for a product.

use super::columns::Column;
use super::groups::Group;
use crate::packing::{lane_sum, pack, padded, unpack};
use esper_commitment::{EF, F, PackedEF, PackedF, PackedValue, PrimeCharacteristicRing};
use esper_verifier::sumcheck::MAX_DEGREE;
use rayon::prelude::*;
use std::ops::Range;

/// Vectors a task: the polynomials of its entries stay in the nearest cache.
const VECTORS: usize = 128;

/// Coefficients of 1, X, .. of the product of all factors but the shared one.
type Polynomial = [PackedEF; MAX_DEGREE];

/// A column, a vector's width of entries side by side; its zero tail is left out but for the last vector's.
enum WideColumn {
    Base(Vec<PackedF>),
    Ext(Vec<PackedEF>),
}

/// Entry `i` and its neighbour's difference, as a line in the leading variable.
#[inline(always)]
fn line<T: PrimeCharacteristicRing + Copy>(v: &[T], i: usize, half: usize) -> (T, T) {
    let low = v.get(i).copied().unwrap_or(T::ZERO);
    (low, v.get(i + half).copied().unwrap_or(T::ZERO) - low)
}

impl WideColumn {
    fn new(c: Column) -> Self {
        match c {
            Column::Base(v) => Self::Base(PackedF::pack_slice(&padded(v)).to_vec()),
            Column::Ext(v) => Self::Ext(pack(&padded(v))),
        }
    }

    fn into_column(self) -> Column {
        match self {
            Self::Base(v) => Column::Base(PackedF::unpack_slice(&v).to_vec()),
            Self::Ext(v) => Column::Ext(unpack(v)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Base(v) => v.len(),
            Self::Ext(v) => v.len(),
        }
    }

    fn line(&self, i: usize, half: usize) -> (PackedEF, PackedEF) {
        match self {
            Self::Base(v) => {
                let (value, step) = line(v, i, half);
                (PackedEF::from(value), PackedEF::from(step))
            }
            Self::Ext(v) => line(v, i, half),
        }
    }

    fn fold(&mut self, half: usize, r: EF) {
        let r = PackedEF::from(r);
        match self {
            Self::Base(v) => {
                let count = half.min(v.len());
                let entries = (0..count).into_par_iter().with_min_len(VECTORS);
                let out = entries.map(|i| {
                    let (value, step) = line(v, i, half);
                    r * step + value
                });
                *self = Self::Ext(out.collect());
            }
            Self::Ext(v) => {
                let len = v.len();
                let (low, high) = v.split_at_mut(half.min(len));
                let (both, alone) = low.split_at_mut(high.len());
                both.par_iter_mut().zip(high).with_min_len(VECTORS).for_each(|(l, h)| *l += r * (*h - *l));
                alone.par_iter_mut().with_min_len(VECTORS).for_each(|l| *l -= r * *l);
                v.truncate(half);
            }
        }
    }
}

/// Products that begin with the same column.
struct Kind {
    shared: usize,
    /// Coefficient and other columns.
    products: Vec<(PackedEF, Vec<usize>)>,
    /// Other columns at most.
    most: usize,
}

/// A group in lanes.
pub(super) struct Wide {
    columns: Vec<WideColumn>,
    kinds: Vec<Kind>,
}

impl Wide {
    /// Takes the group's columns; none if it has too few entries, or products that do not begin with a weight.
    pub(super) fn new(g: &mut Group) -> Option<Self> {
        let weighed = g.products.iter().all(|p| matches!(g.columns[p.columns[0]], Column::Ext(_)));
        if 1 << g.vars <= 2 * PackedF::WIDTH || !weighed || g.degree() > MAX_DEGREE {
            return None;
        }
        let mut kinds: Vec<Kind> = vec![];
        for p in &g.products {
            let (shared, others) = (p.columns[0], p.columns[1..].to_vec());
            let at = kinds.iter().position(|k| k.shared == shared).unwrap_or_else(|| {
                kinds.push(Kind { shared, products: vec![], most: 0 });
                kinds.len() - 1
            });
            kinds[at].most = kinds[at].most.max(others.len());
            kinds[at].products.push((PackedEF::from(p.coef), others));
        }
        let columns = std::mem::take(&mut g.columns).into_iter().map(WideColumn::new).collect();
        Some(Self { columns, kinds })
    }

    pub(super) fn into_columns(self) -> Vec<Column> {
        self.columns.into_iter().map(WideColumn::into_column).collect()
    }

    /// Binds the leading variable; `half` entries have it at 0.
    pub(super) fn fold(&mut self, half: usize, r: EF) {
        self.columns.iter_mut().for_each(|c| c.fold(half / PackedF::WIDTH, r));
    }

    /// Vectors of a kind that are not zero by their length.
    fn vectors(&self, kind: &Kind) -> usize {
        let shortest = |others: &[usize]| others.iter().map(|&c| self.columns[c].len()).min();
        let shared = self.columns[kind.shared].len();
        let longest = kind.products.iter().map(|p| shortest(&p.1).map_or(shared, |n| n.min(shared))).max();
        longest.unwrap_or(0)
    }

    /// Sums of all products at 0..=MAX_DEGREE of the leading variable; at 1 only if asked for.
    pub(super) fn values(&self, half: usize, one: bool) -> [EF; MAX_DEGREE + 1] {
        let half = half / PackedF::WIDTH;
        let len = self.kinds.iter().map(|k| self.vectors(k)).max().unwrap_or(0).min(half);
        let zeros = || [PackedEF::ZERO; MAX_DEGREE + 1];
        let sums = (0..len.div_ceil(VECTORS))
            .into_par_iter()
            .map(|task| {
                let range = task * VECTORS..((task + 1) * VECTORS).min(len);
                let mut inner = [[PackedEF::ZERO; MAX_DEGREE]; VECTORS];
                let mut sums = zeros();
                for kind in &self.kinds {
                    inner.fill([PackedEF::ZERO; MAX_DEGREE]);
                    for (coef, others) in &kind.products {
                        self.accumulate(*coef, others, range.clone(), half, &mut inner);
                    }
                    for (p, i) in inner.iter().zip(range.clone()) {
                        let (mut weight, step) = self.columns[kind.shared].line(i, half);
                        sums[0] += weight * p[0];
                        for (x, sum) in sums.iter_mut().enumerate().skip(1) {
                            weight += step;
                            if x > 1 || one {
                                *sum += weight * at(&p[..=kind.most.min(MAX_DEGREE - 1)], x);
                            }
                        }
                    }
                }
                sums
            })
            .reduce(zeros, |a, b| std::array::from_fn(|i| a[i] + b[i]));
        sums.map(lane_sum)
    }

    /// Adds `coef` times the product of some columns, as polynomials of the leading variable.
    #[inline]
    fn accumulate(
        &self,
        coef: PackedEF,
        columns: &[usize],
        range: Range<usize>,
        half: usize,
        out: &mut [Polynomial],
    ) {
        use WideColumn::{Base, Ext};
        let pair = match columns {
            [a, b] => Some((&self.columns[*a], &self.columns[*b])),
            _ => None,
        };
        let entries = out.iter_mut().zip(range);
        match pair {
            Some((Base(a), Base(b))) => entries.for_each(|(out, i)| {
                let ((a0, a1), (b0, b1)) = (line(a, i, half), line(b, i, half));
                out[0] += coef * (a0 * b0);
                out[1] += coef * PackedF::dot_product::<2>(&[a0, a1], &[b1, b0]);
                out[2] += coef * (a1 * b1);
            }),
            Some((Ext(a), Ext(b))) => entries.for_each(|(out, i)| {
                let ((a0, a1), (b0, b1)) = (line(a, i, half), line(b, i, half));
                let (a0, a1) = (coef * a0, coef * a1);
                let (low, high) = (a0 * b0, a1 * b1);
                out[0] += low;
                out[2] += high;
                out[1] += (a0 + a1) * (b0 + b1) - low - high;
            }),
            Some((Ext(a), Base(b)) | (Base(b), Ext(a))) => entries.for_each(|(out, i)| {
                let ((a0, a1), (b0, b1)) = (line(a, i, half), line(b, i, half));
                let (a0, a1) = (coef * a0, coef * a1);
                out[0] += a0 * b0;
                out[1] += a0 * b1 + a1 * b0;
                out[2] += a1 * b1;
            }),
            // Any number of factors, for products that are rare.
            None => entries.for_each(|(out, i)| {
                let mut p = [PackedEF::ZERO; MAX_DEGREE];
                p[0] = coef;
                for &c in columns {
                    let (value, step) = self.columns[c].line(i, half);
                    for k in (1..MAX_DEGREE).rev() {
                        p[k] = p[k] * value + p[k - 1] * step;
                    }
                    p[0] *= value;
                }
                out.iter_mut().zip(p).for_each(|(o, p)| *o += p);
            }),
        }
    }
}

/// Value at `x` of the polynomial with these coefficients.
#[inline(always)]
fn at(coefficients: &[PackedEF], x: usize) -> PackedEF {
    let x = PackedF::from(F::from_u64(x as u64));
    coefficients.iter().rev().fold(PackedEF::ZERO, |value, &c| value * x + c)
}
