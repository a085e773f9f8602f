//! Cells of the witness polynomial from the integers of a batch.

use crate::cells::Cells;
use crate::error::ProveError;
use crate::key::ModelKey;
use crate::trace::{NormTrace, SiteTrace, Trace, embedded, residual_of};
use esper_commitment::{F, PrimeCharacteristicRing, PrimeField64};
use esper_verifier::boundary::Boundary;
use esper_verifier::layout::{Layout, NORM_LIMBS, NormCells, Ranged, Site, TensorId};
use esper_verifier::modes::Modes;
use esper_verifier::statement::{Instance, Statement};
use esper_verifier::tables::{Table, magnitude};
use rayon::prelude::*;

/// The residuals in the clear before and behind the layers of a part.
#[derive(Clone, Default)]
pub struct Ends {
    /// What the part before hands on; None: the embedding's rows.
    pub taken: Option<Boundary>,
    /// What the next part takes; None: the output head comes.
    pub handed: Option<Boundary>,
}

/// The witness of a statement.
pub struct Witness {
    /// Sizes.
    pub instance: Instance,
    /// Modes.
    pub modes: Modes,
    /// Places.
    pub layout: Layout,
    /// All cells of the columns that are committed; multiplicities are zero until [`Witness::count`].
    pub cells: Cells,
    /// Where it begins and ends.
    pub ends: Ends,
}

impl Witness {
    /// Runs the model on the statement's tokens and lays the integers out, with the modes they need.
    ///
    /// # Errors
    /// A statement that is refused in the clear, or whose answers the model does not give.
    pub fn new(key: &ModelKey, statement: &Statement) -> Result<Self, ProveError> {
        Self::with_modes(key, statement, |needed| needed)
    }

    /// The same of a part of a model, between two residuals.
    ///
    /// # Errors
    /// As [`Self::new`]; [`ProveError::Boundary`] if the part does not hand on what it should.
    pub fn between(key: &ModelKey, statement: &Statement, ends: Ends) -> Result<Self, ProveError> {
        Self::make(key, statement, ends, |needed| needed)
    }

    /// The same with modes chosen from those needed (a superset is proven as well).
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_modes(
        key: &ModelKey,
        statement: &Statement,
        choose: impl FnOnce(Modes) -> Modes,
    ) -> Result<Self, ProveError> {
        Self::make(key, statement, Ends::default(), choose)
    }

    fn make(
        key: &ModelKey,
        statement: &Statement,
        ends: Ends,
        choose: impl FnOnce(Modes) -> Modes,
    ) -> Result<Self, ProveError> {
        let d = &key.descriptor;
        let instance = statement.check(d).map_err(ProveError::Statement)?;
        let tokens = statement.row_tokens(&instance);
        let answer_rows = statement.answer_rows(&instance);
        let x = match &ends.taken {
            Some(taken) => residual_of(taken),
            None => embedded(&key.model, &tokens),
        };
        let trace = Trace::run(&key.model, &instance, x, d.has_head().then_some(&answer_rows));
        if ends.handed.as_ref().is_some_and(|handed| residual_of(handed) != trace.residual) {
            return Err(ProveError::Boundary);
        }
        if d.has_head() {
            check_answers(statement, &trace)?;
        }
        let slack = slack(statement, &trace);
        let modes = choose(trace.modes(d, slack.iter().flatten().copied().max().unwrap_or(0)));
        let layout = Layout::new(d, &instance, &modes);
        let cells = F::zero_vec(layout.size().cells()).into();
        let mut w = Self { instance, modes, cells, layout, ends };
        w.fill(key, &trace, &slack);
        Ok(w)
    }

    /// Cells of a tensor.
    pub fn tensor(&self, id: TensorId) -> &[F] {
        let t = self.layout.tensors[id];
        &self.cells[t.offset..t.offset + t.cells()]
    }

    /// Cells of a tensor, to be changed.
    pub fn tensor_mut(&mut self, id: TensorId) -> &mut [F] {
        let t = self.layout.tensors[id];
        &mut self.cells[t.offset..t.offset + t.cells()]
    }

    fn put(&mut self, id: TensorId, value: impl Fn(usize) -> i64 + Sync) {
        self.tensor_mut(id).par_iter_mut().enumerate().for_each(|(i, c)| *c = F::from_i64(value(i)));
    }

    fn site(&mut self, cells: &Site, trace: &SiteTrace) {
        let (shift, n) = (cells.shift, (1i64 << cells.bits) - 1);
        let m = magnitude(cells.bits);
        let parts = |i: usize| {
            let t = trace.before[i] + (1 << (shift - 1));
            let q = t >> shift;
            let f = (q + m).div_euclid(n);
            (f, q - n * f, t - (q << shift))
        };
        match cells.w {
            Ranged::One(w) => self.put(w, |i| parts(i).1),
            Ranged::Two(low, high) => {
                let base = (1 << (cells.bits / 2)) + 1;
                self.put(low, |i| (parts(i).1 + m) % base);
                self.put(high, |i| (parts(i).1 + m) / base);
            }
        }
        for (limb, &(id, bits)) in cells.rem.iter().enumerate() {
            self.put(id, |i| parts(i).2 >> (16 * limb) & ((1 << bits) - 1));
        }
        if let Some([f, sigma, y]) = cells.clamp {
            self.put(f, |i| parts(i).0);
            self.put(sigma, |i| parts(i).0.signum());
            self.put(y, |i| i64::from(trace.output[i]));
        }
    }

    fn norm(&mut self, key: &ModelKey, cells: &NormCells, t: &NormTrace) {
        let (d, model) = (&key.descriptor, &key.model);
        let t0 = d.t0();
        let power = |r: usize| 1i64 << (2 * t.exponent[r] + t0 - 10);
        let [e, p, q] = cells.exponent;
        self.put(e, |r| i64::from(t.exponent[r]));
        self.put(p, power);
        self.put(q, |r| 1 << (d.emax - t.exponent[r]));
        self.put(cells.index[0], |r| i64::from(t.index[r]));
        self.put(cells.index[1], |r| i64::from(model.rsqrt[t.index[r] as usize]));
        let rem = |r: usize| (t.squares[r] << t0) - i64::from(t.index[r]) * power(r);
        for (limb, bits) in NORM_LIMBS.into_iter().enumerate() {
            let cut = |v: i64| v >> (16 * limb) & ((1 << bits) - 1);
            self.put(cells.rem[0][limb], |r| cut(rem(r)));
            self.put(cells.rem[1][limb], |r| cut(power(r) - 1 - rem(r)));
        }
        self.site(&cells.site, &t.site);
    }

    fn fill(&mut self, key: &ModelKey, trace: &Trace, slack: &[Vec<i64>]) {
        let layout = self.layout.clone();
        for (cells, t) in layout.layers.iter().zip(&trace.layers) {
            self.norm(key, &cells.norms[0], &t.norms[0]);
            self.norm(key, &cells.norms[1], &t.norms[1]);
            for (site, t) in [&cells.q, &cells.k, &cells.v].into_iter().zip(&t.qkv) {
                self.site(site, t);
            }
            let a = &t.attention;
            self.put(cells.diff, |i| a.diff[i]);
            if let Some(rem) = cells.diff_rem {
                self.put(rem, |i| a.rem[i]);
            }
            for (limb, &id) in cells.overflow.iter().enumerate() {
                self.put(id, |i| a.overflow[i] >> (16 * limb) & 0xffff);
            }
            self.put(cells.exp, |i| a.exp[i]);
            self.put(cells.reached, |i| a.reached[i]);
            self.put(cells.max, |i| a.max[i]);
            self.put(cells.o, |i| i64::from(a.o[i]));
            for (limbs, values) in cells.division.iter().zip(&a.division) {
                self.put(limbs[0], |i| values[i] & 0xffff);
                self.put(limbs[1], |i| values[i] >> 16);
            }
            self.site(&cells.update_o, &t.update_o);
            self.site(&cells.gate, &t.gate);
            self.put(cells.silu, |i| t.silu[i]);
            self.site(&cells.z, &t.z);
            self.site(&cells.update_down, &t.update_down);
        }
        if let (Some(cells), Some(t)) = (&layout.final_norm, &trace.final_norm) {
            self.norm(key, cells, t);
        }
        let bits = self.instance.answer_bits();
        for (limb, &(id, width)) in layout.slack.iter().enumerate() {
            self.put(id, |i| {
                let (v, a) = (i >> bits, i & ((1 << bits) - 1));
                slack.get(a).map_or(0, |s| s[v] >> (16 * limb) & ((1 << width) - 1))
            });
        }
    }

    /// Writes how often each table entry is looked up. Keys outside their table count nowhere.
    pub fn count(&mut self, key: &ModelKey) {
        let d = &key.descriptor;
        let mut counts = vec![0u32; self.layout.table_entries];
        let first = |table: Table| {
            let found = self.layout.tables.iter().find(|(t, _)| *t == table);
            found.map_or((0, 0, 0), |&(t, at)| (at, t.entries(d), t.first_key(d)))
        };
        let rows = self.instance.rows();
        let positions = self.instance.positions;
        let off = first(Table::ExpOffMask).0;
        for lookup in &self.layout.lookups {
            let (at, entries, key0) = first(lookup.table);
            let base = F::from_i64(key0);
            for (i, &cell) in self.tensor(lookup.key).iter().enumerate() {
                if lookup.table == Table::ExpOnMask && (i / rows) % positions > i % positions {
                    counts[off] += u32::from(cell == F::ZERO);
                    continue;
                }
                let index = (cell - base).as_canonical_u64();
                if index < entries as u64 {
                    counts[at + index as usize] += 1;
                }
            }
        }
        let at = self.layout.multiplicities;
        self.cells[at..at + counts.len()].iter_mut().zip(counts).for_each(|(c, n)| *c = F::from_u32(n));
    }
}

/// Per answer, per token: how far its logit stays below the list's last one; 0 on the list.
fn slack(statement: &Statement, trace: &Trace) -> Vec<Vec<i64>> {
    let lists = statement.top_lists();
    lists
        .zip(&trace.logits)
        .map(|(list, logits)| {
            let (id_k, logit_k) = list[list.len() - 1];
            let mut slack: Vec<i64> =
                logits.iter().enumerate().map(|(v, &l)| logit_k - i64::from((v as u32) < id_k) - l).collect();
            list.iter().for_each(|&(id, _)| slack[id as usize] = 0);
            slack
        })
        .collect()
}

/// The statement's lists must be the model's.
fn check_answers(statement: &Statement, trace: &Trace) -> Result<(), ProveError> {
    let mut at = 0;
    for (sequence, s) in statement.sequences.iter().enumerate() {
        for (answer, list) in s.top.iter().enumerate() {
            let logits = &trace.logits[at];
            at += 1;
            let fail = |what| Err(ProveError::Answer { sequence, answer, what });
            if list.iter().any(|&(id, l)| logits[id as usize] != l) {
                return fail("logit");
            }
            let (id_k, logit_k) = list[list.len() - 1];
            let before = |v: u32, l: i64| l > logit_k || (l == logit_k && v < id_k);
            let better = logits.iter().enumerate().filter(|&(v, &l)| before(v as u32, l)).count();
            if better != list.len() - 1 {
                return fail("top list");
            }
        }
    }
    Ok(())
}
