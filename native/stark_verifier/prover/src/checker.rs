//! Says which checks a witness breaks, cell by cell over the field.
//!
//! A sumcheck that fails names no relation. This recomputes every relation and every lookup directly
//! from the cells, without weights, points or polynomials, and lists what does not hold.

use crate::key::ModelKey;
use crate::matrix::field_product;
use crate::virtuals::{exp_sums, form, gaps, output, overflow, residuals, scores, up, weighted};
use crate::witness::Witness;
use esper_commitment::{F, PrimeCharacteristicRing, PrimeField64};
use esper_model::Linear;
use esper_verifier::layout::{NormCells, Site, TensorId};
use esper_verifier::linear::clamp_sites;
use esper_verifier::products::OVERFLOW_AT;
use esper_verifier::relation::Relation;
use esper_verifier::statement::Statement;
use esper_verifier::tables::{Table, magnitude};

/// What a proof checks of its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A relation between cells.
    Relation(Relation),
    /// Membership in a table.
    Table(Table),
}

/// A check that does not hold in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The relation or table.
    pub check: Check,
    /// Layer; the number of layers for the final norm and the top list.
    pub layer: usize,
    /// First cell where it fails, in the relation's own index space, or in the looked-up tensor.
    pub cell: usize,
}

/// All checks that `w` breaks, each once a layer.
pub fn check(key: &ModelKey, statement: &Statement, w: &Witness) -> Vec<Broken> {
    let mut c = Checker { key, w, broken: vec![] };
    c.relations(statement);
    c.lookups();
    c.broken
}

struct Checker<'a> {
    key: &'a ModelKey,
    w: &'a Witness,
    broken: Vec<Broken>,
}

impl Checker<'_> {
    fn zero(&mut self, layer: usize, relation: Relation, cells: usize, value: impl Fn(usize) -> F) {
        if let Some(cell) = (0..cells).find(|&i| value(i) != F::ZERO) {
            self.broken.push(Broken { check: Check::Relation(relation), layer, cell });
        }
    }

    /// `limbs` as one value, cell by cell.
    fn joined(&self, limbs: impl Iterator<Item = TensorId>) -> Vec<F> {
        form(self.w, &(limbs.enumerate().map(|(i, id)| (id, 1 << (16 * i))).collect(), 0))
    }

    /// `2^s (N f + w) + rem - 2^(s-1)` must be `before`, and y the clamp of w.
    fn site(&mut self, layer: usize, relation: Relation, site: &Site, before: &[F]) {
        let w = self.w;
        let value = form(w, &site.w_form());
        let rem = self.joined(site.rem.iter().map(|r| r.0));
        let (unit, half) = (F::from_u64(1 << site.shift), F::from_u64(1 << (site.shift - 1)));
        let n = F::from_i64(2 * magnitude(site.bits) + 1);
        let f = site.clamp.map(|[f, ..]| w.tensor(f));
        self.zero(layer, relation, before.len(), |i| {
            unit * (value[i] + f.map_or(F::ZERO, |f| n * f[i])) + rem[i] - half - before[i]
        });
    }

    fn clamp(&mut self, layer: usize, relation: Relation, site: &Site) {
        let Some([_, sigma, y]) = site.clamp else { return };
        let w = self.w;
        let (value, sigma, y) = (form(w, &site.w_form()), w.tensor(sigma), w.tensor(y));
        let m = F::from_i64(magnitude(site.bits));
        self.zero(layer, relation, y.len(), |i| {
            y[i] - (F::ONE - sigma[i] * sigma[i]) * value[i] - m * sigma[i]
        });
    }

    fn norm(&mut self, layer: usize, relations: [Relation; 3], cells: &NormCells, gain: &[i32], x: &[F]) {
        let (w, d) = (self.w, &self.key.descriptor);
        let rows = w.instance.rows();
        let [_, p, q] = cells.exponent.map(|id| w.tensor(id));
        let [idx, rs] = cells.index.map(|id| w.tensor(id));
        let [rem, bound] = cells.rem.map(|limbs| self.joined(limbs.into_iter()));
        let t0 = F::from_u64(1 << d.t0());
        let squares = |r: usize| -> F {
            F::from_u64(d.eps_term) + x.iter().skip(r).step_by(rows).map(|&x| x * x).sum::<F>()
        };
        self.zero(layer, relations[0], rows, |r| idx[r] * p[r] + rem[r] - t0 * squares(r));
        self.zero(layer, relations[1], rows, |r| p[r] - F::ONE - rem[r] - bound[r]);
        let scaled: Vec<F> = x
            .iter()
            .enumerate()
            .map(|(i, &x)| x * rs[i % rows] * q[i % rows] * F::from_i64(i64::from(gain[i / rows])))
            .collect();
        self.site(layer, relations[2], &cells.site, &scaled);
    }

    /// A projection after its rotation by the row's position.
    fn turned(&self, linear: &Linear, h: &[F]) -> Vec<F> {
        let (rows, positions) = (self.w.instance.rows(), self.w.instance.positions);
        let a = field_product(linear, h, rows);
        let half = self.key.descriptor.head_dim / 2;
        (0..a.len())
            .map(|i| {
                let (col, r) = (i / rows, i % rows);
                let at = (r % positions) * half + col % half;
                let [cos, sin] = [&self.key.model.rope_cos, &self.key.model.rope_sin]
                    .map(|t| F::from_i64(i64::from(t[at])));
                if (col / half).is_multiple_of(2) {
                    a[i] * cos - a[i + half * rows] * sin
                } else {
                    a[i - half * rows] * sin + a[i] * cos
                }
            })
            .collect()
    }

    fn attention(&mut self, layer: usize) {
        let (key, w) = (self.key, self.w);
        let cells = &w.layout.layers[layer];
        let (rows, positions, hd) = (w.instance.rows(), w.instance.positions, key.descriptor.head_dim);
        // Index (head, key, row): a key is on the mask up to the row's own position.
        let on = |i: usize| i / rows % positions <= i % positions;
        let head_row = |i: usize| i / (positions * rows) * rows + i % rows;
        let (score, gap) = (scores(key, w, layer), gaps(key, w, layer));
        let (max, reached, diff) = (w.tensor(cells.max), w.tensor(cells.reached), w.tensor(cells.diff));
        let masked = |i: usize, v: F| if on(i) { v } else { F::ZERO };
        self.zero(layer, Relation::ScoreGap, gap.len(), |i| masked(i, max[head_row(i)] - score[i] - gap[i]));
        if !cells.overflow.is_empty() {
            let o = overflow(w, layer);
            let end = F::from_u64(OVERFLOW_AT);
            self.zero(layer, Relation::Overflow, o.len(), |i| masked(i, o[i] * (end - diff[i])));
        }
        self.zero(layer, Relation::MaxReached, gap.len(), |i| masked(i, reached[i] * gap[i]));
        self.zero(layer, Relation::MaxCounted, max.len(), |hr| {
            let (h, r) = (hr / rows, hr % rows);
            let count: F = (0..=r % positions).map(|j| reached[(h * positions + j) * rows + r]).sum();
            count - F::ONE
        });
        let (n, z, o) = (weighted(key, w, layer), exp_sums(w, layer), w.tensor(cells.o));
        let [rem, bound] = cells.division.map(|limbs| self.joined(limbs.into_iter()));
        let z_at = |i: usize| z[i / (hd * rows) * rows + i % rows];
        self.zero(layer, Relation::Division, o.len(), |i| {
            n[i].double() + z_at(i) - z_at(i).double() * o[i] - rem[i]
        });
        self.zero(layer, Relation::DivisionBound, o.len(), |i| z_at(i).double() - F::ONE - rem[i] - bound[i]);
    }

    fn relations(&mut self, statement: &Statement) {
        use Relation as R;
        let (key, w) = (self.key, self.w);
        let rows = w.instance.rows();
        let x = residuals(key, w, &statement.row_tokens(&w.instance));
        for (l, (cells, model)) in w.layout.layers.iter().zip(&key.model.layers).enumerate() {
            let first = [R::NormDivision1, R::NormBound1, R::NormScale1];
            self.norm(l, first, &cells.norms[0], &model.norm1_gain, &x[2 * l]);
            let h = output(w, &cells.norms[0].site);
            self.site(l, R::RotaryQ, &cells.q, &self.turned(&model.q, &h));
            self.site(l, R::RotaryK, &cells.k, &self.turned(&model.k, &h));
            self.site(l, R::Value, &cells.v, &field_product(&model.v, &h, rows));
            self.attention(l);
            self.site(l, R::UpdateO, &cells.update_o, &field_product(&model.o, w.tensor(cells.o), rows));
            let second = [R::NormDivision2, R::NormBound2, R::NormScale2];
            self.norm(l, second, &cells.norms[1], &model.norm2_gain, &x[2 * l + 1]);
            let h = output(w, &cells.norms[1].site);
            self.site(l, R::Gate, &cells.gate, &field_product(&model.gate, &h, rows));
            let gated: Vec<F> =
                up(key, w, l).into_iter().zip(w.tensor(cells.silu)).map(|(a, &s)| a * s).collect();
            self.site(l, R::SwiGlu, &cells.z, &gated);
            let z = output(w, &cells.z);
            self.site(l, R::UpdateDown, &cells.update_down, &field_product(&model.down, &z, rows));
            for (site, relation) in clamp_sites(cells) {
                self.clamp(l, relation, site);
            }
        }
        let last = w.layout.layers.len();
        if let Some(handed) = &w.ends.handed {
            let handed: Vec<&[i32]> = handed.rows().collect();
            let value = |i: usize| F::from_i64(i64::from(handed[i % rows][i / rows]));
            self.zero(last, R::Boundary, x[2 * last].len(), |i| value(i) - x[2 * last][i]);
        }
        let Some(cells) = &w.layout.final_norm else { return };
        let relations = [R::NormDivision1, R::NormBound1, R::NormScale1];
        self.norm(last, relations, cells, &key.model.final_gain, &x[2 * last]);
        self.clamp(last, R::ClampNorm1, &cells.site);
        self.top_k(statement, last);
    }

    fn top_k(&mut self, statement: &Statement, last: usize) {
        let (key, w) = (self.key, self.w);
        let (rows, vocab, bits) = (w.instance.rows(), key.descriptor.vocab, w.instance.answer_bits());
        let Some(cells) = &w.layout.final_norm else { return };
        let logits = field_product(&key.model.lm_head, &output(w, &cells.site), rows);
        let slack = self.joined(w.layout.slack.iter().map(|s| s.0));
        let answer_rows = statement.answer_rows(&w.instance);
        let lists: Vec<&[(u32, i64)]> = statement.top_lists().collect();
        self.zero(last, Relation::TopK, lists.len() * vocab, |i| {
            let (a, v) = (i / vocab, i % vocab);
            let claimed = match lists[a].iter().find(|e| e.0 as usize == v) {
                Some(&(_, logit)) => logit,
                None => lists[a].last().map_or(0, |&(id, logit)| logit - i64::from((v as u32) < id)),
            };
            logits[v * rows + answer_rows[a]] + slack[(v << bits) + a] - F::from_i64(claimed)
        });
        self.zero(last, Relation::TopKListed, lists.len(), |a| {
            lists[a].iter().map(|&(id, _)| slack[((id as usize) << bits) + a]).sum()
        });
    }

    /// Layer that a tensor belongs to: tensors are made layer by layer, the exp values first.
    fn layer_of(&self, id: TensorId) -> usize {
        let layout = &self.w.layout;
        if layout.final_norm.as_ref().is_some_and(|norm| id >= norm.exponent[1]) {
            return layout.layers.len();
        }
        layout.layers.iter().filter(|l| l.exp <= id).count() - 1
    }

    fn lookups(&mut self) {
        let (w, d) = (self.w, &self.key.descriptor);
        let (rows, positions) = (w.instance.rows(), w.instance.positions);
        for lookup in &w.layout.lookups {
            let partners = lookup.partners.map(|p| p.map(|id| w.tensor(id)));
            let mut found: Vec<Table> = vec![];
            for (cell, &k) in w.tensor(lookup.key).iter().enumerate() {
                let off = lookup.table == Table::ExpOnMask && cell / rows % positions > cell % positions;
                let table = if off { Table::ExpOffMask } else { lookup.table };
                let entry = (k - F::from_i64(table.first_key(d))).as_canonical_u64();
                let member = entry < table.entries(d) as u64 && {
                    let values = self.values(table, entry as usize);
                    partners.iter().zip(values).all(|(p, v)| p.is_none_or(|p| p[cell] == v))
                };
                if !member && !found.contains(&table) {
                    found.push(table);
                    let layer = self.layer_of(lookup.key);
                    let known = |b: &Broken| b.check == Check::Table(table) && b.layer == layer;
                    if !self.broken.iter().any(known) {
                        self.broken.push(Broken { check: Check::Table(table), layer, cell });
                    }
                }
            }
        }
    }

    /// Second and third component of an entry, from the model's integers rather than from its commitment.
    fn values(&self, table: Table, entry: usize) -> [F; 2] {
        let (d, model) = (&self.key.descriptor, &self.key.model);
        let second = match table {
            Table::ExpOnMask => i64::from(model.exp[((entry + 1) >> 1).min(model.exp.len() - 1)]),
            Table::Rsqrt => i64::from(model.rsqrt[table.first_key(d) as usize + entry]),
            Table::Silu(layer) => i64::from(model.layers[layer as usize].silu[entry + 1]),
            _ => return table.public_values(d, entry).map(F::from_i64),
        };
        [F::from_i64(second), F::ZERO]
    }
}
