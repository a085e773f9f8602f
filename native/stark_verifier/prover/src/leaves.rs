//! Leaves of the lookup argument. Mirrors `esper_verifier::lookup`.

use crate::key::ModelKey;
use crate::witness::Witness;
use esper_commitment::{
    EF, F, PackedEF, PackedF, PackedFieldExtension, PackedValue, PrimeCharacteristicRing,
};
use esper_verifier::tables::Table;
use rayon::prelude::*;

/// Numerators and denominators of all leaves.
pub fn leaves(key: &ModelKey, w: &Witness, alpha: EF, beta: EF) -> (Vec<F>, Vec<PackedEF>) {
    let (d, layout) = (&key.descriptor, &w.layout);
    let size = 1 << layout.leaf_vars;
    let mut numerators = F::zero_vec(size);
    numerators[..layout.lookup_cells].fill(F::ONE);
    let (beta2, beta3) = (beta * beta, beta * beta * beta);
    // Packed as they are written: both forms of them side by side would be the most memory that a proof takes here.
    let mut denominators = vec![PackedEF::ONE; size / PackedF::WIDTH];
    let (positions, rows) = (w.instance.positions, w.instance.rows());
    for lookup in &layout.lookups {
        let t = layout.tensors[lookup.key];
        if !lookup.counts() {
            numerators[t.offset..t.offset + t.cells()].fill(F::ZERO);
        }
        let shift = |table: Table| alpha - beta * F::from_u64(table.tag());
        let (on, off) = (shift(lookup.table), shift(Table::ExpOffMask));
        let masked = lookup.table == Table::ExpOnMask;
        let [second, third] = lookup.partners.map(|p| p.map(|id| w.tensor(id)));
        let keys = w.tensor(lookup.key);
        write(&mut denominators, t.offset, t.cells(), |i| {
            let hidden = masked && (i / rows) % positions > i % positions;
            let mut value = if hidden { off } else { on } - keys[i];
            if let Some(second) = second {
                value -= beta2 * second[i];
            }
            if let Some(third) = third {
                value -= beta3 * third[i];
            }
            value
        });
    }
    let chunk_bits = d.chunk_vars;
    let model_cell = |at: usize| key.chunks[at >> chunk_bits].values()[at & ((1 << chunk_bits) - 1)];
    for &(table, first) in &layout.tables {
        let start = layout.table_leaves() + first;
        let (tag, key0) = (alpha - beta * F::from_u64(table.tag()), table.first_key(d));
        let model = table.model_values(&key.layout);
        write(&mut denominators, start, table.entries(d), |i| {
            let [v2, v3] = table.public_values(d, i);
            let value = tag - F::from_i64(key0 + i as i64);
            match model {
                Some(at) => value - beta2 * model_cell(at + i),
                None if v2 != 0 || v3 != 0 => value - (beta2 * F::from_i64(v2) + beta3 * F::from_i64(v3)),
                None => value,
            }
        });
    }
    for (first, entries) in layout.counted_entries(d) {
        let start = layout.table_leaves() + first;
        let counts = &w.cells[layout.multiplicities + first..][..entries];
        numerators[start..start + entries].iter_mut().zip(counts).for_each(|(n, &c)| *n = -c);
    }
    #[cfg(feature = "relation-switch")]
    balance(&mut numerators, &mut denominators);
    (numerators, denominators)
}

/// Writes `value(i)` into entry `start + i`, for i below `len`.
fn write(packed: &mut [PackedEF], start: usize, len: usize, value: impl Fn(usize) -> EF + Sync) {
    let (first, end) = (start / PackedF::WIDTH, (start + len).div_ceil(PackedF::WIDTH));
    packed[first..end].par_iter_mut().enumerate().with_min_len(256).for_each(|(vector, out)| {
        let at = |lane: usize| (first + vector) * PackedF::WIDTH + lane;
        let old = *out;
        // A vector at either end may hold what is not ours.
        *out = PackedEF::from_ext_fn(|lane| match at(lane).checked_sub(start) {
            Some(i) if i < len => value(i),
            _ => <PackedEF as PackedFieldExtension<F, EF>>::extract(&old, lane),
        });
    });
}

/// The best that a forger can do whose keys are not in their tables: the last leaf takes what the sum
/// lacks, so that the sum is zero. The verifier holds that leaf to be 0/1.
#[cfg(feature = "relation-switch")]
fn balance(numerators: &mut [F], denominators: &mut [PackedEF]) {
    use crate::packing::lanes_of;
    use esper_commitment::Field;
    // Fractions of a block are added up before the one inversion that each block needs.
    let sum: EF = numerators
        .par_chunks(1 << 10)
        .zip(denominators.par_chunks((1 << 10) / PackedF::WIDTH))
        .map(|(n, d)| {
            let add = |(p, q): (EF, EF), (&n, d): (&F, EF)| {
                if n == F::ZERO { (p, q) } else { (p * d + q * n, q * d) }
            };
            let (p, q) = n.iter().zip(lanes_of(d.iter().copied())).fold((EF::ZERO, EF::ONE), add);
            p * q.inverse()
        })
        .sum();
    if sum != EF::ZERO {
        let last = numerators.len() - 1;
        assert_eq!(numerators[last], F::ZERO, "no leaf is left for what the sum lacks");
        numerators[last] = F::ONE;
        write(denominators, last, 1, |_| -sum.inverse());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::unpack;

    #[test]
    fn runs_that_begin_and_end_inside_a_vector_keep_their_neighbours() {
        let number = |i: usize| EF::from(F::from_u64(i as u64 + 7));
        let mut packed = vec![PackedEF::ONE; 64 / PackedF::WIDTH];
        let mut plain = vec![EF::ONE; 64];
        for (start, len) in [(3, 2), (5, 30), (0, 3), (40, 24), (36, 1), (20, 0)] {
            write(&mut packed, start, len, number);
            (0..len).for_each(|i| plain[start + i] = number(i));
            assert_eq!(unpack(packed.clone()), plain, "{len} from {start} on");
        }
    }
}
