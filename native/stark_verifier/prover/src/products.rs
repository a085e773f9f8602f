//! Columns and products of the first sumcheck, and its final values. Mirrors `esper_verifier::products`.

use crate::key::ModelKey;
use crate::matrix::fold_rows;
use crate::packing::packed_eq_table;
use crate::sumcheck::columns::{Combination, column_at};
use crate::sumcheck::{Column, Group, prove_groups};
use crate::virtuals::{self, eq_prefix, folded_heads};
use crate::witness::Witness;
use core::convert::Infallible;
use esper_commitment::{EF, F, PrimeCharacteristicRing, Transcript};
use esper_verifier::finals::Finals;
use esper_verifier::layout::{NormCells, Site};
use esper_verifier::linear::{clamp_sites, head_weights};
use esper_verifier::mle::{eq_table, index_bits};
use esper_verifier::points::{ProductPoint, RelationPoints};
use esper_verifier::products::{OVERFLOW_AT, PRODUCT_DEGREE};
use esper_verifier::relation::{Relation as R, RelationWeights};
use esper_verifier::sumcheck::SumcheckProof;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Residuals and pre-rotation projections are also what the contraction needs.
pub struct Shared {
    /// Residual before each norm.
    pub residuals: Vec<Vec<F>>,
}

struct NormColumns {
    x: usize,
    rows: [usize; 5],
}

struct LayerColumns {
    /// M - u - W at allowed places; in the sumcheck only in the layers' combination.
    open: Vec<F>,
    attention: [usize; 2],
    overflow: Option<[usize; 2]>,
    mlp: [usize; 2],
    rotary: [usize; 2],
    division: [usize; 2],
    norms: Vec<NormColumns>,
    clamps: Vec<(usize, [usize; 2])>,
}

struct Builder<'a> {
    key: &'a ModelKey,
    w: &'a Witness,
    p: &'a RelationPoints,
    weights: &'a RelationWeights,
    row_eq: Vec<EF>,
    square: Group,
    square_eq: usize,
    rows: Group,
    rows_eq: usize,
    /// Clamp groups by their number of columns, with their eq column.
    clamps: BTreeMap<usize, (Group, usize)>,
}

/// Outer product of column and row weights, `[column][row]`.
fn outer(cols: &[EF], rows: &[EF]) -> Vec<EF> {
    cols.par_iter().flat_map_iter(|&c| rows.iter().map(move |&r| c * r)).collect()
}

/// Moves head h to (h / group) * 2^bits + h % group, so that both digits have bits of their own.
fn spread<T: Copy + PrimeCharacteristicRing>(cells: Vec<T>, heads: usize, group: usize) -> Vec<T> {
    let padded = group.next_power_of_two();
    if padded == group {
        return cells;
    }
    let block = cells.len() / heads;
    let mut out = T::zero_vec(heads / group * padded * block);
    for (h, cells) in cells.chunks(block).enumerate() {
        let at = (h / group * padded + h % group) * block;
        out[at..at + block].copy_from_slice(cells);
    }
    out
}

impl Builder<'_> {
    fn norm(
        &mut self,
        layer: usize,
        cells: &NormCells,
        gain: &[i32],
        x: &[F],
        relations: [R; 2],
    ) -> NormColumns {
        let [division, scale] = relations.map(|r| self.weights.of(layer, r));
        let t0 = F::from_u64(1 << self.key.descriptor.t0());
        let column = self.square.column(Column::Base(x.to_vec()));
        self.square.product(-division * t0, &[self.square_eq, column, column]);
        let rows = self.w.instance.rows();
        let gains = eq_prefix(self.p.cols(gain.len()), gain.len());
        let mut gained = vec![EF::ZERO; rows];
        for ((col, &g), &e) in x.chunks(rows).zip(gain).zip(&gains) {
            let e = e * F::from_i64(i64::from(g));
            gained.iter_mut().zip(col).for_each(|(o, &x)| *o += e * x);
        }
        let base = |id| Column::Base(self.w.tensor(id).to_vec());
        let columns = [
            base(cells.index[1]),
            base(cells.exponent[2]),
            Column::Ext(gained),
            base(cells.index[0]),
            base(cells.exponent[1]),
        ]
        .map(|c| self.rows.column(c));
        let [rs, q, gained, idx, p] = columns;
        self.rows.product(division, &[self.rows_eq, idx, p]);
        self.rows.product(-scale, &[self.rows_eq, rs, q, gained]);
        NormColumns { x: column, rows: columns }
    }

    fn clamp(&mut self, layer: usize, site: &Site, relation: R) -> Option<(usize, [usize; 2])> {
        let [_, sigma, _] = site.clamp?;
        let (p, row_eq, bits) = (self.p, &self.row_eq, self.w.instance.row_bits());
        let (group, eq) = self.clamps.entry(site.cols).or_insert_with(|| {
            let mut group = Group::new(index_bits(site.cols) + bits);
            let eq = group.column(Column::Ext(outer(&eq_table(p.cols(site.cols), EF::ONE), row_eq)));
            (group, eq)
        });
        let sigma = group.column(Column::Base(self.w.tensor(sigma).to_vec()));
        let value = group.column(Column::Base(virtuals::form(self.w, &site.w_form())));
        group.product(self.weights.of(layer, relation), &[*eq, sigma, sigma, value]);
        Some((site.cols, [sigma, value]))
    }
}

/// Runs the products' sumcheck; returns the proof, its end and all final values.
pub fn prove(
    key: &ModelKey,
    w: &Witness,
    p: &RelationPoints,
    weights: &RelationWeights,
    shared: &Shared,
    t: &mut Transcript,
) -> (SumcheckProof, ProductPoint, Finals<EF>) {
    let d = &key.descriptor;
    let (instance, layers) = (&w.instance, d.layers.len());
    let (rows, positions, bits) = (instance.rows(), instance.positions, instance.row_bits());
    let pairs = d.head_dim / 2;
    let row_eq = eq_table(&p.row, EF::ONE);
    // Weights cover padded indices too, where every other factor is zero: the verifier's closed forms do.
    let ones = vec![EF::ONE; 1 << index_bits(d.dim)];
    let (mut square, mut single) = (Group::new(index_bits(d.dim) + bits), Group::new(bits));
    let square_eq = square.column(Column::Ext(outer(&ones, &row_eq)));
    let rows_eq = single.column(Column::Ext(row_eq.clone()));
    let mut b = Builder {
        key,
        w,
        p,
        weights,
        row_eq,
        square,
        square_eq,
        rows: single,
        rows_eq,
        clamps: BTreeMap::new(),
    };

    let heads = head_weights(d, &p.kv, &p.member);
    let head_bits = index_bits(d.kv_heads) + index_bits(d.group());
    let key_eq = eq_table(&p.key, EF::ONE);
    let all_heads = outer(&eq_table(&p.kv, EF::ONE), &eq_table(&p.member, EF::ONE));
    let masked = |cols: &[EF]| -> Vec<EF> {
        let cells = cols.par_iter().enumerate().flat_map_iter(|(c, &e)| {
            let j = c % positions;
            b.row_eq.iter().enumerate().map(move |(r, &x)| if r % positions >= j { e * x } else { EF::ZERO })
        });
        cells.collect()
    };
    let mut attention = Group::new(head_bits + instance.position_bits() + bits);
    let with_key = outer(&all_heads, &key_eq);
    let without = outer(&all_heads, &vec![EF::ONE; positions]);
    let mask_eq = attention.column(Column::Ext(masked(&with_key)));
    let mask_count = attention.column(Column::Ext(masked(&without)));

    let mut mlp = Group::new(index_bits(d.hidden) + bits);
    let mlp_eq = mlp.column(Column::Ext(outer(&eq_table(p.cols(d.hidden), EF::ONE), &b.row_eq)));

    // Rotary columns: (half, pair) with pairs padded to a power of two.
    let padded = pairs.next_power_of_two();
    let pad = |cells: &[EF]| -> Vec<EF> {
        let mut out = vec![EF::ZERO; 2 * padded * rows];
        for half in 0..2 {
            out[half * padded * rows..][..pairs * rows]
                .copy_from_slice(&cells[half * pairs * rows..][..pairs * rows]);
        }
        out
    };
    let mut rotary = Group::new(1 + index_bits(pairs) + bits);
    let pair_eq = outer(&eq_table(&p.pair, EF::ONE), &b.row_eq);
    let rotary_eq = rotary.column(Column::Ext([&pair_eq[..], &pair_eq[..]].concat()));
    let rope = |table: &[i32], i: usize, r: usize| F::from_i64(i64::from(table[(r % positions) * pairs + i]));
    let out = p.half[0];
    let turned: Vec<EF> = (0..2 * pairs * rows)
        .into_par_iter()
        .map(|at| {
            let (half, i, r) = (at / (pairs * rows), at / rows % pairs, at % rows);
            let (c, s) = (rope(&key.model.rope_cos, i, r), rope(&key.model.rope_sin, i, r));
            let keep = EF::ONE - out;
            if half == 0 { keep * c + out * s } else { out * c - keep * s }
        })
        .collect();
    let turn = rotary.column(Column::Ext(pad(&turned)));

    let mut division = Group::new(head_bits + bits);
    let division_eq = division.column(Column::Ext(outer(&all_heads, &b.row_eq)));
    let half_eq = [EF::ONE - out, out];
    let channels: Vec<EF> =
        half_eq.iter().flat_map(|&h| eq_prefix(&p.pair, pairs).into_iter().map(move |e| h * e)).collect();
    let kv_eq = eq_prefix(&p.kv, d.kv_heads);

    // Weights times one column of each layer: one product with their combination.
    let [mut masked_sum, mut counted_sum] = [Combination::default(), Combination::default()];
    let mut columns = Vec::with_capacity(layers);
    for (l, cells) in w.layout.layers.iter().enumerate() {
        let model = &key.model.layers[l];
        let gap = virtuals::gaps(key, w, l);
        let max = w.tensor(cells.max);
        let mut open = virtuals::scores(key, w, l);
        open.par_chunks_mut(rows).zip(gap.par_chunks(rows)).enumerate().for_each(|(c, (u, g))| {
            let m = &max[c / positions * rows..][..rows];
            u.iter_mut().zip(g).zip(m).for_each(|((u, &g), &m)| *u = m - *u - g);
        });
        let [open, gap, reached] =
            [open, gap, w.tensor(cells.reached).to_vec()].map(|v| spread(v, d.heads, d.group()));
        masked_sum.add(weights.of(l, R::ScoreGap), &open);
        counted_sum.add(weights.of(l, R::MaxCounted), &reached);
        let at = [gap, reached].map(|v| attention.column(Column::Base(v)));
        attention.product(weights.of(l, R::MaxReached), &[mask_eq, at[1], at[0]]);
        let overflow = (!cells.overflow.is_empty()).then(|| {
            let [o, diff] = [virtuals::overflow(w, l), w.tensor(cells.diff).to_vec()]
                .map(|v| spread(v, d.heads, d.group()));
            let weight = weights.of(l, R::Overflow);
            masked_sum.add(weight * F::from_u64(OVERFLOW_AT), &o);
            let [o, diff] = [o, diff].map(|v| attention.column(Column::Base(v)));
            attention.product(-weight, &[mask_eq, o, diff]);
            [o, diff]
        });

        let silu = mlp.column(Column::Base(w.tensor(cells.silu).to_vec()));
        let up = mlp.column(Column::Base(virtuals::up(key, w, l)));
        mlp.product(-weights.of(l, R::SwiGlu), &[mlp_eq, silu, up]);

        let h = virtuals::output(w, &cells.norms[0].site);
        let a_q = rotary.column(Column::Ext(pad(&folded_heads(&model.q, &heads, d.head_dim, &h, rows))));
        let a_k = rotary.column(Column::Ext(pad(&folded_heads(&model.k, &kv_eq, d.head_dim, &h, rows))));
        rotary.product(-weights.of(l, R::RotaryQ), &[rotary_eq, turn, a_q]);
        rotary.product(-weights.of(l, R::RotaryK), &[rotary_eq, turn, a_k]);

        let z = division.column(Column::Base(spread(virtuals::exp_sums(w, l), d.heads, d.group())));
        let folded: Vec<EF> = w
            .tensor(cells.o)
            .par_chunks(d.head_dim * rows)
            .flat_map_iter(|head| {
                let mut out = vec![EF::ZERO; rows];
                for (col, &e) in head.chunks(rows).zip(&channels) {
                    out.iter_mut().zip(col).for_each(|(o, &x)| *o += e * x);
                }
                out
            })
            .collect();
        let o = division.column(Column::Ext(spread(folded, d.heads, d.group())));
        division.product(-weights.of(l, R::Division).double(), &[division_eq, z, o]);

        let norms = vec![
            b.norm(
                l,
                &cells.norms[0],
                &model.norm1_gain,
                &shared.residuals[2 * l],
                [R::NormDivision1, R::NormScale1],
            ),
            b.norm(
                l,
                &cells.norms[1],
                &model.norm2_gain,
                &shared.residuals[2 * l + 1],
                [R::NormDivision2, R::NormScale2],
            ),
        ];
        let clamps = clamp_sites(cells)
            .into_iter()
            .filter_map(|(site, relation)| b.clamp(l, site, relation))
            .collect();
        columns.push(LayerColumns {
            open,
            attention: at,
            overflow,
            mlp: [silu, up],
            rotary: [a_q, a_k],
            division: [z, o],
            norms,
            clamps,
        });
    }
    let last = w.layout.final_norm.as_ref();
    let final_norm = last.map(|cells| {
        let x = &shared.residuals[2 * layers];
        b.norm(layers, cells, &key.model.final_gain, x, [R::NormDivision1, R::NormScale1])
    });
    let final_clamp = last.and_then(|cells| b.clamp(layers, &cells.site, R::ClampNorm1));

    for (weight, sum) in [(mask_eq, masked_sum), (mask_count, counted_sum)] {
        let sum = attention.column(sum.into_column());
        attention.product(EF::ONE, &[weight, sum]);
    }
    let attention_vars = attention.vars;
    let mut groups = vec![attention, mlp, rotary, division, b.square, b.rows];
    let mut clamp_group = BTreeMap::new();
    for (cols, (group, _)) in b.clamps {
        clamp_group.insert(cols, groups.len());
        groups.push(group);
    }
    let vars = ProductPoint::num_vars(d, instance);
    let (proof, end, finals) = prove_groups(groups, vars, PRODUCT_DEGREE, t);
    let q = ProductPoint::new(end, d, instance);
    let [att, mlp, rotary, division, square, single] = [0, 1, 2, 3, 4, 5].map(|g| &finals[g]);

    let end_rows = eq_table(q.row(), EF::ONE);
    let (kv, member) = q.attention_heads();
    let end_heads = head_weights(d, kv, member);
    let attention_eq = packed_eq_table(&q.all[q.all.len() - attention_vars..]);
    let mut values = Vec::new();
    let norm = |c: &NormColumns, values: &mut Vec<EF>| {
        values.push(square[c.x]);
        values.extend(c.rows.map(|i| single[i]));
    };
    let clamp = |&(cols, at): &(usize, [usize; 2]), values: &mut Vec<EF>| {
        values.extend(at.map(|i| finals[clamp_group[&cols]][i]));
    };
    for (cells, c) in w.layout.layers.iter().zip(&columns) {
        let max: EF =
            fold_rows(w.tensor(cells.max), &end_rows).into_iter().zip(&end_heads).map(|(m, &h)| m * h).sum();
        let open = column_at(&attention_eq, &c.open);
        let [gap, reached] = c.attention.map(|i| att[i]);
        values.extend([max, max - open - gap, gap, reached]);
        values.extend(c.overflow.iter().flatten().map(|&i| att[i]));
        values.extend(c.mlp.map(|i| mlp[i]));
        values.extend(c.rotary.map(|i| rotary[i]));
        values.extend(c.division.map(|i| division[i]));
        c.norms.iter().for_each(|n| norm(n, &mut values));
        c.clamps.iter().for_each(|c| clamp(c, &mut values));
    }
    final_norm.iter().for_each(|n| norm(n, &mut values));
    final_clamp.iter().for_each(|c| clamp(c, &mut values));
    let end_pairs = eq_prefix(q.rotary().1, pairs);
    for table in [&key.model.rope_cos, &key.model.rope_sin] {
        let at = |i: usize| end_rows.iter().enumerate().map(|(r, &e)| e * rope(table, i, r)).sum::<EF>();
        values.push(end_pairs.iter().enumerate().map(|(i, &e)| e * at(i)).sum());
    }
    let mut values = values.into_iter();
    let Ok(finals) = Finals::build(&w.layout, || Ok::<_, Infallible>(values.next().unwrap_or(EF::ZERO)));
    t.absorb_slice(&finals.values());
    (proof, q, finals)
}
