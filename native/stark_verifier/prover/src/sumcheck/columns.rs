//! Columns of values: the factors of products.

use super::GRAIN;
use crate::packing::{lane_sum, unpack};
use esper_commitment::{EF, F, PackedEF, PackedF, PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;

/// Values of a factor, the zero tail left out.
pub enum Column {
    /// Base field: before the first fold.
    Base(Vec<F>),
    /// Extension.
    Ext(Vec<EF>),
}

impl Column {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Base(v) => v.len(),
            Self::Ext(v) => v.len(),
        }
    }

    pub(super) fn pair(&self, i: usize, half: usize) -> (EF, EF) {
        let get = |j: usize| match self {
            Self::Base(v) => v.get(j).map_or(EF::ZERO, |&x| EF::from(x)),
            Self::Ext(v) => v.get(j).copied().unwrap_or(EF::ZERO),
        };
        (get(i), get(i + half))
    }

    pub(super) fn fold(&mut self, half: usize, r: EF) {
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

    pub(super) fn last(&self) -> EF {
        self.pair(0, 1).0
    }
}

/// `sum_l weights[l] cells[l]`, entry by entry.
///
/// Products of one weight column and one column of each layer are a single product with the layers' combination.
#[derive(Default)]
pub struct Combination(Vec<PackedEF>);

impl Combination {
    /// Adds `weight` times a column, zero behind its end.
    pub fn add(&mut self, weight: EF, cells: &[F]) {
        let (vectors, rest) = cells.as_chunks::<{ PackedF::WIDTH }>();
        self.0.resize(self.0.len().max(cells.len().div_ceil(PackedF::WIDTH)), PackedEF::ZERO);
        let (whole, end) = self.0.split_at_mut(vectors.len());
        let weight = PackedEF::from(weight);
        whole
            .par_iter_mut()
            .zip(vectors)
            .with_min_len(GRAIN)
            .for_each(|(sum, cells)| *sum += weight * *PackedF::from_slice(cells));
        if let Some(sum) = end.first_mut() {
            *sum += weight * last_vector(rest);
        }
    }

    /// The sum.
    pub fn into_column(self) -> Column {
        Column::Ext(unpack(self.0))
    }
}

/// Value of a column, zero behind its end, at a point.
pub fn column_at(eq: &[PackedEF], cells: &[F]) -> EF {
    let (vectors, rest) = cells.as_chunks::<{ PackedF::WIDTH }>();
    let whole =
        vectors.par_iter().zip(eq).with_min_len(GRAIN).map(|(cells, &e)| e * *PackedF::from_slice(cells));
    let whole = whole.reduce(|| PackedEF::ZERO, |a, b| a + b);
    let end = eq.get(vectors.len()).map_or(PackedEF::ZERO, |&e| e * last_vector(rest));
    lane_sum(whole + end)
}

/// Fewer cells than a vector has, and zeros.
fn last_vector(cells: &[F]) -> PackedF {
    PackedF::from_fn(|i| cells.get(i).copied().unwrap_or(F::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::pack;
    use esper_commitment::Transcript;
    use esper_verifier::mle::eq_table;

    #[test]
    fn combined_columns_have_the_combined_value() {
        let mut t = Transcript::new("test");
        let point = t.challenges(6);
        let eq = pack(&eq_table(&point, EF::ONE));
        let columns: Vec<Vec<F>> =
            [64u64, 17, 8, 0, 63].map(|n| (0..n).map(|i| F::from_u64(i * i + n)).collect()).into();
        let mut combination = Combination::default();
        let mut want = EF::ZERO;
        for cells in &columns {
            let direct: EF = eq_table(&point, EF::ONE).iter().zip(cells).map(|(&e, &x)| e * x).sum();
            assert_eq!(column_at(&eq, cells), direct);
            let weight = t.challenge();
            combination.add(weight, cells);
            want += weight * direct;
        }
        let Column::Ext(sum) = combination.into_column() else { panic!("a sum of the extension") };
        let at: EF = eq_table(&point, EF::ONE).iter().zip(sum).map(|(&e, x)| e * x).sum();
        assert_eq!(at, want);
    }
}
