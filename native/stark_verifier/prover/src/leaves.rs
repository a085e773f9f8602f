//! Leaves of the lookup argument. Mirrors `esper_verifier::lookup`.

use crate::key::ModelKey;
use crate::witness::Witness;
use esper_commitment::{
    EF, F, FRACTION_BLOCK, PackedEF, PackedF, PackedFieldExtension, PackedValue, PrimeCharacteristicRing,
};
use esper_verifier::tables::Table;
use rayon::prelude::*;

/// Numerators and denominators of the leaves before the tail of 0 / 1, in whole blocks, one of the tail at least among
/// them where there is any.
pub fn leaves(key: &ModelKey, w: &Witness, alpha: EF, beta: EF) -> (Vec<F>, Vec<PackedEF>) {
    let (d, layout) = (&key.descriptor, &w.layout);
    let used = layout.lookup_cells + layout.table_entries;
    let size = (used + 1).next_multiple_of(FRACTION_BLOCK).min(1 << layout.leaf_vars);
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
        let [first, off] = [on, off - on].map(PackedEF::from);
        let [beta2, beta3] = [beta2, beta3].map(PackedEF::from);
        write(&mut denominators, t.offset, t.cells(), |at| {
            let mut value = first - vector(keys, at);
            if masked {
                let hidden = |i: usize| (i / rows) % positions > i % positions;
                value += off * PackedF::from_fn(|lane| F::from_bool(hidden(at.wrapping_add(lane))));
            }
            if let Some(second) = second {
                value -= beta2 * vector(second, at);
            }
            if let Some(third) = third {
                value -= beta3 * vector(third, at);
            }
            value
        });
    }
    let model_cell = |at: usize| key.committed.values()[at];
    for &(table, first) in &layout.tables {
        let start = layout.table_leaves() + first;
        let (tag, key0) = (alpha - beta * F::from_u64(table.tag()), table.first_key(d));
        let model = table.model_values(&key.layout);
        let entries = table.entries(d);
        let leaf = |i: usize| {
            let [v2, v3] = table.public_values(d, i);
            let value = tag - F::from_i64(key0 + i as i64);
            match model {
                Some(at) => value - beta2 * model_cell(at + i),
                None if v2 != 0 || v3 != 0 => value - (beta2 * F::from_i64(v2) + beta3 * F::from_i64(v3)),
                None => value,
            }
        };
        write(&mut denominators, start, entries, |at| {
            PackedEF::from_ext_fn(|lane| {
                let i = at.wrapping_add(lane);
                if i < entries { leaf(i) } else { EF::ONE }
            })
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

/// Writes entries `start..start + len`, a vector at a time: `values(at)` are those of the entries `start + at` and behind
/// it. The first vector may begin before them, at a negative `at` (wrapped around), and the last may end behind them:
/// what is there stays.
fn write(packed: &mut [PackedEF], start: usize, len: usize, values: impl Fn(usize) -> PackedEF + Sync) {
    let (first, end) = (start / PackedF::WIDTH, (start + len).div_ceil(PackedF::WIDTH));
    packed[first..end].par_iter_mut().enumerate().with_min_len(256).for_each(|(i, out)| {
        let at = ((first + i) * PackedF::WIDTH).wrapping_sub(start);
        let (old, new) = (*out, values(at));
        let ours = |lane: usize| at.wrapping_add(lane) < len;
        *out = if ours(0) && ours(PackedF::WIDTH - 1) {
            new
        } else {
            let lane_of = <PackedEF as PackedFieldExtension<F, EF>>::extract;
            PackedEF::from_ext_fn(|lane| lane_of(if ours(lane) { &new } else { &old }, lane))
        };
    });
}

/// The cells from `at` on (which may have wrapped around below zero), zero outside.
#[inline]
fn vector(cells: &[F], at: usize) -> PackedF {
    match cells.get(at..at.saturating_add(PackedF::WIDTH)) {
        Some(whole) => *PackedF::from_slice(whole),
        None => PackedF::from_fn(|lane| cells.get(at.wrapping_add(lane)).copied().unwrap_or(F::ZERO)),
    }
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
        let leaf = PackedEF::from(-sum.inverse());
        write(denominators, last, 1, |_| leaf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::unpack;

    #[test]
    fn runs_that_begin_and_end_inside_a_vector_keep_their_neighbours() {
        let numbers: Vec<F> = (0..64).map(|i| F::from_u64(i + 7)).collect();
        let mut packed = vec![PackedEF::ONE; 64 / PackedF::WIDTH];
        let mut plain = vec![EF::ONE; 64];
        for (start, len) in [(3, 2), (5, 30), (0, 3), (40, 24), (36, 1), (20, 0)] {
            let cells = &numbers[..len];
            write(&mut packed, start, len, |at| PackedEF::from(vector(cells, at)));
            plain[start..start + len].iter_mut().zip(cells).for_each(|(p, &x)| *p = x.into());
            assert_eq!(unpack(packed.clone()), plain, "{len} from {start} on");
        }
    }
}
