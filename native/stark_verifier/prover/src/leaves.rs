//! Leaves of the lookup argument. Mirrors `esper_verifier::lookup`.

use crate::key::ModelKey;
use crate::witness::Witness;
use esper_commitment::{EF, F, PackedEF, PrimeCharacteristicRing};
use esper_verifier::tables::Table;
use rayon::prelude::*;

use crate::packing::pack;

/// Numerators and denominators of all leaves.
pub fn leaves(key: &ModelKey, w: &Witness, alpha: EF, beta: EF) -> (Vec<F>, Vec<PackedEF>) {
    let (d, layout) = (&key.descriptor, &w.layout);
    let size = 1 << layout.leaf_vars;
    let mut numerators = F::zero_vec(size);
    numerators[..layout.lookup_cells].fill(F::ONE);
    let (beta2, beta3) = (beta * beta, beta * beta * beta);
    let mut denominators = vec![EF::ONE; size];
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
        denominators[t.offset..t.offset + t.cells()].par_iter_mut().enumerate().for_each(|(i, out)| {
            let hidden = masked && (i / rows) % positions > i % positions;
            let mut value = if hidden { off } else { on } - keys[i];
            if let Some(second) = second {
                value -= beta2 * second[i];
            }
            if let Some(third) = third {
                value -= beta3 * third[i];
            }
            *out = value;
        });
    }
    let chunk_bits = d.chunk_vars;
    let model_cell = |at: usize| key.chunks[at >> chunk_bits].values()[at & ((1 << chunk_bits) - 1)];
    for &(table, first) in &layout.tables {
        let start = layout.table_leaves() + first;
        let (tag, key0) = (alpha - beta * F::from_u64(table.tag()), table.first_key(d));
        let model = table.model_values(&key.layout);
        for i in 0..table.entries(d) {
            let [v2, v3] = table.public_values(d, i);
            let mut value = tag - F::from_i64(key0 + i as i64);
            match model {
                Some(at) => value -= beta2 * model_cell(at + i),
                None if v2 != 0 || v3 != 0 => value -= beta2 * F::from_i64(v2) + beta3 * F::from_i64(v3),
                None => {}
            }
            denominators[start + i] = value;
        }
    }
    for (first, entries) in layout.counted_entries(d) {
        let start = layout.table_leaves() + first;
        let counts = &w.cells[layout.multiplicities + first..][..entries];
        numerators[start..start + entries].iter_mut().zip(counts).for_each(|(n, &c)| *n = -c);
    }
    #[cfg(feature = "relation-switch")]
    balance(&mut numerators, &mut denominators);
    (numerators, pack(&denominators))
}

/// The best that a forger can do whose keys are not in their tables: the last leaf takes what the sum
/// lacks, so that the sum is zero. The verifier holds that leaf to be 0/1.
#[cfg(feature = "relation-switch")]
fn balance(numerators: &mut [F], denominators: &mut [EF]) {
    use esper_commitment::Field;
    // Fractions of a block are added up before the one inversion that each block needs.
    let sum: EF = numerators
        .par_chunks(1 << 10)
        .zip(denominators.par_chunks(1 << 10))
        .map(|(n, d)| {
            let add = |(p, q): (EF, EF), (&n, &d): (&F, &EF)| {
                if n == F::ZERO { (p, q) } else { (p * d + q * n, q * d) }
            };
            let (p, q) = n.iter().zip(d).fold((EF::ZERO, EF::ONE), add);
            p * q.inverse()
        })
        .sum();
    if let (Some(n), Some(d)) = (numerators.last_mut(), denominators.last_mut())
        && sum != EF::ZERO
    {
        assert_eq!(*n, F::ZERO, "no leaf is left for what the sum lacks");
        *n = F::ONE;
        *d = -sum.inverse();
    }
}
