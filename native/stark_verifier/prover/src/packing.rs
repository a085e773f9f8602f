//! Extension elements side by side in vector lanes, coefficient by coefficient, and back.

use esper_commitment::{
    EF, F, PackedEF, PackedF, PackedFieldExtension, PackedValue, PrimeCharacteristicRing,
};
use esper_verifier::mle::eq_table;
use rayon::prelude::*;

/// Packs extension elements; the length is a multiple of the packing width.
pub fn pack(v: &[EF]) -> Vec<PackedEF> {
    v.par_chunks(PackedF::WIDTH).map(<PackedEF as PackedFieldExtension<F, EF>>::from_ext_slice).collect()
}

/// The elements of all lanes, in order.
pub fn unpack(v: Vec<PackedEF>) -> Vec<EF> {
    lanes_of(v).collect()
}

/// The elements of all lanes, one after the other.
pub fn lanes_of(v: impl IntoIterator<Item = PackedEF>) -> impl Iterator<Item = EF> {
    <PackedEF as PackedFieldExtension<F, EF>>::to_ext_iter(v)
}

/// Sum over the lanes.
pub fn lane_sum(x: PackedEF) -> EF {
    lanes_of([x]).sum()
}

/// The vector with zeros up to whole lanes.
pub fn padded<T: PrimeCharacteristicRing + Copy>(mut v: Vec<T>) -> Vec<T> {
    v.resize(v.len().next_multiple_of(PackedF::WIDTH), T::ZERO);
    v
}

/// `eq(point, .)`, written by all threads.
pub fn par_eq_table(point: &[EF]) -> Vec<EF> {
    let (high, low) = point.split_at(point.len() / 2);
    let width = 1usize << low.len();
    let (high, low) = (eq_table(high, EF::ONE), pack(&padded(eq_table(low, EF::ONE))));
    let mut out = vec![EF::ZERO; width * high.len()];
    out.par_chunks_mut(width).zip(&high).with_min_len(8).for_each(|(out, &h)| {
        let h = PackedEF::from(h);
        out.iter_mut().zip(lanes_of(low.iter().map(|&l| l * h))).for_each(|(o, v)| *o = v);
    });
    out
}

/// The same, packed.
pub fn packed_eq_table(point: &[EF]) -> Vec<PackedEF> {
    pack(&padded(par_eq_table(point)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use esper_commitment::Transcript;

    #[test]
    fn the_parallel_table_is_the_table() {
        let mut t = Transcript::new("test");
        for n in 0..=9 {
            let point = t.challenges(n);
            assert_eq!(par_eq_table(&point), eq_table(&point, EF::ONE), "{n} coordinates");
        }
    }
}
