//! First stage: all relations at one random point. Their linear parts are a functional of the
//! witness; products and matrix products are left to the two sumchecks.
//!
//! Sum over relations of weight * relation = linear + constant + products + contractions = 0.

use crate::claims::PublicRows;
use crate::descriptor::Descriptor;
use crate::functional::{ColWeight, Functional, RowWeight, Run};
use crate::layout::{Layout, NORM_LIMBS, NormCells, Site, TensorId};
use crate::mle::{eq_index, eq_table, prefix_sums};
use crate::points::RelationPoints;
use crate::relation::{Relation, RelationWeights};
use crate::statement::{Instance, Statement};
use crate::tables::magnitude;
use alloc::vec::Vec;
use esper_commitment::{EF, F, PrimeCharacteristicRing};

/// Columns with weights, as a functional refers to them.
#[derive(Clone)]
pub struct Columns {
    /// Runs under `point`.
    pub runs: Vec<Run>,
    /// Index of the point in the functional.
    pub point: usize,
    /// Sum of all column weights.
    pub mass: EF,
}

/// Adds terms on tensors of one witness layout.
pub struct Board<'a> {
    /// The functional under construction.
    pub f: Functional,
    layout: &'a Layout,
}

impl<'a> Board<'a> {
    /// An empty board.
    pub fn new(layout: &'a Layout) -> Self {
        Self { f: Functional::default(), layout }
    }

    /// All `cols` columns under a point whose index space starts at column 0.
    pub fn plain(&mut self, cols: usize, point: &[EF]) -> Columns {
        let run = Run { coef: EF::ONE, column: 0, len: cols };
        Columns { runs: alloc::vec![run], point: self.f.point(point), mass: prefix_sums(point, cols).0 }
    }

    /// Columns given by runs.
    pub fn runs(&mut self, runs: (Vec<Run>, Vec<EF>), mass: EF) -> Columns {
        Columns { point: self.f.point(&runs.1), runs: runs.0, mass }
    }

    /// `coef * sum over weighted columns and rows` of a tensor.
    pub fn tensor(&mut self, coef: EF, id: TensorId, cols: &Columns, row: usize) {
        let t = self.layout.tensors[id];
        for r in &cols.runs {
            let offset = t.offset + (r.column << t.row_bits);
            self.f.push(coef * r.coef, offset, r.len, ColWeight::Eq(cols.point, 0), Some(row));
        }
    }

    /// `coef * sum over rows` of a tensor's single column.
    pub fn column(&mut self, coef: EF, id: TensorId, row: usize) {
        self.f.push(coef, self.layout.tensors[id].offset, 1, ColWeight::Ones, Some(row));
    }

    /// A linear form of tensors; returns the form's constant times `coef` and the columns' mass.
    pub fn form(&mut self, coef: EF, form: &(Vec<(TensorId, i64)>, i64), cols: &Columns, row: usize) -> EF {
        for &(id, k) in &form.0 {
            self.tensor(coef * F::from_i64(k), id, cols, row);
        }
        coef * F::from_i64(form.1) * cols.mass
    }

    /// Left side of a rounding: 2^s (N f + w) + rem - 2^(s-1). Returns its constant part.
    pub fn rounding(&mut self, coef: EF, site: &Site, cols: &Columns, row: usize) -> EF {
        let unit = coef * F::from_u64(1 << site.shift);
        let constant = self.form(unit, &site.w_form(), cols, row);
        if let Some([f, _, _]) = site.clamp {
            self.tensor(unit * F::from_i64(2 * magnitude(site.bits) + 1), f, cols, row);
        }
        self.limbs(coef, &site.rem, cols, row);
        constant - coef * F::from_u64(1 << (site.shift - 1)) * cols.mass
    }

    /// Little-endian limbs, each 16 bits above the one before.
    pub fn limbs(&mut self, coef: EF, limbs: &[(TensorId, u32)], cols: &Columns, row: usize) {
        for (i, &(id, _)) in limbs.iter().enumerate() {
            self.tensor(coef * F::from_u64(1 << (16 * i)), id, cols, row);
        }
    }

    /// Sum over key positions of each head's columns (head, key), times the heads' weights.
    pub fn key_sums(&mut self, coef: EF, id: TensorId, heads: &[EF], positions: usize, row: usize) {
        let t = self.layout.tensors[id];
        for (h, &w) in heads.iter().enumerate() {
            let offset = t.offset + ((h * positions) << t.row_bits);
            self.f.push(coef * w, offset, positions, ColWeight::Ones, Some(row));
        }
    }
}

/// Weights eq(kv, head / group) eq(member, head % group) of all heads.
pub fn head_weights(d: &Descriptor, kv: &[EF], member: &[EF]) -> Vec<EF> {
    (0..d.heads).map(|h| eq_index(kv, h / d.group()) * eq_index(member, h % d.group())).collect()
}

/// The rounding sites of a layer that can clamp, with their relations.
pub fn clamp_sites(layer: &crate::layout::LayerCells) -> [(&Site, Relation); 9] {
    [
        (&layer.norms[0].site, Relation::ClampNorm1),
        (&layer.norms[1].site, Relation::ClampNorm2),
        (&layer.q, Relation::ClampQ),
        (&layer.k, Relation::ClampK),
        (&layer.v, Relation::ClampV),
        (&layer.update_o, Relation::ClampUpdateO),
        (&layer.gate, Relation::ClampGate),
        (&layer.z, Relation::ClampZ),
        (&layer.update_down, Relation::ClampUpdateDown),
    ]
}

/// The linear stage: a functional of the witness and a public constant.
pub struct LinearStage {
    /// Linear parts of all relations.
    pub functional: Functional,
    /// Their constants.
    pub constant: EF,
}

struct Stage<'a> {
    d: &'a Descriptor,
    p: &'a RelationPoints,
    w: &'a RelationWeights,
    b: Board<'a>,
    row: usize,
    constant: EF,
}

impl Stage<'_> {
    fn rounding(&mut self, layer: usize, relation: Relation, site: &Site, cols: &Columns) {
        let row = self.row;
        self.constant += self.b.rounding(self.w.of(layer, relation), site, cols, row);
    }

    fn norm(&mut self, layer: usize, cells: &NormCells, relations: [Relation; 3], dim: &Columns) {
        let [division, bound, scale] = relations.map(|r| self.w.of(layer, r));
        let row = self.row;
        for (i, _) in NORM_LIMBS.iter().enumerate() {
            let unit = F::from_u64(1 << (16 * i));
            self.b.column((division - bound) * unit, cells.rem[0][i], row);
            self.b.column(-bound * unit, cells.rem[1][i], row);
        }
        self.b.column(bound, cells.exponent[1], row);
        self.constant -= bound;
        let eps = F::from_u64(self.d.eps_term) * F::from_u64(1 << self.d.t0());
        self.constant -= division * eps;
        self.constant += self.b.rounding(scale, &cells.site, dim, row);
    }

    fn clamp(&mut self, layer: usize, relation: Relation, site: &Site) {
        let Some([_, sigma, y]) = site.clamp else { return };
        let weight = self.w.of(layer, relation);
        let cols = self.b.plain(site.cols, self.p.cols(site.cols));
        let row = self.row;
        self.b.tensor(weight, y, &cols, row);
        self.b.tensor(-weight * F::from_i64(magnitude(site.bits)), sigma, &cols, row);
        self.constant += self.b.form(-weight, &site.w_form(), &cols, row);
    }
}

impl LinearStage {
    /// Builds the stage for a statement.
    pub fn new(
        d: &Descriptor,
        instance: &Instance,
        statement: &Statement,
        layout: &Layout,
        p: &RelationPoints,
        w: &RelationWeights,
    ) -> Self {
        let mut b = Board::new(layout);
        let row = b.f.row(RowWeight::Eq(p.row.clone()));
        let dim = b.plain(d.dim, p.cols(d.dim));
        let hidden = b.plain(d.hidden, p.cols(d.hidden));
        let kv = b.plain(d.kv_dim(), p.cols(d.kv_dim()));
        let mass = p.head_mass(d) * p.channel_mass(d);
        let heads = b.runs(p.head_channels(d), mass);
        let kv_heads = b.runs(p.kv_channels(d), prefix_sums(&p.kv, d.kv_heads).0 * p.channel_mass(d));
        let head_weights = head_weights(d, &p.kv, &p.member);
        let mut s = Stage { d, p, w, b, row, constant: EF::ZERO };
        for (l, cells) in layout.layers.iter().enumerate() {
            use Relation as R;
            s.norm(l, &cells.norms[0], [R::NormDivision1, R::NormBound1, R::NormScale1], &dim);
            s.norm(l, &cells.norms[1], [R::NormDivision2, R::NormBound2, R::NormScale2], &dim);
            s.rounding(l, R::RotaryQ, &cells.q, &heads);
            s.rounding(l, R::RotaryK, &cells.k, &kv_heads);
            s.rounding(l, R::Value, &cells.v, &kv);
            s.constant -= w.of(l, R::MaxCounted) * p.head_mass(d);
            let (division, bound) = (w.of(l, R::Division), w.of(l, R::DivisionBound));
            let z = (division + bound.double()) * p.channel_mass(d);
            s.b.key_sums(z, cells.exp, &head_weights, instance.positions, row);
            for i in 0..2 {
                let unit = F::from_u64(1 << (16 * i));
                s.b.tensor(-(division + bound) * unit, cells.division[0][i], &heads, row);
                s.b.tensor(-bound * unit, cells.division[1][i], &heads, row);
            }
            s.constant -= bound * mass;
            s.rounding(l, R::UpdateO, &cells.update_o, &dim);
            s.rounding(l, R::Gate, &cells.gate, &hidden);
            s.rounding(l, R::SwiGlu, &cells.z, &hidden);
            s.rounding(l, R::UpdateDown, &cells.update_down, &dim);
            for (site, relation) in clamp_sites(cells) {
                s.clamp(l, relation, site);
            }
        }
        let last = layout.layers.len();
        use Relation as R;
        let Some(cells) = &layout.final_norm else {
            return Self { functional: s.b.f, constant: s.constant };
        };
        s.norm(last, cells, [R::NormDivision1, R::NormBound1, R::NormScale1], &dim);
        s.clamp(last, R::ClampNorm1, &cells.site);
        let constant = s.constant + top_k(d, instance, statement, layout, p, w, &mut s.b);
        Self { functional: s.b.f, constant }
    }

    /// Adds the relation of a part that hands its residual on: what it hands on, less what it took, less the updates of
    /// its layers is 0. `handed` and `taken` are both residuals, folded by the row of the relations' point.
    pub fn with_boundary(
        self,
        d: &Descriptor,
        layout: &Layout,
        p: &RelationPoints,
        w: &RelationWeights,
        [taken, handed]: [&PublicRows; 2],
    ) -> Self {
        let weight = w.of(layout.layers.len(), Relation::Boundary);
        let col = p.cols(d.dim);
        let mut b = Board { f: self.functional, layout };
        let row = b.f.row(RowWeight::Eq(p.row.clone()));
        let dim = b.plain(d.dim, col);
        let mut constant = self.constant + weight * (handed.at(col) - taken.at(col));
        for site in layout.layers.iter().flat_map(|l| [&l.update_o, &l.update_down]) {
            constant += b.form(-weight, &site.output(), &dim, row);
        }
        Self { functional: b.f, constant }
    }
}

/// Slack terms of the top-K relations; returns their public part.
fn top_k(
    d: &Descriptor,
    instance: &Instance,
    statement: &Statement,
    layout: &Layout,
    p: &RelationPoints,
    w: &RelationWeights,
    b: &mut Board<'_>,
) -> EF {
    let last = layout.layers.len();
    let (top, listed) = (w.of(last, Relation::TopK), w.of(last, Relation::TopKListed));
    let answers = answer_weights(instance, p);
    let row = b.f.row(RowWeight::Dense(answers.clone()));
    let cols = b.plain(d.vocab, &p.vocab);
    let mut constant = EF::ZERO;
    for (i, &(id, _)) in layout.slack.iter().enumerate() {
        b.tensor(top * F::from_u64(1 << (16 * i)), id, &cols, row);
    }
    for (a, list) in statement.top_lists().enumerate() {
        let Some(&(id_k, logit_k)) = list.last() else { continue };
        let mut sum = -prefix_sums(&p.vocab, id_k as usize).0 + cols.mass * F::from_i64(logit_k);
        for &(id, logit) in list {
            let below = i64::from(id < id_k);
            sum += eq_index(&p.vocab, id as usize) * F::from_i64(logit - logit_k + below);
            for (i, &(slack, _)) in layout.slack.iter().enumerate() {
                let t = layout.tensors[slack];
                let cell = t.offset + ((id as usize) << t.row_bits) + a;
                b.f.push(listed * answers[a] * F::from_u64(1 << (16 * i)), cell, 1, ColWeight::Ones, None);
            }
        }
        constant -= top * answers[a] * sum;
    }
    constant
}

/// eq(answer point, a) for real answers, 0 for pads.
pub fn answer_weights(instance: &Instance, p: &RelationPoints) -> Vec<EF> {
    let mut w = eq_table(&p.answer, EF::ONE);
    w[instance.answers..].fill(EF::ZERO);
    w
}
