//! Sumcheck provers, most significant variable first.
//!
//! A vector of 2^n entries may be stored without its tail of zeros: folds and sums know. Groups of
//! fewer variables stand where all higher variables are 0, as the verifier's selectors say.

use esper_commitment::{
    EF, F, PackedEF, PackedF, PackedFieldExtension, PackedValue, PrimeCharacteristicRing, Transcript,
};
use esper_verifier::sumcheck::{MAX_DEGREE, SumcheckProof, interpolate};
use rayon::prelude::*;

/// Entries a task.
const GRAIN: usize = 1 << 11;

/// Values of a factor, the zero tail left out.
pub enum Column {
    /// Base field: before the first fold.
    Base(Vec<F>),
    /// Extension.
    Ext(Vec<EF>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Base(v) => v.len(),
            Self::Ext(v) => v.len(),
        }
    }

    fn pair(&self, i: usize, half: usize) -> (EF, EF) {
        let get = |j: usize| match self {
            Self::Base(v) => v.get(j).map_or(EF::ZERO, |&x| EF::from(x)),
            Self::Ext(v) => v.get(j).copied().unwrap_or(EF::ZERO),
        };
        (get(i), get(i + half))
    }

    fn fold(&mut self, half: usize, r: EF) {
        match self {
            Self::Base(v) => {
                let (low, high) = v.split_at(half.min(v.len()));
                let out = low
                    .par_iter()
                    .enumerate()
                    .with_min_len(GRAIN)
                    .map(|(i, &l)| r * (high.get(i).copied().unwrap_or(F::ZERO) - l) + l)
                    .collect();
                *self = Self::Ext(out);
            }
            Self::Ext(v) => {
                let len = v.len();
                let (low, high) = v.split_at_mut(half.min(len));
                low.par_iter_mut().enumerate().with_min_len(GRAIN).for_each(|(i, l)| {
                    *l += r * (high.get(i).copied().unwrap_or(EF::ZERO) - *l);
                });
                v.truncate(half);
            }
        }
    }

    fn last(&self) -> EF {
        self.pair(0, 1).0
    }
}

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

    fn degree(&self) -> usize {
        self.products.iter().map(|p| p.columns.len()).max().unwrap_or(0)
    }

    /// Sums of all products at 0..=degree of the leading variable.
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

/// Proves the sum of all groups; returns the proof, the point, and every column's final value.
/// The claim is the true sum; the verifier computes its own.
pub fn prove_groups(
    groups: &mut [Group],
    vars: usize,
    degree: usize,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, Vec<Vec<EF>>) {
    let (mut rounds, mut point) = (Vec::with_capacity(vars), Vec::with_capacity(vars));
    // While a group waits, its sum times the product of 1 - r so far; afterwards that product alone.
    let mut scales: Vec<EF> = vec![EF::ONE; groups.len()];
    let mut sums: Vec<Option<EF>> = groups
        .iter()
        .map(|g| {
            (g.vars < vars).then(|| {
                let v = g.values(1 << g.vars >> 1);
                if g.vars == 0 { v[0] } else { v[0] + v[1] }
            })
        })
        .collect();
    for round in 0..vars {
        let left = vars - round;
        let mut values = [EF::ZERO; MAX_DEGREE + 1];
        for ((g, scale), sum) in groups.iter().zip(&scales).zip(&sums) {
            if let (true, Some(sum)) = (g.vars < left, sum) {
                let here = *scale * *sum;
                for (x, v) in values.iter_mut().enumerate() {
                    *v += here * (F::ONE - F::from_u64(x as u64));
                }
            } else {
                let mut part = g.values(1 << (left - 1));
                extend(&mut part, g.degree());
                values.iter_mut().zip(part).for_each(|(v, p)| *v += *scale * p);
            }
        }
        let message: Vec<EF> = (0..=degree).filter(|&x| x != 1).map(|x| values[x]).collect();
        t.absorb_slice(&message);
        let r = t.challenge();
        for ((g, scale), sum) in groups.iter_mut().zip(&mut scales).zip(&mut sums) {
            if g.vars < left {
                *scale *= EF::ONE - r;
            } else {
                *sum = None;
                g.columns.par_iter_mut().for_each(|c| c.fold(1 << (left - 1), r));
            }
        }
        rounds.push(message);
        point.push(r);
    }
    let finals = groups.iter().map(|g| g.columns.iter().map(Column::last).collect()).collect();
    (SumcheckProof { rounds }, point, finals)
}

/// `lo + r (hi - lo)` in place over the two halves.
fn fold_packed(v: &mut Vec<PackedEF>, r: EF) {
    let half = v.len() / 2;
    let r = PackedEF::from(r);
    let (low, high) = v.split_at_mut(half);
    low.par_chunks_mut(GRAIN).zip(high.par_chunks(GRAIN)).for_each(|(l, h)| {
        l.iter_mut().zip(h).for_each(|(l, &h)| *l += r * (h - *l));
    });
    v.truncate(half);
}

fn lanes(x: PackedEF) -> EF {
    <PackedEF as PackedFieldExtension<F, EF>>::to_ext_iter([x]).sum()
}

/// [sum a0 b0, sum (a1 - a0)(b1 - b0)]: values at 0 and at infinity.
fn inner_sums<A, B>(a: &[A], b: &[B]) -> [B; 2]
where
    A: PrimeCharacteristicRing + Copy + Send + Sync,
    B: PrimeCharacteristicRing + Copy + Send + Sync + core::ops::Mul<A, Output = B>,
{
    let ((a0, a1), (b0, b1)) = (a.split_at(a.len() / 2), b.split_at(b.len() / 2));
    let tasks =
        a0.par_chunks(GRAIN).zip(a1.par_chunks(GRAIN)).zip(b0.par_chunks(GRAIN)).zip(b1.par_chunks(GRAIN));
    tasks
        .map(|(((a0, a1), b0), b1)| {
            let mut s = [B::ZERO; 2];
            for i in 0..a0.len() {
                s[0] += b0[i] * a0[i];
                s[1] += (b1[i] - b0[i]) * (a1[i] - a0[i]);
            }
            s
        })
        .reduce(|| [B::ZERO; 2], |x, y| [x[0] + y[0], x[1] + y[1]])
}

/// Proves `sum over parts of sum_x P(x) W(x) = claim`, all parts over the same variables; returns the
/// proof, the point, and each part's P at it.
///
/// # Panics
/// If a part is shorter than two packed elements.
pub fn prove_inner(
    parts: Vec<(&[F], Vec<PackedEF>)>,
    mut claim: EF,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, Vec<EF>) {
    let vars = parts[0].0.len().trailing_zeros() as usize;
    let (mut rounds, mut point) = (Vec::with_capacity(vars), Vec::with_capacity(vars));
    let mut step = |sums: [EF; 2], claim: &mut EF, t: &mut Transcript| {
        let [zero, square] = sums;
        // p(2) = p(0) + 2 c1 + 4 c2 with c1 = claim - 2 p(0) - c2
        let two = claim.double() - zero.double() - zero + square.double();
        t.absorb_slice(&[zero, two]);
        let r = t.challenge();
        *claim = interpolate(*claim, &[zero, two], r);
        rounds.push(vec![zero, two]);
        point.push(r);
        r
    };
    let total = |sums: Vec<[EF; 2]>| sums.into_iter().fold([EF::ZERO; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
    let sums = parts.iter().map(|(p, w)| inner_sums(PackedF::pack_slice(p), w).map(lanes)).collect();
    let r = step(total(sums), &mut claim, t);
    let mut work: Vec<(Vec<PackedEF>, Vec<PackedEF>)> = parts
        .into_iter()
        .map(|(p, mut w)| {
            let packed = PackedF::pack_slice(p);
            let (low, high) = packed.split_at(packed.len() / 2);
            let r_packed = PackedEF::from(r);
            let folded =
                low.par_iter().zip(high).with_min_len(GRAIN).map(|(&l, &h)| r_packed * (h - l) + l).collect();
            fold_packed(&mut w, r);
            (folded, w)
        })
        .collect();
    while work[0].0.len() > 1 {
        let sums = work.iter().map(|(p, w)| inner_sums(p, w).map(lanes)).collect();
        let r = step(total(sums), &mut claim, t);
        for (p, w) in &mut work {
            fold_packed(p, r);
            fold_packed(w, r);
        }
    }
    let unpack =
        |v: Vec<PackedEF>| <PackedEF as PackedFieldExtension<F, EF>>::to_ext_iter(v).collect::<Vec<EF>>();
    let mut work: Vec<(Vec<EF>, Vec<EF>)> = work.into_iter().map(|(p, w)| (unpack(p), unpack(w))).collect();
    while work[0].0.len() > 1 {
        let sums = work.iter().map(|(p, w)| inner_sums(p, w)).collect();
        let r = step(total(sums), &mut claim, t);
        for v in work.iter_mut().flat_map(|(p, w)| [p, w]) {
            let half = v.len() / 2;
            for i in 0..half {
                v[i] = v[i] + r * (v[i + half] - v[i]);
            }
            v.truncate(half);
        }
    }
    (SumcheckProof { rounds }, point, work.into_iter().map(|(p, _)| p[0]).collect())
}

/// Packs extension elements; the length is a multiple of the packing width.
pub fn pack(v: &[EF]) -> Vec<PackedEF> {
    v.par_chunks(PackedF::WIDTH).map(<PackedEF as PackedFieldExtension<F, EF>>::from_ext_slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use esper_verifier::mle::eq_table;

    #[test]
    fn groups_of_different_size_agree_with_the_verifier() {
        let mut t = Transcript::new("test");
        let mut a = Group::new(5);
        let x = a.column(Column::Ext(t.challenges(32)));
        let y = a.column(Column::Ext(t.challenges(19)));
        let z = a.column(Column::Base((0..27).map(F::from_u64).collect()));
        a.product(t.challenge(), &[x, y, z, z]);
        a.product(t.challenge(), &[x, z]);
        let mut b = Group::new(2);
        let u = b.column(Column::Ext(t.challenges(4)));
        let v = b.column(Column::Ext(t.challenges(3)));
        b.product(t.challenge(), &[u, v]);
        let mut c = Group::new(0);
        let w = c.column(Column::Ext(t.challenges(1)));
        c.product(t.challenge(), &[w]);
        let mut groups = [a, b, c];
        let direct: EF = groups
            .iter()
            .flat_map(|g| (0..1usize << g.vars).map(move |i| (g, i)))
            .map(|(g, i)| {
                let value =
                    |p: &Product| p.columns.iter().fold(p.coef, |acc, &c| acc * g.columns[c].pair(i, 0).0);
                g.products.iter().map(value).sum::<EF>()
            })
            .sum();
        let start = t.clone();
        let coefs: Vec<Vec<(EF, Vec<usize>)>> =
            groups.iter().map(|g| g.products.iter().map(|p| (p.coef, p.columns.clone())).collect()).collect();
        let (proof, point, finals) = prove_groups(&mut groups, 5, 4, &mut t);
        let (end, value) = proof.verify(direct, 4, &mut start.clone()).unwrap();
        assert_eq!(end, point);
        let selector = |vars: usize| point[..5 - vars].iter().fold(EF::ONE, |acc, &x| acc * (EF::ONE - x));
        let want: EF = coefs
            .iter()
            .zip([5usize, 2, 0])
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
    fn inner_product_agrees_with_the_verifier() {
        let mut t = Transcript::new("test");
        let p: Vec<F> = (0..256u64).map(|i| F::from_u64(i * i + 3)).collect();
        let w = t.challenges(256);
        let claim: EF = p.iter().zip(&w).map(|(&p, &w)| w * p).sum();
        let start = t.clone();
        let (proof, point, finals) = prove_inner(vec![(&p, pack(&w))], claim, &mut t);
        let (end, value) = proof.verify(claim, 2, &mut start.clone()).unwrap();
        assert_eq!(end, point);
        let eq = eq_table(&point, EF::ONE);
        let at: EF = eq.iter().zip(&p).map(|(&e, &p)| e * p).sum();
        let weight: EF = eq.iter().zip(&w).map(|(&e, &w)| e * w).sum();
        assert_eq!((finals[0], value), (at, at * weight));
    }
}
