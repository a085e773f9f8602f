//! The lookup argument's leaves: closed forms of their public parts, and the functionals that remain.
//!
//! Leaf i < lookup_cells: 1 / (alpha - key of cell i). Then the table entries:
//! -multiplicity / (alpha - key of entry). Then 0 / 1. A key is v + beta tag + beta^2 v2 + beta^3 v3.

use crate::descriptor::Descriptor;
use crate::functional::{ColWeight, Functional};
use crate::layout::Layout;
use crate::mle::{bit_weights, causal_sum, eq_index, prefix_mass, prefix_sums};
use crate::model_layout::ModelLayout;
use crate::statement::Instance;
use crate::tables::Table;
use esper_commitment::{EF, F, PrimeCharacteristicRing};

/// What the two leaf claims say about committed cells.
pub struct LeafClaims {
    /// Witness part of the keys at the leaf point.
    pub keys: Functional,
    /// Its value.
    pub keys_value: EF,
    /// Multiplicities at the leaf point.
    pub multiplicities: Functional,
    /// Their value.
    pub multiplicities_value: EF,
    /// Second components of table entries that the model polynomial holds.
    pub model: Functional,
}

/// Turns the claims on numerator and denominator at `x` into claims on cells; `model_value` is the
/// claimed value of the model part.
#[allow(clippy::too_many_arguments)]
pub fn leaf_claims(
    d: &Descriptor,
    instance: &Instance,
    layout: &Layout,
    model: &ModelLayout,
    x: &[EF],
    [numerator, denominator]: [EF; 2],
    [alpha, beta]: [EF; 2],
    model_value: EF,
) -> LeafClaims {
    let beta2 = beta * beta;
    let (mut looked_up, used) =
        (prefix_sums(x, layout.lookup_cells).0, prefix_sums(x, layout.lookup_cells + layout.table_entries).0);
    let mut keys = Functional::default();
    let point = keys.point(x);
    keys.push(EF::ONE, 0, layout.lookup_cells, ColWeight::Eq(point, 0), None);
    let mut tags = EF::ZERO;
    // Most tensors begin where the one before ends.
    let mut edge = (0, EF::ZERO);
    let mut mass_of = |start: usize, end: usize| {
        let below = if edge.0 == start { edge.1 } else { prefix_mass(x, start) };
        edge = (end, prefix_mass(x, end));
        edge.1 - below
    };
    for lookup in &layout.lookups {
        let t = layout.tensors[lookup.key];
        let mass = mass_of(t.offset, t.offset + t.cells());
        if !lookup.counts() {
            looked_up -= mass;
        }
        tags += mass * F::from_u64(lookup.table.tag());
        if lookup.table == Table::ExpOnMask {
            // Off the mask the tag is that of the single row (0, 0).
            let gap = F::from_u64(Table::ExpOffMask.tag()) - F::from_u64(lookup.table.tag());
            tags += (mass - masked_mass(d, instance, t.offset, x)) * gap;
        }
        let mut power = beta2;
        for partner in lookup.partners {
            if let Some(id) = partner {
                keys.push(power, layout.tensors[id].offset, t.cells(), ColWeight::Eq(point, t.offset), None);
            }
            power *= beta;
        }
    }
    let mut table_keys = EF::ZERO;
    let mut model_part = Functional::default();
    let model_point = model_part.point(x);
    for &(table, first) in &layout.tables {
        let start = layout.table_leaves() + first;
        table_keys += table.keys_at(d, x, start, beta);
        if let Some(cells) = table.model_values(model) {
            model_part.push(EF::ONE, cells, table.entries(d), ColWeight::Eq(model_point, start), None);
        }
    }
    // denominator = alpha used + (1 - used) - witness keys - tags - table keys - beta^2 model part
    let keys_value =
        alpha * used + EF::ONE - used - denominator - beta * tags - table_keys - beta2 * model_value;
    let mut multiplicities = Functional::default();
    let point = multiplicities.point(x);
    for (first, entries) in layout.counted_entries(d) {
        let weight = ColWeight::Eq(point, layout.table_leaves() + first);
        multiplicities.push(EF::ONE, layout.multiplicities + first, entries, weight, None);
    }
    LeafClaims {
        keys,
        keys_value,
        multiplicities,
        // numerator = looked up cells - multiplicities
        multiplicities_value: looked_up - numerator,
        model: model_part,
    }
}

/// Sum of eq(x, .) over the cells (head, key, sequence, position) of softmax differences with
/// key <= position. The tensor's offset is a multiple of T R, so key and row bits stay in place.
fn masked_mass(d: &Descriptor, instance: &Instance, offset: usize, x: &[EF]) -> EF {
    let (position, row) = (instance.position_bits(), instance.row_bits());
    let block = position + row;
    let (high, rest) = x.split_at(x.len() - block);
    let heads: EF = (0..d.heads).map(|h| eq_index(high, (offset >> block) + h)).sum();
    let (key, row) = rest.split_at(position);
    let at = &row[row.len() - position..];
    heads * causal_sum(&bit_weights(key), &bit_weights(at))
}
