//! An honest evaluator written a second time, step by step over the witness's own cells, that lets a
//! forger change cells after any step: every later step follows from what the cells then hold. What
//! is forged is thus consistent but for the one thing that the forger did.

use esper_commitment::{F, PrimeCharacteristicRing, PrimeField64};
use esper_model::{Linear, Model};
use esper_prover::ModelKey;
use esper_prover::matrix::field_product;
use esper_prover::virtuals::{exp_sums, output, residuals, scores, up, weighted};
use esper_prover::witness::{Ends, Witness};
use esper_verifier::embedding::EmbeddingTree;
use esper_verifier::layout::{Layout, NORM_LIMBS, NormCells, Ranged, Site, TensorId};
use esper_verifier::model_layout::{EXP_ENTRIES, ModelLayout};
use esper_verifier::modes::Modes;
use esper_verifier::tables::magnitude;
use esper_verifier::{SequenceStatement, Statement};
use std::sync::Arc;

/// Steps in the order in which they fill cells. Norms count 2 a layer, the final one last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// e, P, Q, idx, rs and both remainders.
    NormRows(usize),
    /// The norm's rounding.
    Norm(usize),
    /// Queries.
    Query(usize),
    /// Keys.
    Key(usize),
    /// Values.
    Value(usize),
    /// Row maxima.
    Max(usize),
    /// D', O and their remainder.
    Gaps(usize),
    /// One-hot of the maximum.
    Reached(usize),
    /// exp values.
    Exp(usize),
    /// o and the division's remainders.
    Division(usize),
    /// Update by attention.
    UpdateO(usize),
    /// Gate.
    Gate(usize),
    /// silu of the gate.
    Silu(usize),
    /// silu * up.
    Z(usize),
    /// Update by the MLP.
    UpdateDown(usize),
    /// Top lists and answers, from the logits.
    Lists,
    /// Slack.
    Slack,
}

/// A witness in the making, with the statement that it ends in.
pub struct Replay<'a> {
    /// The model as it is committed.
    pub key: &'a ModelKey,
    /// The model that is run: the committed one, or a forger's.
    pub run: &'a ModelKey,
    /// Cells.
    pub w: Witness,
    /// Prompts; answers and lists once [`Step::Lists`] is done.
    pub statement: Statement,
}

/// A statement with one answer for each prompt, still to be filled in.
pub fn question(key: &ModelKey, prompts: &[Vec<u32>], rows: usize, top_k: usize) -> Statement {
    let list: Vec<(u32, i64)> = (0..top_k as u32).map(|id| (id, 0)).collect();
    let sequences = prompts
        .iter()
        .map(|p| SequenceStatement {
            prompt: p.clone(),
            answer: vec![0],
            max_answer: 1,
            top: vec![list.clone()],
        })
        .collect();
    Statement { model_id: key.model_id, binding: [7; 64], rows, top_k, sequences }
}

/// A key under which `model` can be run but nothing be proven: a forger's model in the sizes of `key`.
pub fn run_only(key: &ModelKey, model: Model) -> ModelKey {
    ModelKey {
        descriptor: key.descriptor.clone(),
        model_id: key.model_id,
        layout: ModelLayout::new(&key.descriptor),
        committed: key.committed.clone(),
        embedding: EmbeddingTree::new(&model.embed, model.shape.dim, key.descriptor.embed_bits),
        model: Arc::new(model),
    }
}

/// Cells as centred integers.
pub fn integers(cells: &[F]) -> Vec<i64> {
    cells.iter().map(|&c| centred(c)).collect()
}

/// The representative between -p/2 and p/2.
pub fn centred(c: F) -> i64 {
    let v = c.as_canonical_u64();
    if v > F::ORDER_U64 / 2 { -((F::ORDER_U64 - v) as i64) } else { v as i64 }
}

/// The honest filling of a question.
pub fn honest<'a>(key: &'a ModelKey, question: &Statement, modes: Modes) -> Replay<'a> {
    replay(key, key, question, modes, |_, _| {})
}

/// Fills a question's witness step by step; `hook` may change anything after each step.
pub fn replay<'a>(
    key: &'a ModelKey,
    run: &'a ModelKey,
    question: &Statement,
    modes: Modes,
    mut hook: impl FnMut(Step, &mut Replay<'a>),
) -> Replay<'a> {
    let instance = question.check(&key.descriptor).expect("a question that is well formed");
    let layout = Layout::new(&key.descriptor, &instance, &modes);
    let cells = F::zero_vec(layout.size().cells());
    let mut r = Replay {
        key,
        run,
        w: Witness { instance, modes, layout, cells: cells.into(), ends: Ends::default() },
        statement: question.clone(),
    };
    for step in steps(key.descriptor.layers.len()) {
        r.fill(step);
        hook(step, &mut r);
    }
    r
}

/// All steps of a model.
pub fn steps(layers: usize) -> Vec<Step> {
    use Step::*;
    let mut all = vec![];
    for l in 0..layers {
        all.extend([
            NormRows(2 * l),
            Norm(2 * l),
            Query(l),
            Key(l),
            Value(l),
            Max(l),
            Gaps(l),
            Reached(l),
            Exp(l),
        ]);
        all.extend([Division(l), UpdateO(l), NormRows(2 * l + 1), Norm(2 * l + 1), Gate(l), Silu(l), Z(l)]);
        all.push(UpdateDown(l));
    }
    all.extend([NormRows(2 * layers), Norm(2 * layers), Lists, Slack]);
    all
}

impl Replay<'_> {
    /// Cell (column, row) of a tensor as an integer.
    pub fn at(&self, id: TensorId, col: usize, row: usize) -> i64 {
        centred(self.w.tensor(id)[col * self.w.instance.rows() + row])
    }

    /// Sets cell (column, row).
    pub fn set(&mut self, id: TensorId, col: usize, row: usize, value: i64) {
        let rows = self.w.instance.rows();
        self.w.tensor_mut(id)[col * rows + row] = F::from_i64(value);
    }

    /// Adds to cell (column, row).
    pub fn add(&mut self, id: TensorId, col: usize, row: usize, value: i64) {
        let rows = self.w.instance.rows();
        self.w.tensor_mut(id)[col * rows + row] += F::from_i64(value);
    }

    /// Writes 16-bit limbs, the last one taking whatever remains.
    pub fn set_limbs(&mut self, limbs: &[TensorId], col: usize, row: usize, value: i64) {
        for (i, &id) in limbs.iter().enumerate() {
            let rest = value >> (16 * i);
            self.set(id, col, row, if i + 1 == limbs.len() { rest } else { rest & 0xffff });
        }
    }

    /// Limbs joined.
    pub fn limbs_at(&self, limbs: &[TensorId], col: usize, row: usize) -> i64 {
        limbs.iter().enumerate().map(|(i, &id)| self.at(id, col, row) << (16 * i)).sum()
    }

    /// Cells of a norm by its number.
    pub fn norm_cells(&self, n: usize) -> NormCells {
        let layout = &self.w.layout;
        layout
            .layers
            .get(n / 2)
            .map_or_else(|| layout.final_norm.clone().expect("a head"), |l| l.norms[n % 2].clone())
    }

    /// Residual before norm n.
    pub fn residual(&self, n: usize) -> Vec<F> {
        residuals(self.run, &self.w, &self.statement.row_tokens(&self.w.instance)).swap_remove(n)
    }

    /// Splits a rounding: quotient, remainder.
    pub fn split(before: i64, shift: u32) -> (i64, i64) {
        let shifted = before + (1 << (shift - 1));
        (shifted >> shift, shifted - (shifted >> shift << shift))
    }

    /// Writes w, and f, sigma, y with the clamp on, of a quotient with a given f.
    pub fn set_quotient(&mut self, site: &Site, col: usize, row: usize, q: i64, f: i64) {
        let m = magnitude(site.bits);
        let w = q - f * (2 * m + 1);
        self.set_w(site, col, row, w);
        if let Some([at, sigma, y]) = site.clamp {
            self.set(at, col, row, f);
            self.set(sigma, col, row, f.signum());
            self.set(y, col, row, if f == 0 { w } else { m * f.signum() });
        }
    }

    /// Writes w, into its two digits if it is wide.
    pub fn set_w(&mut self, site: &Site, col: usize, row: usize, w: i64) {
        match site.w {
            Ranged::One(id) => self.set(id, col, row, w),
            Ranged::Two(low, high) => {
                let base = (1 << (site.bits / 2)) + 1;
                let value = w + magnitude(site.bits);
                self.set(low, col, row, value.rem_euclid(base));
                self.set(high, col, row, value.div_euclid(base));
            }
        }
    }

    /// Adds to w (to the low digit if it is wide).
    pub fn add_w(&mut self, site: &Site, col: usize, row: usize, value: i64) {
        let (Ranged::One(id) | Ranged::Two(id, _)) = site.w;
        self.add(id, col, row, value);
    }

    /// Writes a remainder into its limbs.
    pub fn set_rem(&mut self, site: &Site, col: usize, row: usize, rem: i64) {
        let limbs: Vec<TensorId> = site.rem.iter().map(|r| r.0).collect();
        self.set_limbs(&limbs, col, row, rem);
    }

    /// A site's remainder.
    pub fn rem(&self, site: &Site, col: usize, row: usize) -> i64 {
        self.limbs_at(&site.rem.iter().map(|r| r.0).collect::<Vec<_>>(), col, row)
    }

    fn site(&mut self, site: &Site, before: &[F]) {
        let rows = self.w.instance.rows();
        let m = magnitude(site.bits);
        for (i, &a) in before.iter().enumerate() {
            let (q, rem) = Self::split(centred(a), site.shift);
            let f = if site.clamp.is_some() { (q + m).div_euclid(2 * m + 1) } else { 0 };
            self.set_quotient(site, i / rows, i % rows, q, f);
            self.set_rem(site, i / rows, i % rows, rem);
        }
    }

    fn turned(&self, linear: &Linear, h: &[F]) -> Vec<F> {
        let (rows, positions) = (self.w.instance.rows(), self.w.instance.positions);
        let (model, half) = (&self.run.model, self.run.descriptor.head_dim / 2);
        let a = field_product(linear, h, rows);
        let mut out = a.clone();
        for (i, o) in out.iter_mut().enumerate() {
            let (col, r) = (i / rows, i % rows);
            let at = (r % positions) * half + col % half;
            let [c, s] = [model.rope_cos[at], model.rope_sin[at]].map(|v| F::from_i64(i64::from(v)));
            *o = if col / half % 2 == 0 {
                a[i] * c - a[i + half * rows] * s
            } else {
                a[i - half * rows] * s + a[i] * c
            };
        }
        out
    }

    /// Fills one step's cells from those before it.
    pub fn fill(&mut self, step: Step) {
        let (model, rows) = (self.run.model.clone(), self.w.instance.rows());
        let layer = |l: usize| (self.w.layout.layers[l].clone(), &model.layers[l]);
        match step {
            Step::NormRows(n) => self.norm_rows(n),
            Step::Norm(n) => {
                let cells = self.norm_cells(n);
                let gain = match model.layers.get(n / 2) {
                    Some(l) if n % 2 == 0 => &l.norm1_gain,
                    Some(l) => &l.norm2_gain,
                    None => &model.final_gain,
                };
                let (q, rs) =
                    (self.w.tensor(cells.exponent[2]).to_vec(), self.w.tensor(cells.index[1]).to_vec());
                let x = self.residual(n);
                let scale = |i: usize| rs[i % rows] * q[i % rows] * F::from_i64(i64::from(gain[i / rows]));
                let before: Vec<F> = x.iter().enumerate().map(|(i, &x)| x * scale(i)).collect();
                self.site(&cells.site, &before);
            }
            Step::Query(l) => {
                let (cells, m) = layer(l);
                let before = self.turned(&m.q, &output(&self.w, &cells.norms[0].site));
                self.site(&cells.q, &before);
            }
            Step::Key(l) => {
                let (cells, m) = layer(l);
                let before = self.turned(&m.k, &output(&self.w, &cells.norms[0].site));
                self.site(&cells.k, &before);
            }
            Step::Value(l) => {
                let (cells, m) = layer(l);
                let before = field_product(&m.v, &output(&self.w, &cells.norms[0].site), rows);
                self.site(&cells.v, &before);
            }
            Step::Max(l) => self.maxima(l),
            Step::Gaps(l) => self.gaps(l),
            Step::Reached(l) => self.reached(l),
            Step::Exp(l) => {
                let (cells, _) = layer(l);
                let diff = integers(self.w.tensor(cells.diff));
                for (i, d) in diff.into_iter().enumerate() {
                    if !self.on_mask(i) {
                        continue;
                    }
                    self.w.tensor_mut(cells.exp)[i] = F::from_i64(i64::from(
                        model.exp[(d.clamp(1, EXP_ENTRIES as i64) >> 1).min(4095) as usize],
                    ));
                }
            }
            Step::Division(l) => self.division(l),
            Step::UpdateO(l) => {
                let (cells, m) = layer(l);
                let before = field_product(&m.o, self.w.tensor(cells.o), rows);
                self.site(&cells.update_o, &before);
            }
            Step::Gate(l) => {
                let (cells, m) = layer(l);
                let before = field_product(&m.gate, &output(&self.w, &cells.norms[1].site), rows);
                self.site(&cells.gate, &before);
            }
            Step::Silu(l) => {
                let (cells, m) = layer(l);
                let gate = integers(&output(&self.w, &cells.gate));
                let middle = 1 << (m.gate_bits - 1);
                let cell =
                    |g: i64| F::from_i64(i64::from(m.silu[(g + middle).clamp(0, 2 * middle - 1) as usize]));
                self.w.tensor_mut(cells.silu).iter_mut().zip(gate).for_each(|(c, g)| *c = cell(g));
            }
            Step::Z(l) => {
                let (cells, _) = layer(l);
                let mut before = up(self.run, &self.w, l);
                before.iter_mut().zip(self.w.tensor(cells.silu)).for_each(|(a, &s)| *a *= s);
                self.site(&cells.z, &before);
            }
            Step::UpdateDown(l) => {
                let (cells, m) = layer(l);
                let before = field_product(&m.down, &output(&self.w, &cells.z), rows);
                self.site(&cells.update_down, &before);
            }
            Step::Lists => self.lists(),
            Step::Slack => self.slack(),
        }
    }

    fn norm_rows(&mut self, n: usize) {
        let d = self.run.descriptor.clone();
        let x = self.residual(n);
        let rows = self.w.instance.rows();
        for r in 0..rows {
            let squares: F = x.iter().skip(r).step_by(rows).map(|&x| x * x).sum();
            let v = centred(squares + F::from_u64(d.eps_term));
            let e = ((63 - (v as u64).leading_zeros()) >> 1).clamp(d.emin(), d.emax);
            let idx = (v << d.t0()) >> (2 * e + d.t0() - 10);
            self.set_norm_row(n, r, e, idx);
        }
    }

    /// Writes a norm's row with a given e and idx: rs by the table, remainders by the equations.
    pub fn set_norm_row(&mut self, n: usize, row: usize, e: u32, idx: i64) {
        let d = &self.run.descriptor;
        let rows = self.w.instance.rows();
        let x = self.residual(n);
        let squares: F = x.iter().skip(row).step_by(rows).map(|&x| x * x).sum();
        let v = (centred(squares) + d.eps_term as i64) << d.t0();
        let (p, q) = (1i64 << (2 * e + d.t0() - 10), 1i64 << (d.emax - e));
        let rs = self.run.model.rsqrt.get(idx as usize).copied().unwrap_or(0);
        let cells = self.norm_cells(n);
        let values = [i64::from(e), p, q, idx, i64::from(rs)];
        cells.exponent.iter().chain(&cells.index).zip(values).for_each(|(&id, v)| self.set(id, 0, row, v));
        self.set_norm_rem(&cells, row, v - idx * p);
    }

    /// Writes rem and P - 1 - rem into their limbs (a negative value keeps its sign in the top limb).
    pub fn set_norm_rem(&mut self, cells: &NormCells, row: usize, rem: i64) {
        let p = self.at(cells.exponent[1], 0, row);
        assert_eq!(NORM_LIMBS.len(), 4);
        self.set_limbs(&cells.rem[0], 0, row, rem);
        self.set_limbs(&cells.rem[1], 0, row, p - 1 - rem);
    }

    /// Whether cell i of a tensor (head, key, row) is a key that its row may see.
    pub fn on_mask(&self, i: usize) -> bool {
        let (rows, positions) = (self.w.instance.rows(), self.w.instance.positions);
        i / rows % positions <= i % positions
    }

    /// Keys that a row sees, as columns of head h.
    pub fn keys(&self, h: usize, row: usize) -> std::ops::RangeInclusive<usize> {
        let positions = self.w.instance.positions;
        h * positions..=h * positions + row % positions
    }

    /// Scores of the cells as they are.
    pub fn scores(&self, l: usize) -> Vec<i64> {
        integers(&scores(self.run, &self.w, l))
    }

    fn maxima(&mut self, l: usize) {
        let (rows, heads) = (self.w.instance.rows(), self.run.descriptor.heads);
        let (u, max) = (self.scores(l), self.w.layout.layers[l].max);
        for (h, r) in (0..heads).flat_map(|h| (0..rows).map(move |r| (h, r))) {
            let top = self.keys(h, r).map(|c| u[c * rows + r]).max().unwrap_or(0);
            self.set(max, h, r, top);
        }
    }

    fn gaps(&mut self, l: usize) {
        let (rows, heads) = (self.w.instance.rows(), self.run.descriptor.heads);
        let (u, max) = (self.scores(l), self.w.layout.layers[l].max);
        for (h, r) in (0..heads).flat_map(|h| (0..rows).map(move |r| (h, r))) {
            let top = self.at(max, h, r);
            for c in self.keys(h, r) {
                self.set_gap(l, c, r, top - u[c * rows + r]);
            }
        }
    }

    /// Writes D', O and remainder of W = gap.
    pub fn set_gap(&mut self, l: usize, col: usize, row: usize, gap: i64) {
        let cells = self.w.layout.layers[l].clone();
        let half = self.run.descriptor.layers[l].score_shift - 1;
        let shifted = gap + (1 << half);
        let full = shifted >> half;
        let diff = full.min(EXP_ENTRIES as i64);
        self.set(cells.diff, col, row, diff);
        if let Some(rem) = cells.diff_rem {
            self.set(rem, col, row, shifted - (full << half));
        }
        if !cells.overflow.is_empty() {
            self.set_limbs(&cells.overflow, col, row, full - diff);
        }
    }

    fn reached(&mut self, l: usize) {
        let (rows, heads) = (self.w.instance.rows(), self.run.descriptor.heads);
        let (u, cells) = (self.scores(l), self.w.layout.layers[l].clone());
        for (h, r) in (0..heads).flat_map(|h| (0..rows).map(move |r| (h, r))) {
            let top = self.at(cells.max, h, r);
            let nearest = self.keys(h, r).min_by_key(|&c| (top - u[c * rows + r]).abs());
            self.set(cells.reached, nearest.unwrap_or(0), r, 1);
        }
    }

    fn division(&mut self, l: usize) {
        let (rows, hd) = (self.w.instance.rows(), self.run.descriptor.head_dim);
        let (n, z) = (integers(&weighted(self.run, &self.w, l)), integers(&exp_sums(&self.w, l)));
        for (i, &n) in n.iter().enumerate() {
            let z = z[i / (hd * rows) * rows + i % rows];
            self.set_o(l, i / rows, i % rows, (2 * n + z).div_euclid((2 * z).max(1)), n, z);
        }
    }

    /// Writes o with the remainders of (2N + Z) / 2Z.
    pub fn set_o(&mut self, l: usize, col: usize, row: usize, o: i64, n: i64, z: i64) {
        let cells = self.w.layout.layers[l].clone();
        self.set(cells.o, col, row, o);
        let rem = 2 * n + z - 2 * z * o;
        self.set_limbs(&cells.division[0], col, row, rem);
        self.set_limbs(&cells.division[1], col, row, 2 * z - 1 - rem);
    }

    /// Logits at the answer rows.
    pub fn logits(&self) -> Vec<Vec<i64>> {
        let rows = self.w.instance.rows();
        let h = output(&self.w, &self.w.layout.final_norm.as_ref().expect("a head").site);
        let all = integers(&field_product(&self.run.model.lm_head, &h, rows));
        let at = self.statement.answer_rows(&self.w.instance);
        at.iter().map(|&r| all.iter().skip(r).step_by(rows).copied().collect()).collect()
    }

    fn lists(&mut self) {
        let logits = self.logits();
        let k = self.statement.top_k;
        for (s, logits) in self.statement.sequences.iter_mut().zip(logits) {
            let mut all: Vec<(u32, i64)> =
                logits.into_iter().enumerate().map(|(v, l)| (v as u32, l)).collect();
            all.sort_by_key(|&(v, l)| (-l, v));
            all.truncate(k);
            s.answer = vec![all[0].0];
            s.top = vec![all];
        }
    }

    fn slack(&mut self) {
        let logits = self.logits();
        let ids: Vec<TensorId> = self.w.layout.slack.iter().map(|s| s.0).collect();
        let bits = self.w.instance.answer_bits();
        let lists: Vec<Vec<(u32, i64)>> = self.statement.top_lists().map(<[_]>::to_vec).collect();
        for (a, (list, logits)) in lists.iter().zip(&logits).enumerate() {
            let (id_k, logit_k) = list[list.len() - 1];
            for (v, &logit) in logits.iter().enumerate() {
                let listed = list.iter().find(|e| e.0 as usize == v);
                // A listed entry's slack is what its claimed logit has too much.
                let claimed = listed.map_or(logit_k - i64::from((v as u32) < id_k), |e| e.1);
                let rest = claimed - logit;
                for (i, &id) in ids.iter().enumerate() {
                    let part = rest >> (16 * i);
                    let cut = if i + 1 == ids.len() { part } else { part & 0xffff };
                    self.w.tensor_mut(id)[(v << bits) + a] = F::from_i64(cut);
                }
            }
        }
    }
}
