//! All claims on the witness and on the model, each as one functional with a value, combined by
//! powers of a random delta into one functional for each of the two polynomials.

use crate::boundary::Boundary;
use crate::descriptor::{Descriptor, LinearKind};
use crate::embedding::EmbeddingRows;
use crate::error::VerifyError;
use crate::finals::{Finals, NormFinals};
use crate::functional::{ColWeight, Functional, RowWeight, Run};
use crate::layout::{Layout, NormCells};
use crate::linear::{Board, answer_weights, clamp_sites, head_weights};
use crate::lookup::LeafClaims;
use crate::mle::{eq_index, eq_points, eq_table, index_bits, prefix_sums};
use crate::model_layout::{Matrix, ModelLayout};
use crate::points::{self, ProductPoint, RelationPoints, low};
use crate::relation::{RelationWeights, leaf_claim_enabled};
use crate::slots::{Slot, SlotKind, SlotWeights, Slots, relation_weight};
use crate::statement::Instance;
use alloc::vec;
use alloc::vec::Vec;
use esper_commitment::{EF, F, PrimeCharacteristicRing};

/// Everything drawn and claimed before the claims are combined.
pub struct Context<'a> {
    /// Model.
    pub d: &'a Descriptor,
    /// Sizes.
    pub instance: &'a Instance,
    /// Witness layout.
    pub layout: &'a Layout,
    /// Model layout.
    pub model: &'a ModelLayout,
    /// Relations' point.
    pub p: &'a RelationPoints,
    /// End of the products' sumcheck.
    pub q: &'a ProductPoint,
    /// Relations' weights.
    pub w: &'a RelationWeights,
    /// Slots.
    pub slots: &'a Slots,
    /// Their weights.
    pub slot_weights: &'a SlotWeights,
    /// Row of each answer.
    pub answer_rows: &'a [usize],
}

/// A combined claim: the functional has this value.
#[derive(Default)]
pub struct Claim {
    /// Weights.
    pub functional: Functional,
    /// Value.
    pub value: EF,
}

impl Claim {
    /// Adds a functional with its value, times `scale`.
    fn add(&mut self, scale: EF, f: &Functional, value: EF) {
        let rows = self.functional.rows.len();
        let points: Vec<usize> = f.points.iter().map(|p| self.functional.point(p)).collect();
        self.functional.rows.extend(f.rows.iter().cloned());
        self.functional.terms.extend(f.terms.iter().map(|t| {
            let col = match t.col {
                ColWeight::Ones => ColWeight::Ones,
                ColWeight::Eq(p, first) => ColWeight::Eq(points[p], first),
            };
            crate::functional::Term { coef: t.coef * scale, col, row: t.row.map(|r| r + rows), ..*t }
        }));
        self.value += scale * value;
    }
}

/// Powers of delta.
struct Powers {
    delta: EF,
    next: EF,
}

impl Powers {
    fn take(&mut self) -> EF {
        let p = self.next;
        self.next *= self.delta;
        p
    }
}

/// Values of the contraction's factors at its end.
#[derive(Clone, Copy, Debug)]
pub struct ContractionFinals {
    /// Model part of a.
    pub model: EF,
    /// Witness part of a.
    pub witness: EF,
    /// b.
    pub b: EF,
}

/// The residual before the first layer: in the clear, in either form.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// Token of every row, and the rows of all of them.
    Tokens(&'a [u32], &'a EmbeddingRows),
    /// What the part before hands on.
    Boundary(&'a Boundary),
}

impl Input<'_> {
    /// Folds the rows of `dim` values by eq of a row point.
    ///
    /// # Errors
    /// [`VerifyError::Embedding`] if a token's row is missing.
    pub fn fold(self, dim: usize, row: &[EF]) -> Result<PublicRows, VerifyError> {
        match self {
            Self::Tokens(tokens, rows) => PublicRows::fold(tokens, rows, dim, row),
            Self::Boundary(boundary) => Ok(PublicRows::fold_boundary(boundary, row)),
        }
    }
}

/// Rows of a residual in the clear, folded by the row of a point.
pub struct PublicRows(Vec<EF>);

impl PublicRows {
    /// `sum_row eq(row point, row) embedding(token of row)`, per column.
    ///
    /// # Errors
    /// [`VerifyError::Embedding`] if a token's row is missing.
    pub fn fold(tokens: &[u32], rows: &EmbeddingRows, dim: usize, row: &[EF]) -> Result<Self, VerifyError> {
        // Rows of one token share their sum of weights.
        let mut weight: alloc::collections::BTreeMap<u32, EF> = alloc::collections::BTreeMap::new();
        for (&token, &w) in tokens.iter().zip(&eq_table(row, EF::ONE)) {
            *weight.entry(token).or_insert(EF::ZERO) += w;
        }
        let mut out = vec![EF::ZERO; dim];
        for (token, w) in weight {
            let row = rows.row(token).ok_or(VerifyError::Embedding)?;
            out.iter_mut().zip(row).for_each(|(o, &v)| *o += w * F::from_i64(i64::from(v)));
        }
        Ok(Self(out))
    }

    /// `sum_row eq(row point, row) residual of row`, per column.
    pub fn fold_boundary(boundary: &Boundary, row: &[EF]) -> Self {
        let mut out = vec![EF::ZERO; boundary.dim()];
        for (row, w) in boundary.rows().zip(eq_table(row, EF::ONE)) {
            out.iter_mut().zip(row).for_each(|(o, &v)| *o += w * F::from_i64(i64::from(v)));
        }
        Self(out)
    }

    /// Value at a column point.
    pub fn at(&self, col: &[EF]) -> EF {
        self.0.iter().zip(eq_table(col, EF::ONE)).map(|(&v, e)| v * e).sum()
    }
}

/// Sum over sites of coef * residual(site) at (col, row): updates before a site, and its constants.
/// Returns the constants; the public part is the caller's.
fn residual(b: &mut Board<'_>, layout: &Layout, coefs: &[EF], dim: usize, col: &[EF], row: usize) -> EF {
    let cols = b.plain(dim, col);
    let mut constant = EF::ZERO;
    let updates = layout.layers.iter().flat_map(|l| [&l.update_o, &l.update_down]);
    for (i, site) in updates.enumerate() {
        let coef: EF = coefs[i + 1..].iter().copied().sum();
        constant += b.form(coef, &site.output(), &cols, row);
    }
    constant
}

/// What prover and verifier have claimed of the committed cells before one claim for each polynomial is made of it.
pub struct Claimed<'a> {
    /// Claims of the lookup argument at its leaf point.
    pub leaf: &'a LeafClaims,
    /// Value of their model part.
    pub leaf_model: EF,
    /// Linear parts of all relations.
    pub linear: &'a Functional,
    /// Their value.
    pub linear_value: EF,
    /// Final values of the products.
    pub finals: &'a Finals<EF>,
    /// End point of the contraction.
    pub contraction_end: &'a [EF],
    /// Values of its factors there.
    pub contraction: ContractionFinals,
    /// The residual before the first layer, folded by the row of the products' end point.
    pub public: &'a PublicRows,
}

/// The witness claim and the model claim: everything claimed, combined by powers of `delta`.
pub fn combine(c: &Context<'_>, claimed: &Claimed<'_>, delta: EF) -> [Claim; 2] {
    let &Claimed { leaf, leaf_model, linear, linear_value, finals, contraction_end, contraction, public } =
        claimed;
    let (mut witness, mut model) = (Claim::default(), Claim::default());
    let mut powers = Powers { delta, next: EF::ONE };
    let leaf_coef = |claim, power| if leaf_claim_enabled(claim) { power } else { EF::ZERO };
    witness.add(leaf_coef(0, powers.take()), &leaf.keys, leaf.keys_value);
    witness.add(leaf_coef(1, powers.take()), &leaf.multiplicities, leaf.multiplicities_value);
    witness.add(powers.take(), linear, linear_value);
    model.add(leaf_coef(2, powers.take()), &leaf.model, leaf_model);
    product_claims(c, finals, public, &mut powers, &mut witness);
    rope_claims(c, finals, &mut powers, &mut model);
    let (a, constant) = contraction_a(c, contraction_end);
    witness.add(powers.take(), &a, contraction.witness - constant);
    let (b, constant) = contraction_b(c, contraction_end, public);
    witness.add(powers.take(), &b, contraction.b - constant);
    model.add(powers.take(), &contraction_model(c, contraction_end), contraction.model);
    [witness, model]
}

/// Final values of the products that are functionals of the witness.
fn product_claims(
    c: &Context<'_>,
    finals: &Finals<EF>,
    public: &PublicRows,
    powers: &mut Powers,
    out: &mut Claim,
) {
    let (d, q) = (c.d, c.q);
    let mut b = Board::new(c.layout);
    let row = b.f.row(RowWeight::Eq(q.row().to_vec()));
    let (kv, member) = q.attention_heads();
    let attention_mass = points::head_mass(d, kv, member);
    let keys = b.runs(points::head_keys(d, kv, member, q.key()), attention_mass);
    let heads = b.runs(points::heads(d, kv, member), attention_mass);
    let (kv, member) = q.division_heads();
    let division_heads = head_weights(d, kv, member);
    let channels = b.runs(points::head_channels(d, kv, member, &c.p.half, &c.p.pair), EF::ZERO);
    let hidden = b.plain(d.hidden, q.cols(d.hidden));
    let mut value = EF::ZERO;
    let mut site_coefs = vec![EF::ZERO; 2 * d.layers.len() + 1];
    let mut norm =
        |b: &mut Board<'_>, site: usize, cells: &NormCells, f: &NormFinals<EF>, powers: &mut Powers| {
            site_coefs[site] = powers.take();
            let mut sum = site_coefs[site] * f.x;
            let NormFinals { x: _, rs, q, gained: _, idx, p } = *f;
            for (id, v) in
                [(cells.index[1], rs), (cells.exponent[2], q), (cells.index[0], idx), (cells.exponent[1], p)]
            {
                let coef = powers.take();
                b.column(coef, id, row);
                sum += coef * v;
            }
            sum
        };
    let clamp = |b: &mut Board<'_>,
                 site: &crate::layout::Site,
                 f: &crate::finals::ClampFinals<EF>,
                 powers: &mut Powers| {
        let Some([_, sigma, _]) = site.clamp else { return EF::ZERO };
        let cols = b.plain(site.cols, q.cols(site.cols));
        let (s, w) = (powers.take(), powers.take());
        b.tensor(s, sigma, &cols, row);
        s * f.sigma + w * f.w - b.form(w, &site.w_form(), &cols, row)
    };
    for (l, (cells, f)) in c.layout.layers.iter().zip(&finals.layers).enumerate() {
        let mut one = |b: &mut Board<'_>, id, cols: &crate::linear::Columns, v: EF| {
            let coef = powers.take();
            b.tensor(coef, id, cols, row);
            value += coef * v;
        };
        one(&mut b, cells.max, &heads, f.max);
        one(&mut b, cells.reached, &keys, f.reached);
        one(&mut b, cells.silu, &hidden, f.silu);
        one(&mut b, cells.o, &channels, f.division[1]);
        // W + 2^(s-1) = 2^(s-1) (D' + O) + r
        let unit = F::from_u64(1 << (d.layers[l].score_shift - 1));
        let coef = powers.take();
        b.tensor(coef * unit, cells.diff, &keys, row);
        cells.diff_rem.iter().for_each(|&r| b.tensor(coef, r, &keys, row));
        overflow(&mut b, coef * unit, &cells.overflow, &keys, row);
        value += coef * (f.gap + attention_mass * unit);
        if let Some([o, diff]) = f.overflow {
            let coef = powers.take();
            overflow(&mut b, coef, &cells.overflow, &keys, row);
            value += coef * o;
            let coef = powers.take();
            b.tensor(coef, cells.diff, &keys, row);
            value += coef * diff;
        }
        let coef = powers.take();
        b.key_sums(coef, cells.exp, &division_heads, c.instance.positions, row);
        value += coef * f.division[0];
        for i in 0..2 {
            value += norm(&mut b, 2 * l + i, &cells.norms[i], &f.norms[i], powers);
        }
        let on = clamp_sites(cells).into_iter().filter(|(site, _)| site.clamp.is_some());
        for ((site, _), f) in on.zip(&f.clamps) {
            value += clamp(&mut b, site, f, powers);
        }
    }
    if let (Some(cells), Some(f)) = (&c.layout.final_norm, &finals.norm) {
        value += norm(&mut b, 2 * d.layers.len(), cells, f, powers);
        if let Some(f) = &finals.clamp {
            value += clamp(&mut b, &cells.site, f, powers);
        }
    }
    let col = q.cols(d.dim);
    value -= residual(&mut b, c.layout, &site_coefs, d.dim, col, row);
    value -= site_coefs.iter().copied().sum::<EF>() * public.at(col);
    out.add(EF::ONE, &b.f, value);
}

fn overflow(b: &mut Board<'_>, coef: EF, limbs: &[usize], cols: &crate::linear::Columns, row: usize) {
    for (i, &id) in limbs.iter().enumerate() {
        b.tensor(coef * F::from_u64(1 << (16 * i)), id, cols, row);
    }
}

/// cos and sin at (pair, position): the first T entries of each pair's row of the model's tables.
fn rope_claims(c: &Context<'_>, finals: &Finals<EF>, powers: &mut Powers, out: &mut Claim) {
    let (_, pair) = c.q.rotary();
    let mut f = Functional::default();
    let position = f.point(c.q.position());
    let mut value = EF::ZERO;
    for (first, v) in [c.model.cos, c.model.sin].into_iter().zip(finals.rope) {
        let coef = powers.take();
        for i in 0..c.d.head_dim / 2 {
            let offset = first + i * c.d.max_seq;
            f.push(coef * eq_index(pair, i), offset, c.instance.positions, ColWeight::Eq(position, 0), None);
        }
        value += coef * v;
    }
    out.add(EF::ONE, &f, value);
}

/// A slot's place at the contraction's end point: its selector, and the coordinates inside it.
fn place<'p>(slot: &Slot, end: &'p [EF]) -> (EF, &'p [EF]) {
    let (high, inside) = end.split_at(end.len() - slot.bits);
    (eq_index(high, slot.offset >> slot.bits), inside)
}

/// (kv, channel, sequence) coordinates of a score slot.
fn score_coordinates<'p>(c: &Context<'_>, inside: &'p [EF]) -> (&'p [EF], &'p [EF], &'p [EF]) {
    let (kv, rest) = inside.split_at(index_bits(c.d.kv_heads));
    let (channel, sequence) = rest.split_at(index_bits(c.d.head_dim));
    (kv, channel, sequence)
}

/// (kv, sequence, key) coordinates of a weighted-sum slot.
fn weighted_coordinates<'p>(c: &Context<'_>, inside: &'p [EF]) -> (&'p [EF], &'p [EF], &'p [EF]) {
    let (kv, rest) = inside.split_at(index_bits(c.d.kv_heads));
    let (sequence, key) = rest.split_at(rest.len() - c.instance.position_bits());
    (kv, sequence, key)
}

fn joined(a: &[EF], b: &[EF]) -> Vec<EF> {
    a.iter().chain(b).copied().collect()
}

/// Factor e at the end point.
pub fn contraction_e(c: &Context<'_>, end: &[EF]) -> EF {
    let layers = c.d.layers.len();
    c.slots
        .slots
        .iter()
        .map(|slot| {
            let (selector, inside) = place(slot, end);
            selector
                * match slot.kind {
                    SlotKind::Score(l) => {
                        let (kv, _, sequence) = score_coordinates(c, inside);
                        let outer =
                            eq_points(c.q.attention_heads().0, kv) * eq_points(c.q.sequence(), sequence);
                        c.slot_weights.claims[l][3] * outer
                    }
                    SlotKind::Weighted(l) => {
                        let (kv, sequence, _) = weighted_coordinates(c, inside);
                        let outer = eq_points(&c.p.kv, kv) * eq_points(c.p.sequence(c.instance), sequence);
                        relation_weight(SlotKind::Weighted(l), c.w, layers).unwrap_or(EF::ZERO) * outer
                    }
                    SlotKind::Gain(l, i) => {
                        c.slot_weights.gains[2 * l + i] * eq_points(c.p.cols(c.d.dim), inside)
                    }
                    _ => EF::ONE,
                }
        })
        .sum()
}

/// Witness part of factor a: queries in score slots, exp values in weighted sums.
fn contraction_a(c: &Context<'_>, end: &[EF]) -> (Functional, EF) {
    let d = c.d;
    let mut b = Board::new(c.layout);
    let mut constant = EF::ZERO;
    for slot in &c.slots.slots {
        let (selector, inside) = place(slot, end);
        match slot.kind {
            SlotKind::Score(l) => {
                let (kv, channel, sequence) = score_coordinates(c, inside);
                let member = c.q.attention_heads().1;
                let runs = crate::functional::digit_runs(&[
                    (d.kv_heads, kv),
                    (d.group(), member),
                    (d.head_dim, channel),
                ]);
                let mass = points::head_mass(d, kv, member) * prefix_sums(channel, d.head_dim).0;
                let cols = b.runs(runs, mass);
                let row = b.f.row(RowWeight::Eq(joined(sequence, c.q.position())));
                constant += b.form(selector, &c.layout.layers[l].q.output(), &cols, row);
            }
            SlotKind::Weighted(l) => {
                let (kv, sequence, key) = weighted_coordinates(c, inside);
                let cols = b.runs(points::head_keys(d, kv, &c.p.member, key), EF::ZERO);
                let row = b.f.row(RowWeight::Eq(joined(sequence, c.p.position(c.instance))));
                b.tensor(selector, c.layout.layers[l].exp, &cols, row);
            }
            _ => {}
        }
    }
    (b.f, constant)
}

/// Factor b: normed inputs, attention outputs, keys, values and residuals.
fn contraction_b(c: &Context<'_>, end: &[EF], public: &PublicRows) -> (Functional, EF) {
    let d = c.d;
    let layers = d.layers.len();
    let mut b = Board::new(c.layout);
    let at_p = b.f.row(RowWeight::Eq(c.p.row.clone()));
    let at_q = b.f.row(RowWeight::Eq(c.q.row().to_vec()));
    let mut answers = vec![EF::ZERO; c.instance.rows()];
    for (&r, w) in c.answer_rows.iter().zip(answer_weights(c.instance, c.p)) {
        answers[r] += w;
    }
    let at_answers = b.f.row(RowWeight::Dense(answers));
    let mut constant = EF::ZERO;
    let mut residual_slots: Vec<(usize, EF)> = Vec::new();
    let mut residual_point: &[EF] = &[];
    for slot in &c.slots.slots {
        let (selector, inside) = place(slot, end);
        let cells = |l: usize| &c.layout.layers[l];
        let (form, cols_total, row) = match slot.kind {
            SlotKind::QueryKey(l) => (cells(l).norms[0].site.output(), d.dim, at_q),
            SlotKind::Value(l) => (cells(l).norms[0].site.output(), d.dim, at_p),
            SlotKind::Up(l) => (cells(l).norms[1].site.output(), d.dim, at_q),
            SlotKind::Gate(l) => (cells(l).norms[1].site.output(), d.dim, at_p),
            SlotKind::Output(l) => ((vec![(cells(l).o, 1)], 0), d.q_dim(), at_p),
            SlotKind::Down(l) => (cells(l).z.output(), d.hidden, at_p),
            SlotKind::Logits => match &c.layout.final_norm {
                Some(cells) => (cells.site.output(), d.dim, at_answers),
                None => continue,
            },
            SlotKind::Gain(l, i) => {
                residual_slots.push((2 * l + i, selector));
                residual_point = inside;
                continue;
            }
            SlotKind::Score(l) => {
                let (kv, channel, sequence) = score_coordinates(c, inside);
                let runs = crate::functional::digit_runs(&[(d.kv_heads, kv), (d.head_dim, channel)]);
                let mass = prefix_sums(kv, d.kv_heads).0 * prefix_sums(channel, d.head_dim).0;
                let cols = b.runs(runs, mass);
                let row = b.f.row(RowWeight::Eq(joined(sequence, c.q.key())));
                constant += b.form(selector, &cells(l).k.output(), &cols, row);
                continue;
            }
            SlotKind::Weighted(l) => {
                let (kv, sequence, key) = weighted_coordinates(c, inside);
                let mass = prefix_sums(kv, d.kv_heads).0 * c.p.channel_mass(d);
                let cols = b.runs(points::kv_channels(d, kv, &c.p.half, &c.p.pair), mass);
                let row = b.f.row(RowWeight::Eq(joined(sequence, key)));
                constant += b.form(selector, &cells(l).v.output(), &cols, row);
                continue;
            }
        };
        let cols = b.plain(cols_total, inside);
        constant += b.form(selector, &form, &cols, row);
    }
    let mut coefs = vec![EF::ZERO; 2 * layers + 1];
    residual_slots.iter().for_each(|&(site, selector)| coefs[site] += selector);
    // All gain slots have one size, so they end at one column point.
    constant += residual(&mut b, c.layout, &coefs, d.dim, residual_point, at_q);
    constant += coefs.iter().copied().sum::<EF>() * public.at(residual_point);
    (b.f, constant)
}

/// Model part of factor a: weights folded over outputs, and gains.
fn contraction_model(c: &Context<'_>, end: &[EF]) -> Functional {
    let (d, p, q, m) = (c.d, c.p, c.q, c.model);
    let layers = d.layers.len();
    let mut f = Functional::default();
    let (half, pair) = q.rotary();
    for slot in &c.slots.slots {
        let (selector, inside) = place(slot, end);
        let scale = selector * relation_weight(slot.kind, c.w, layers).unwrap_or(EF::ONE);
        let plain = |n: usize, point: &[EF]| (vec![Run { coef: EF::ONE, column: 0, len: n }], point.to_vec());
        match slot.kind {
            SlotKind::QueryKey(l) => {
                let [wq, wk, ..] = c.slot_weights.claims[l];
                let outputs = points::head_channels(d, &p.kv, &p.member, half, pair);
                matrix(&mut f, scale * wq, m.linear(l, LinearKind::Q), &outputs, inside);
                let outputs = points::kv_channels(d, &p.kv, half, pair);
                matrix(&mut f, scale * wk, m.linear(l, LinearKind::K), &outputs, inside);
            }
            SlotKind::Value(l) => {
                matrix(
                    &mut f,
                    scale,
                    m.linear(l, LinearKind::V),
                    &plain(d.kv_dim(), p.cols(d.kv_dim())),
                    inside,
                );
            }
            SlotKind::Output(l) => {
                matrix(&mut f, scale, m.linear(l, LinearKind::O), &plain(d.dim, p.cols(d.dim)), inside);
            }
            SlotKind::Gate(l) => {
                matrix(
                    &mut f,
                    scale,
                    m.linear(l, LinearKind::Gate),
                    &plain(d.hidden, p.cols(d.hidden)),
                    inside,
                );
            }
            SlotKind::Up(l) => {
                let up = scale * c.slot_weights.claims[l][2];
                matrix(&mut f, up, m.linear(l, LinearKind::Up), &plain(d.hidden, q.cols(d.hidden)), inside);
            }
            SlotKind::Down(l) => {
                matrix(&mut f, scale, m.linear(l, LinearKind::Down), &plain(d.dim, p.cols(d.dim)), inside);
            }
            SlotKind::Logits => {
                if let Some(head) = &m.head {
                    matrix(&mut f, scale, &head.lm_head, &plain(d.vocab, &p.vocab), inside);
                }
            }
            SlotKind::Gain(l, i) => {
                let of_layer = m.layers.get(l).map(|layer| layer.gains[i]);
                let Some(offset) = of_layer.or(m.head.as_ref().map(|head| head.final_gain)) else { continue };
                let point = f.point(inside);
                f.push(selector, offset, d.dim, ColWeight::Eq(point, 0), None);
            }
            SlotKind::Score(_) | SlotKind::Weighted(_) => {}
        }
    }
    f
}

/// `scale * sum_(o, k) outputs(o) eq(inputs, k) Weff[o, k]`, piece by piece of the inputs.
fn matrix(f: &mut Functional, scale: EF, m: &Matrix, outputs: &(Vec<Run>, Vec<EF>), inputs: &[EF]) {
    let out = f.point(&outputs.1);
    for piece in &m.pieces {
        let (high, inside) = inputs.split_at(inputs.len() - piece.bits);
        let coef = scale * eq_index(high, piece.first >> piece.bits);
        let row = f.row(RowWeight::Eq(low(inside, piece.bits).to_vec()));
        for r in &outputs.0 {
            let offset = piece.offset + (r.column << piece.bits);
            f.push(coef * r.coef, offset, r.len, ColWeight::Eq(out, 0), Some(row));
        }
    }
}
