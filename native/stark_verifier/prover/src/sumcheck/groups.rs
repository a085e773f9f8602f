//! Sums of products over groups of columns, which may have fewer variables than the sumcheck.

use super::GRAIN;
use super::columns::Column;
use super::wide::Wide;
use esper_commitment::{EF, F, PackedF, PackedValue, PrimeCharacteristicRing, Transcript};
use esper_verifier::sumcheck::{MAX_DEGREE, SumcheckProof};
use rayon::prelude::*;

/// `coef * product of columns`, summed over a group's hypercube.
pub struct Product {
    /// Factor of the product.
    pub coef: EF,
    /// Columns of the group.
    pub columns: Vec<usize>,
}

/// Products over the same variables.
#[derive(Default)]
pub struct Group {
    /// Number of variables.
    pub vars: usize,
    /// Factors.
    pub columns: Vec<Column>,
    /// Products.
    pub products: Vec<Product>,
}

impl Group {
    /// An empty group.
    pub fn new(vars: usize) -> Self {
        Self { vars, ..Self::default() }
    }

    /// Adds a column.
    pub fn column(&mut self, c: Column) -> usize {
        debug_assert!(c.len() <= 1 << self.vars);
        self.columns.push(c);
        self.columns.len() - 1
    }

    /// Adds a product; a zero coefficient adds nothing.
    pub fn product(&mut self, coef: EF, columns: &[usize]) {
        if coef != EF::ZERO {
            self.products.push(Product { coef, columns: columns.to_vec() });
        }
    }

    pub(super) fn degree(&self) -> usize {
        self.products.iter().map(|p| p.columns.len()).max().unwrap_or(0)
    }

    /// Sums of all products at 0..=degree of the leading variable; `half` entries have it at 0.
    fn values(&self, half: usize) -> [EF; MAX_DEGREE + 1] {
        let degree = self.degree();
        let longest =
            self.products.iter().map(|p| p.columns.iter().map(|&c| self.columns[c].len()).min().unwrap_or(0));
        let len = longest.max().unwrap_or(0).min(half.max(1));
        let add = |a: [EF; MAX_DEGREE + 1], b: [EF; MAX_DEGREE + 1]| std::array::from_fn(|i| a[i] + b[i]);
        (0..len.div_ceil(GRAIN))
            .into_par_iter()
            .map(|task| {
                let mut sums = [EF::ZERO; MAX_DEGREE + 1];
                let mut at = vec![(EF::ZERO, EF::ZERO); self.columns.len()];
                for i in task * GRAIN..((task + 1) * GRAIN).min(len) {
                    for (slot, c) in at.iter_mut().zip(&self.columns) {
                        let (low, high) = c.pair(i, half);
                        *slot = (low, high - low);
                    }
                    for sum in &mut sums[..=degree] {
                        for p in &self.products {
                            *sum += p.columns.iter().fold(p.coef, |acc, &c| acc * at[c].0);
                        }
                        at.iter_mut().for_each(|(value, step)| *value += *step);
                    }
                }
                sums
            })
            .reduce(|| [EF::ZERO; MAX_DEGREE + 1], add)
    }
}

/// Continues values at 0..=degree to MAX_DEGREE by forward differences.
fn extend(values: &mut [EF; MAX_DEGREE + 1], degree: usize) {
    for x in degree + 1..=MAX_DEGREE {
        // value(x) = sum_k (-1)^(degree - k) C(degree + 1, k) value(x - degree - 1 + k)
        let mut sum = EF::ZERO;
        let mut binomial = 1u64;
        for k in (0..=degree).rev() {
            // C(degree + 1, k + 1) -> C(degree + 1, k)
            binomial = binomial * (k as u64 + 1) / (degree as u64 + 1 - k as u64);
            let term = values[x - degree - 1 + k] * F::from_u64(binomial);
            sum += if (degree - k).is_multiple_of(2) { term } else { -term };
        }
        values[x] = sum;
    }
}

/// A group as it is bound: in vector lanes as long as it fills some, then entry by entry.
struct Bound {
    group: Group,
    wide: Option<Wide>,
}

impl Bound {
    fn new(mut group: Group, widen: bool) -> Self {
        let wide = if widen { Wide::new(&mut group) } else { None };
        Self { group, wide }
    }

    /// Sums of all products at 0..=MAX_DEGREE of the leading variable, of `left`; at 1 only if asked for.
    fn values(&self, left: usize, one: bool) -> [EF; MAX_DEGREE + 1] {
        match &self.wide {
            Some(wide) => wide.values(1 << (left - 1), one),
            None => {
                let mut values = self.group.values(1 << left >> 1);
                extend(&mut values, self.group.degree());
                values
            }
        }
    }

    /// Binds the leading variable, of `left`.
    fn fold(&mut self, left: usize, r: EF) {
        let half = 1 << (left - 1);
        match self.wide.take() {
            Some(mut wide) => {
                wide.fold(half, r);
                if half > PackedF::WIDTH {
                    self.wide = Some(wide);
                } else {
                    self.group.columns = wide.into_columns();
                }
            }
            None => self.group.columns.par_iter_mut().for_each(|c| c.fold(half, r)),
        }
    }
}

/// Proves the sum of all groups; returns the proof, the point, and every column's final value.
/// The claim is the true sum; the verifier computes its own.
pub fn prove_groups(
    groups: Vec<Group>,
    vars: usize,
    degree: usize,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, Vec<Vec<EF>>) {
    let bound = groups.into_iter().map(|g| Bound::new(g, true)).collect();
    prove_bound(bound, vars, degree, t)
}

fn prove_bound(
    mut groups: Vec<Bound>,
    vars: usize,
    degree: usize,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, Vec<Vec<EF>>) {
    let (mut rounds, mut point) = (Vec::with_capacity(vars), Vec::with_capacity(vars));
    // While a group waits, its sum times the product of 1 - r so far; afterwards that product alone.
    let mut scales: Vec<EF> = vec![EF::ONE; groups.len()];
    // The first polynomial of a group that waits: its values at 0 and 1 add up to the group's sum, and all are sent when
    // its turn comes.
    let mut first: Vec<Option<[EF; MAX_DEGREE + 1]>> =
        groups.iter().map(|g| (g.group.vars < vars).then(|| g.values(g.group.vars, true))).collect();
    let sums: Vec<EF> = groups
        .iter()
        .zip(&first)
        .map(|(g, v)| v.map_or(EF::ZERO, |v| if g.group.vars == 0 { v[0] } else { v[0] + v[1] }))
        .collect();
    for round in 0..vars {
        let left = vars - round;
        let mut values = [EF::ZERO; MAX_DEGREE + 1];
        for (i, g) in groups.iter().enumerate() {
            if g.group.vars < left {
                let here = scales[i] * sums[i];
                for (x, v) in values.iter_mut().enumerate() {
                    *v += here * (F::ONE - F::from_u64(x as u64));
                }
            } else {
                let part = first[i].take().unwrap_or_else(|| g.values(left, false));
                values.iter_mut().zip(part).for_each(|(v, p)| *v += scales[i] * p);
            }
        }
        let message: Vec<EF> = (0..=degree).filter(|&x| x != 1).map(|x| values[x]).collect();
        t.absorb_slice(&message);
        let r = t.challenge();
        for (g, scale) in groups.iter_mut().zip(&mut scales) {
            if g.group.vars < left {
                *scale *= EF::ONE - r;
            } else {
                g.fold(left, r);
            }
        }
        rounds.push(message);
        point.push(r);
    }
    let finals = groups.iter().map(|g| g.group.columns.iter().map(Column::last).collect()).collect();
    (SumcheckProof { rounds }, point, finals)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of `sizes` variables, columns of all kinds and lengths, products of one to four factors.
    fn groups(sizes: &[usize], t: &mut Transcript) -> Vec<Group> {
        let group = |&vars: &usize| {
            let size = 1usize << vars;
            let mut g = Group::new(vars);
            let base = |n: usize| Column::Base((0..n as u64).map(|i| F::from_u64(i * i + 5)).collect());
            let [e, f] = [size, size].map(|n| g.column(Column::Ext(t.challenges(n))));
            let a = g.column(base(size * 5 / 8));
            let b = g.column(base(size));
            let c = g.column(Column::Ext(t.challenges(size * 3 / 4 + 1)));
            let d = g.column(Column::Ext(t.challenges(1)));
            let products: [&[usize]; 8] =
                [&[e, a, b], &[f, c], &[e, b, b, c], &[e, a, c], &[f, c, d], &[e], &[f, d, a], &[e, a]];
            for columns in products {
                g.product(t.challenge(), columns);
            }
            g
        };
        sizes.iter().map(group).collect()
    }

    fn sum(groups: &[Group]) -> EF {
        let entries = groups.iter().flat_map(|g| (0..1usize << g.vars).map(move |i| (g, i)));
        let products = entries.flat_map(|(g, i)| {
            let at =
                move |p: &Product| p.columns.iter().fold(p.coef, |acc, &c| acc * g.columns[c].pair(i, 0).0);
            g.products.iter().map(at)
        });
        products.sum()
    }

    const SIZES: [usize; 6] = [9, 6, 3, 1, 0, 9];

    #[test]
    fn groups_of_different_size_agree_with_the_verifier() {
        let mut t = Transcript::new("test");
        let groups = groups(&SIZES, &mut t);
        let direct = sum(&groups);
        let coefs: Vec<Vec<(EF, Vec<usize>)>> =
            groups.iter().map(|g| g.products.iter().map(|p| (p.coef, p.columns.clone())).collect()).collect();
        let start = t.clone();
        let (proof, point, finals) = prove_groups(groups, 9, 4, &mut t);
        let (end, value) = proof.verify(direct, 4, &mut start.clone()).unwrap();
        assert_eq!(end, point);
        let selector = |vars: usize| point[..9 - vars].iter().fold(EF::ONE, |acc, &x| acc * (EF::ONE - x));
        let want: EF = coefs
            .iter()
            .zip(SIZES)
            .zip(&finals)
            .map(|((products, vars), f)| {
                let sum: EF =
                    products.iter().map(|(k, cols)| cols.iter().fold(*k, |acc, &c| acc * f[c])).sum();
                selector(vars) * sum
            })
            .sum();
        assert_eq!(value, want);
    }

    #[test]
    fn lanes_and_single_entries_give_one_proof() {
        let make = || groups(&SIZES, &mut Transcript::new("test"));
        let prove = |widen: bool| {
            let bound: Vec<Bound> = make().into_iter().map(|g| Bound::new(g, widen)).collect();
            let wide = bound.iter().filter(|b| b.wide.is_some()).count();
            (wide, prove_bound(bound, 9, 4, &mut Transcript::new("rounds")))
        };
        let [(none, slow), (some, fast)] = [prove(false), prove(true)];
        assert!(none == 0 && some >= 3, "{some} groups in lanes");
        assert!(slow.0 == fast.0 && slow.1 == fast.1 && slow.2 == fast.2);
    }
}
