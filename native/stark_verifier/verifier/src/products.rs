//! The products' sumcheck at its end: its summand recomputed from the final values.

use crate::descriptor::Descriptor;
use crate::finals::{ClampFinals, Finals, NormFinals};
use crate::layout::{Layout, Site};
use crate::linear::clamp_sites;
use crate::mle::{bit_weights, bit_weights_pair, causal_sum, eq_points, index_bits};
use crate::points::{ProductPoint, RelationPoints};
use crate::relation::{Relation, RelationWeights};
use crate::statement::Instance;
use esper_commitment::{EF, F, PrimeCharacteristicRing};

/// Degree of the sumcheck in one variable: eq * sigma * sigma * w.
pub const PRODUCT_DEGREE: usize = 4;
/// The last D' of the exp table: the only one beside which an overflow may stand.
pub const OVERFLOW_AT: u64 = crate::model_layout::EXP_ENTRIES as u64;

/// Extension at the end point of the attention weights: eq * mask, and the same without the key's eq.
pub fn attention_weights(p: &RelationPoints, q: &ProductPoint, instance: &Instance) -> [EF; 2] {
    let (kv, member) = q.attention_heads();
    let heads = eq_points(&p.kv, kv) * eq_points(&p.member, member);
    let outer = heads * eq_points(p.sequence(instance), q.sequence());
    let rows = bit_weights_pair(p.position(instance), q.position());
    let masked = causal_sum(&bit_weights_pair(&p.key, q.key()), &rows);
    let counted = causal_sum(&bit_weights(q.key()), &rows);
    [outer * masked, outer * counted]
}

/// The summand at the end point.
pub fn summand(
    d: &Descriptor,
    instance: &Instance,
    layout: &Layout,
    p: &RelationPoints,
    q: &ProductPoint,
    w: &RelationWeights,
    finals: &Finals<EF>,
) -> EF {
    use Relation as R;
    let rows = instance.row_bits();
    let (kv_bits, member_bits) = (index_bits(d.kv_heads), index_bits(d.group()));
    let row = eq_points(&p.row, q.row());
    let elementwise =
        |cols: usize| q.selector(rows + index_bits(cols)) * row * eq_points(p.cols(cols), q.cols(cols));
    let attention_bits = kv_bits + member_bits + instance.position_bits() + rows;
    let [masked, counted] = attention_weights(p, q, instance).map(|x| x * q.selector(attention_bits));
    let (kv, member) = q.division_heads();
    let division =
        q.selector(kv_bits + member_bits + rows) * row * eq_points(&p.kv, kv) * eq_points(&p.member, member);
    let (half, pair) = q.rotary();
    let rotary = q.selector(1 + index_bits(d.head_dim / 2) + rows) * row * eq_points(&p.pair, pair);
    // Output half 0 is a C - b S, half 1 is a S + b C; a and b are the halves of the input.
    let ([cos, sin], out, input) = (finals.rope, p.half[0], half[0]);
    let turned =
        (EF::ONE - input) * ((EF::ONE - out) * cos + out * sin) + input * (out * cos - (EF::ONE - out) * sin);
    let square = q.selector(rows + index_bits(d.dim)) * row;
    let single = q.selector(rows) * row;
    let hidden = elementwise(d.hidden);
    let t0 = F::from_u64(1 << d.t0());
    let norm = |layer: usize, f: &NormFinals<EF>, relations: [R; 2]| {
        let [division, scale] = relations.map(|r| w.of(layer, r));
        single * (division * f.idx * f.p - scale * f.rs * f.q * f.gained) - square * division * f.x * f.x * t0
    };
    let clamp = |layer: usize, site: &Site, relation: R, f: &ClampFinals<EF>| {
        w.of(layer, relation) * elementwise(site.cols) * f.sigma * f.sigma * f.w
    };
    let mut sum = EF::ZERO;
    for (l, (f, cells)) in finals.layers.iter().zip(&layout.layers).enumerate() {
        sum += masked * w.of(l, R::ScoreGap) * (f.max - f.score - f.gap);
        sum += masked * w.of(l, R::MaxReached) * f.reached * f.gap;
        sum += counted * w.of(l, R::MaxCounted) * f.reached;
        if let Some([o, diff]) = f.overflow {
            sum += masked * w.of(l, R::Overflow) * o * (EF::from(F::from_u64(OVERFLOW_AT)) - diff);
        }
        sum -= hidden * w.of(l, R::SwiGlu) * f.silu * f.up;
        sum -= rotary * turned * (w.of(l, R::RotaryQ) * f.rotary[0] + w.of(l, R::RotaryK) * f.rotary[1]);
        sum -= division * w.of(l, R::Division).double() * f.division[0] * f.division[1];
        sum += norm(l, &f.norms[0], [R::NormDivision1, R::NormScale1]);
        sum += norm(l, &f.norms[1], [R::NormDivision2, R::NormScale2]);
        let on = clamp_sites(cells).into_iter().filter(|(site, _)| site.clamp.is_some());
        for ((site, relation), f) in on.zip(&f.clamps) {
            sum += clamp(l, site, relation, f);
        }
    }
    let last = layout.layers.len();
    if let Some(f) = &finals.norm {
        sum += norm(last, f, [R::NormDivision1, R::NormScale1]);
    }
    if let (Some(f), Some(cells)) = (&finals.clamp, &layout.final_norm) {
        sum += clamp(last, &cells.site, R::ClampNorm1, f);
    }
    sum
}
