//! Columns of the second sumcheck. Mirrors `esper_verifier::claims::contraction_*`.

use crate::key::ModelKey;
use crate::matrix::fold_rows;
use crate::products::Shared;
use crate::sumcheck::{Column, Group, prove_groups};
use crate::virtuals::{eq_prefix, folded_matrix, output};
use crate::witness::Witness;
use esper_commitment::{EF, F, PrimeCharacteristicRing, Transcript};
use esper_verifier::linear::{answer_weights, head_weights};
use esper_verifier::mle::{eq_index, eq_table};
use esper_verifier::points::{ProductPoint, RelationPoints};
use esper_verifier::relation::RelationWeights;
use esper_verifier::slots::{CONTRACTION_DEGREE, SlotKind, SlotWeights, Slots, relation_weight};
use esper_verifier::sumcheck::SumcheckProof;

/// Factors of all slots side by side.
pub struct Factors {
    /// Public weights.
    pub e: Vec<EF>,
    /// Model part of a.
    pub model: Vec<EF>,
    /// Witness part of a.
    pub witness: Vec<EF>,
    /// b.
    pub b: Vec<EF>,
}

/// What the factors depend on.
pub struct Inputs<'a> {
    /// Model.
    pub key: &'a ModelKey,
    /// Witness.
    pub w: &'a Witness,
    /// Relations' point.
    pub p: &'a RelationPoints,
    /// Relations' weights.
    pub weights: &'a RelationWeights,
    /// Residuals.
    pub shared: &'a Shared,
    /// Row of each answer.
    pub answer_rows: &'a [usize],
}

impl Inputs<'_> {
    /// Sum of the slots that stand in relations.
    pub fn relation_sum(&self, slots: &Slots) -> EF {
        let mut sum = EF::ZERO;
        for slot in &slots.slots {
            let (mut e, mut a, mut b) = (vec![EF::ONE; 1 << slot.bits], vec![], vec![]);
            if self.relation_slot(slot.kind, &mut e, &mut a, &mut b) {
                sum += e.iter().zip(&a).zip(&b).map(|((&e, &a), &b)| e * a * b).sum::<EF>();
            }
        }
        sum
    }

    /// Fills a slot that stands in a relation: its factor a comes first among (model, witness).
    fn relation_slot(&self, kind: SlotKind, e: &mut [EF], a: &mut Vec<EF>, b: &mut Vec<EF>) -> bool {
        let Self { key, w, p, weights, answer_rows, .. } = *self;
        let d = &key.descriptor;
        let Some(weight) = relation_weight(kind, weights, d.layers.len()) else { return false };
        let row_eq = eq_table(&p.row, EF::ONE);
        let scaled = |linear: &esper_model::Linear, point: &[EF]| {
            let eq = eq_prefix(point, linear.out);
            folded_matrix(linear, |o| weight * eq[o])
        };
        let cells = |l: usize| &w.layout.layers[l];
        let model = |l: usize| &key.model.layers[l];
        match kind {
            SlotKind::Value(l) => {
                *a = scaled(&model(l).v, p.cols(d.kv_dim()));
                *b = fold_rows(&output(w, &cells(l).norms[0].site), &row_eq);
            }
            SlotKind::Output(l) => {
                *a = scaled(&model(l).o, p.cols(d.dim));
                *b = fold_rows(w.tensor(cells(l).o), &row_eq);
            }
            SlotKind::Gate(l) => {
                *a = scaled(&model(l).gate, p.cols(d.hidden));
                *b = fold_rows(&output(w, &cells(l).norms[1].site), &row_eq);
            }
            SlotKind::Down(l) => {
                *a = scaled(&model(l).down, p.cols(d.dim));
                *b = fold_rows(&output(w, &cells(l).z), &row_eq);
            }
            SlotKind::Logits => {
                let Some(last) = &w.layout.final_norm else { return false };
                *a = scaled(&key.model.lm_head, &p.vocab);
                let mut rows = vec![EF::ZERO; w.instance.rows()];
                for (&r, x) in answer_rows.iter().zip(answer_weights(&w.instance, p)) {
                    rows[r] += x;
                }
                *b = fold_rows(&output(w, &last.site), &rows);
            }
            SlotKind::Weighted(l) => self.weighted(l, weight, e, a, b),
            _ => return false,
        }
        true
    }

    /// Index (kv head, sequence, key position): exp values folded over members and positions, values over channels.
    fn weighted(&self, l: usize, weight: EF, e: &mut [EF], a: &mut Vec<EF>, b: &mut Vec<EF>) {
        let (d, w, p) = (&self.key.descriptor, self.w, self.p);
        let (positions, sequences, rows) = (w.instance.positions, w.instance.sequences, w.instance.rows());
        let kv_eq = eq_table(&p.kv, EF::ONE);
        let member_eq = eq_prefix(&p.member, d.group());
        let sequence_eq = eq_table(p.sequence(&w.instance), EF::ONE);
        let position_eq = eq_table(p.position(&w.instance), EF::ONE);
        let half = [EF::ONE - p.half[0], p.half[0]];
        let pairs = d.head_dim / 2;
        let pair_eq = eq_prefix(&p.pair, pairs);
        let exp = w.tensor(w.layout.layers[l].exp);
        let v = output(w, &w.layout.layers[l].v);
        *a = vec![EF::ZERO; e.len()];
        *b = vec![EF::ZERO; e.len()];
        for (at, e) in e.iter_mut().enumerate() {
            let outer = at / positions;
            *e = weight * kv_eq[outer / sequences] * sequence_eq[outer % sequences];
        }
        for kv in 0..d.kv_heads {
            for s in 0..sequences {
                for j in 0..positions {
                    let at = (kv * sequences + s) * positions + j;
                    for (m, &member) in member_eq.iter().enumerate() {
                        let h = kv * d.group() + m;
                        let col = &exp[(h * positions + j) * rows + s * positions..][..positions];
                        let sum: EF = position_eq.iter().zip(col).map(|(&e, &x)| e * x).sum();
                        a[at] += member * sum;
                    }
                    for c in 0..d.head_dim {
                        let x = v[(kv * d.head_dim + c) * rows + s * positions + j];
                        b[at] += half[c / pairs] * pair_eq[c % pairs] * x;
                    }
                }
            }
        }
    }

    /// Index (kv head, channel, sequence): queries folded over members and positions, keys over positions.
    fn score(&self, l: usize, weight: EF, q: &ProductPoint, e: &mut [EF], a: &mut [EF], b: &mut [EF]) {
        let (d, w) = (&self.key.descriptor, self.w);
        let (positions, sequences, rows) = (w.instance.positions, w.instance.sequences, w.instance.rows());
        let (kv_point, member_point) = q.attention_heads();
        let kv_eq = eq_table(kv_point, EF::ONE);
        let member_eq = eq_prefix(member_point, d.group());
        let sequence_eq = eq_table(q.sequence(), EF::ONE);
        let position_eq = eq_table(q.position(), EF::ONE);
        let key_eq = eq_table(q.key(), EF::ONE);
        let channels = d.head_dim.next_power_of_two();
        let cells = &w.layout.layers[l];
        let (queries, keys) = (output(w, &cells.q), output(w, &cells.k));
        for (at, e) in e.iter_mut().enumerate() {
            *e = weight * kv_eq[at / (channels * sequences)] * sequence_eq[at % sequences];
        }
        let dot = |eq: &[EF], cells: &[F]| eq.iter().zip(cells).map(|(&e, &x)| e * x).sum::<EF>();
        for kv in 0..d.kv_heads {
            for c in 0..d.head_dim {
                for s in 0..sequences {
                    let at = (kv * channels + c) * sequences + s;
                    for (m, &member) in member_eq.iter().enumerate() {
                        let col = (kv * d.group() + m) * d.head_dim + c;
                        a[at] +=
                            member * dot(&position_eq, &queries[col * rows + s * positions..][..positions]);
                    }
                    b[at] = dot(&key_eq, &keys[(kv * d.head_dim + c) * rows + s * positions..][..positions]);
                }
            }
        }
    }

    /// All factors.
    pub fn factors(&self, slots: &Slots, q: &ProductPoint, slot_weights: &SlotWeights) -> Factors {
        let Self { key, w, p, shared, .. } = *self;
        let d = &key.descriptor;
        let size = slots.slots.last().map_or(0, |s| s.offset + (1 << s.bits));
        let zero = || vec![EF::ZERO; size];
        let mut f = Factors { e: vec![EF::ONE; size], model: zero(), witness: zero(), b: zero() };
        let row_eq = eq_table(q.row(), EF::ONE);
        let (half, pair) = q.rotary();
        let pairs = d.head_dim / 2;
        let half_eq = [EF::ONE - half[0], half[0]];
        let pair_eq = eq_prefix(pair, pairs);
        let channel = |c: usize| half_eq[c / pairs] * pair_eq[c % pairs];
        let heads = head_weights(d, &p.kv, &p.member);
        let place =
            |out: &mut [EF], at: usize, values: &[EF]| out[at..at + values.len()].copy_from_slice(values);
        for slot in &slots.slots {
            let (at, len) = (slot.offset, 1 << slot.bits);
            let cells = |l: usize| &w.layout.layers[l];
            match slot.kind {
                SlotKind::QueryKey(l) => {
                    let [wq, wk, ..] = slot_weights.claims[l];
                    let model = &key.model.layers[l];
                    let q = folded_matrix(&model.q, |o| wq * heads[o / d.head_dim] * channel(o % d.head_dim));
                    let k = folded_matrix(&model.k, |o| {
                        wk * eq_index(&p.kv, o / d.head_dim) * channel(o % d.head_dim)
                    });
                    let sum: Vec<EF> = q.iter().zip(&k).map(|(&x, &y)| x + y).collect();
                    place(&mut f.model, at, &sum);
                    place(&mut f.b, at, &fold_rows(&output(w, &cells(l).norms[0].site), &row_eq));
                }
                SlotKind::Up(l) => {
                    let eq = eq_prefix(q.cols(d.hidden), d.hidden);
                    let up = slot_weights.claims[l][2];
                    place(&mut f.model, at, &folded_matrix(&key.model.layers[l].up, |o| up * eq[o]));
                    place(&mut f.b, at, &fold_rows(&output(w, &cells(l).norms[1].site), &row_eq));
                }
                SlotKind::Score(l) => {
                    let range = at..at + len;
                    let weight = slot_weights.claims[l][3];
                    let (a, b) = (&mut f.witness[range.clone()], &mut f.b[range.clone()]);
                    self.score(l, weight, q, &mut f.e[range], a, b);
                }
                SlotKind::Gain(l, i) => {
                    let site = 2 * l + i;
                    let model = key.model.layers.get(l);
                    let gain = match (model, i) {
                        (None, _) => &key.model.final_gain,
                        (Some(m), 0) => &m.norm1_gain,
                        (Some(m), _) => &m.norm2_gain,
                    };
                    place(&mut f.e, at, &eq_table(p.cols(d.dim), slot_weights.gains[site]));
                    for (k, &g) in gain.iter().enumerate() {
                        f.model[at + k] = EF::from(F::from_i64(i64::from(g)));
                    }
                    place(&mut f.b, at, &fold_rows(&shared.residuals[site], &row_eq));
                }
                kind => {
                    let (mut a, mut b) = (vec![], vec![]);
                    if self.relation_slot(kind, &mut f.e[at..at + len], &mut a, &mut b) {
                        let out =
                            if matches!(kind, SlotKind::Weighted(_)) { &mut f.witness } else { &mut f.model };
                        place(out, at, &a);
                        place(&mut f.b, at, &b);
                    }
                }
            }
        }
        f
    }
}

/// Runs the contraction sumcheck; returns the proof, its end, and the final values of model part, witness part and b.
pub fn prove(factors: Factors, slots: &Slots, t: &mut Transcript) -> (SumcheckProof, Vec<EF>, [EF; 3]) {
    let mut group = Group::new(slots.num_vars);
    let [e, model, witness, b] =
        [factors.e, factors.model, factors.witness, factors.b].map(|v| group.column(Column::Ext(v)));
    group.product(EF::ONE, &[e, model, b]);
    group.product(EF::ONE, &[e, witness, b]);
    let (proof, end, finals) = prove_groups(vec![group], slots.num_vars, CONTRACTION_DEGREE, t);
    let values = [model, witness, b].map(|c| finals[0][c]);
    t.absorb_slice(&values);
    (proof, end, values)
}
