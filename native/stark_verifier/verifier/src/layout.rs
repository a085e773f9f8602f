//! Which cells a proof commits, where they stand, and which table each is looked up in.
//!
//! Cells that are looked up come first: a cell's index is then its leaf's index. A tensor is a block
//! [columns][2^row_bits], rows lowest. Multiplicities come last.

use crate::descriptor::{ClampClass, Descriptor};
use crate::mle::index_bits;
use crate::modes::Modes;
use crate::relation::table_enabled;
use crate::statement::Instance;
use crate::tables::{Table, division_top_bits, magnitude, remainder_limbs, slack_top_bits};
use alloc::vec;
use alloc::vec::Vec;
use esper_commitment::Size;

/// Index into [`Layout::tensors`].
pub type TensorId = usize;

/// A block of cells.
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    /// First cell.
    pub offset: usize,
    /// Columns.
    pub cols: usize,
    /// log2 of the rows of a column.
    pub row_bits: usize,
}

impl Tensor {
    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.cols << self.row_bits
    }
}

/// A looked-up tensor with the tensors of the same shape that stand beside it in the key.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// First component of the key.
    pub key: TensorId,
    /// Table; for softmax differences the one on the mask.
    pub table: Table,
    /// Second and third component.
    pub partners: [Option<TensorId>; 2],
}

impl Lookup {
    /// Whether the lookup weighs anything: always, but where a test takes its table out.
    pub fn counts(&self) -> bool {
        table_enabled(self.table.tag())
    }
}

/// Where the clamped value w of a rounding site stands.
#[derive(Clone, Copy, Debug)]
pub enum Ranged {
    /// One cell.
    One(TensorId),
    /// w = low + (2^(b/2) + 1) high - Mx.
    Two(TensorId, TensorId),
}

/// Cells of `y = sat_b(RS(A, s))` (PROOF_SPEC section 1).
#[derive(Clone, Debug)]
pub struct Site {
    /// Columns.
    pub cols: usize,
    /// Width b.
    pub bits: u32,
    /// Shift s.
    pub shift: u32,
    /// w.
    pub w: Ranged,
    /// Limbs of the remainder with their widths, lowest first.
    pub rem: Vec<(TensorId, u32)>,
    /// (f, sigma, y) with the clamp on.
    pub clamp: Option<[TensorId; 3]>,
}

impl Site {
    /// Linear form of w: tensors with integer coefficients, and a constant.
    pub fn w_form(&self) -> (Vec<(TensorId, i64)>, i64) {
        match self.w {
            Ranged::One(w) => (vec![(w, 1)], 0),
            Ranged::Two(low, high) => {
                (vec![(low, 1), (high, (1 << (self.bits / 2)) + 1)], -magnitude(self.bits))
            }
        }
    }

    /// Linear form of the output y.
    pub fn output(&self) -> (Vec<(TensorId, i64)>, i64) {
        self.clamp.map_or_else(|| self.w_form(), |[_, _, y]| (vec![(y, 1)], 0))
    }
}

/// Cells of a norm: per-row cells, and its rounding site.
#[derive(Clone, Debug)]
pub struct NormCells {
    /// Exponent e, P and Q.
    pub exponent: [TensorId; 3],
    /// idx and rs.
    pub index: [TensorId; 2],
    /// Limbs of rem, then of P - 1 - rem: three U16 and one U4 each.
    pub rem: [[TensorId; 4]; 2],
    /// Normed input.
    pub site: Site,
}

/// Limb widths of a norm's remainders.
pub const NORM_LIMBS: [u32; 4] = [16, 16, 16, 4];

/// Cells of one layer.
#[derive(Clone, Debug)]
pub struct LayerCells {
    /// Before attention and before the MLP.
    pub norms: [NormCells; 2],
    /// Queries, keys (rotated), values.
    pub q: Site,
    /// Keys.
    pub k: Site,
    /// Values.
    pub v: Site,
    /// D', columns (head, key position).
    pub diff: TensorId,
    /// Remainder below a half unit; none when that is one unit.
    pub diff_rem: Option<TensorId>,
    /// Limbs of the overflow O.
    pub overflow: Vec<TensorId>,
    /// exp values.
    pub exp: TensorId,
    /// One-hot of a key that reaches the maximum.
    pub reached: TensorId,
    /// Row maxima, one column a head.
    pub max: TensorId,
    /// Attention output, columns (head, channel).
    pub o: TensorId,
    /// Limbs (16 bits, top) of the division remainder and of 2 Z - 1 - remainder.
    pub division: [[TensorId; 2]; 2],
    /// Update by the attention output.
    pub update_o: Site,
    /// Gate; its output is looked up with `silu`.
    pub gate: Site,
    /// silu of the gate.
    pub silu: TensorId,
    /// silu * up.
    pub z: Site,
    /// Update by the MLP output.
    pub update_down: Site,
}

/// The witness polynomial of one proof.
#[derive(Clone, Debug)]
pub struct Layout {
    /// All tensors.
    pub tensors: Vec<Tensor>,
    /// All lookups.
    pub lookups: Vec<Lookup>,
    /// Layers.
    pub layers: Vec<LayerCells>,
    /// Final norm, where the output head is.
    pub final_norm: Option<NormCells>,
    /// Limbs of the top-K slack with their widths: columns = vocabulary, rows = answers; none without the head.
    pub slack: Vec<(TensorId, u32)>,
    /// Tables in leaf order, with the index of their first entry among all entries.
    pub tables: Vec<(Table, usize)>,
    /// Looked-up cells: 0..lookup_cells.
    pub lookup_cells: usize,
    /// Entries of all tables.
    pub table_entries: usize,
    /// First multiplicity cell.
    pub multiplicities: usize,
    /// Variables of the witness polynomial.
    pub num_vars: usize,
    /// Its columns that may hold other cells than 0.
    pub width: usize,
    /// Variables of the lookup argument's leaves.
    pub leaf_vars: usize,
}

/// Order of placement: softmax differences first, so that their position bits stay aligned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Region {
    Differences,
    Rows,
    Slack,
    Plain,
}

struct Builder<'a> {
    d: &'a Descriptor,
    modes: &'a Modes,
    row_bits: usize,
    tensors: Vec<Tensor>,
    regions: Vec<Region>,
    lookups: Vec<Lookup>,
}

impl Builder<'_> {
    fn tensor(&mut self, region: Region, cols: usize, row_bits: usize) -> TensorId {
        self.tensors.push(Tensor { offset: 0, cols, row_bits });
        self.regions.push(region);
        self.tensors.len() - 1
    }

    fn plain(&mut self, cols: usize) -> TensorId {
        self.tensor(Region::Plain, cols, self.row_bits)
    }

    fn keyed(&mut self, cols: usize, table: Table, partners: [Option<TensorId>; 2]) -> TensorId {
        let key = self.tensor(Region::Rows, cols, self.row_bits);
        self.lookups.push(Lookup { key, table, partners });
        key
    }

    fn limb(&mut self, cols: usize, bits: u32) -> TensorId {
        self.keyed(cols, Table::Unsigned(bits), [None; 2])
    }

    fn remainder(&mut self, cols: usize, shift: u32) -> Vec<(TensorId, u32)> {
        remainder_limbs(shift).into_iter().map(|b| (self.limb(cols, b), b)).collect()
    }

    fn clamp(&mut self, cols: usize, class: ClampClass, bits: u32) -> Option<[TensorId; 3]> {
        self.modes.clamps(class).then(|| {
            let sigma = self.plain(cols);
            let f = self.keyed(cols, Table::clamp_sign(class, bits), [Some(sigma), None]);
            [f, sigma, self.plain(cols)]
        })
    }

    fn site(&mut self, class: ClampClass, cols: usize, bits: u32, shift: u32, wide: bool) -> Site {
        let w = if wide {
            let low = self.keyed(cols, Table::WideLow(bits), [None; 2]);
            Ranged::Two(low, self.keyed(cols, Table::WideHigh(bits), [None; 2]))
        } else {
            Ranged::One(self.keyed(cols, Table::Signed(16), [None; 2]))
        };
        let rem = self.remainder(cols, shift);
        Site { cols, bits, shift, w, rem, clamp: self.clamp(cols, class, bits) }
    }

    /// The gate's output is ranged by the silu lookup; with the clamp on, w has a range of its own.
    fn gate(&mut self, layer: usize, cols: usize, bits: u32, shift: u32) -> (Site, TensorId) {
        let silu = self.plain(cols);
        let output = self.keyed(cols, Table::Silu(layer as u32), [Some(silu), None]);
        let rem = self.remainder(cols, shift);
        let class = ClampClass::Gate;
        let (w, clamp) = if self.modes.clamps(class) {
            let w = self.keyed(cols, Table::Signed(bits), [None; 2]);
            let sigma = self.plain(cols);
            let f = self.keyed(cols, Table::clamp_sign(class, bits), [Some(sigma), None]);
            (w, Some([f, sigma, output]))
        } else {
            (output, None)
        };
        (Site { cols, bits, shift, w: Ranged::One(w), rem, clamp }, silu)
    }

    fn norm(&mut self, shift: u32) -> NormCells {
        let (p, q, rs) = (self.plain(1), self.plain(1), self.plain(1));
        let e = self.keyed(1, Table::NormExponent, [Some(p), Some(q)]);
        let idx = self.keyed(1, Table::Rsqrt, [Some(rs), None]);
        let rem = [(); 2].map(|()| NORM_LIMBS.map(|b| self.limb(1, b)));
        let site = self.site(ClampClass::Norm, self.d.dim, 16, shift, false);
        NormCells { exponent: [e, p, q], index: [idx, rs], rem, site }
    }

    fn layer(&mut self, layer: usize, instance: &Instance) -> LayerCells {
        let d = self.d;
        let l = &d.layers[layer];
        let wide = self.modes.wide[layer];
        let pairs = d.heads * instance.positions;
        let exp = self.plain(pairs);
        let diff = self.tensor(Region::Differences, pairs, self.row_bits);
        self.lookups.push(Lookup { key: diff, table: Table::ExpOnMask, partners: [Some(exp), None] });
        let diff_rem = (l.score_shift > 1).then(|| self.limb(pairs, l.score_shift - 1));
        let overflow = (0..self.modes.overflow).map(|_| self.limb(pairs, 16)).collect();
        let norms = [self.norm(l.norm1_shift), self.norm(l.norm2_shift)];
        let [qs, ks, vs, os, gs, us, ds] = l.shifts;
        let q = self.site(ClampClass::Qk, d.q_dim(), 16, qs + 16, false);
        let k = self.site(ClampClass::Qk, d.kv_dim(), 16, ks + 16, false);
        let v = self.site(ClampClass::V, d.kv_dim(), 16, vs, false);
        let o = self.keyed(d.q_dim(), Table::Signed(16), [None; 2]);
        let top = division_top_bits(instance.positions);
        let division = [(); 2].map(|()| [self.limb(d.q_dim(), 16), self.limb(d.q_dim(), top)]);
        let update_o = self.site(ClampClass::UpdateO, d.dim, l.o_bits, os, wide.o);
        let (gate, silu) = self.gate(layer, d.hidden, l.gate_bits, gs);
        let z = self.site(ClampClass::Z, d.hidden, l.z_bits, us, wide.z);
        let update_down = self.site(ClampClass::UpdateDown, d.dim, l.down_bits, ds, wide.down);
        LayerCells {
            norms,
            q,
            k,
            v,
            diff,
            diff_rem,
            overflow,
            exp,
            reached: self.plain(pairs),
            max: self.plain(d.heads),
            o,
            division,
            update_o,
            gate,
            silu,
            z,
            update_down,
        }
    }

    /// Places all tensors of a region from `at` on, each aligned to its rows.
    fn place(&mut self, region: Region, mut at: usize) -> usize {
        for (t, _) in self.tensors.iter_mut().zip(&self.regions).filter(|(_, r)| **r == region) {
            at = at.next_multiple_of(1 << t.row_bits);
            t.offset = at;
            at += t.cells();
        }
        at
    }
}

impl Layout {
    /// The layout that follows from a model, sizes and modes.
    pub fn new(d: &Descriptor, instance: &Instance, modes: &Modes) -> Self {
        let row_bits = instance.row_bits();
        let mut b = Builder { d, modes, row_bits, tensors: vec![], regions: vec![], lookups: vec![] };
        let layers: Vec<LayerCells> = (0..d.layers.len()).map(|l| b.layer(l, instance)).collect();
        let final_norm = d.has_head().then(|| b.norm(d.final_shift));
        let mut widths = if d.has_head() { vec![16, 16] } else { vec![] };
        if d.has_head() && modes.slack_top {
            widths.push(slack_top_bits(d.logit_bound));
        }
        let slack: Vec<(TensorId, u32)> = widths
            .into_iter()
            .map(|bits| {
                let key = b.tensor(Region::Slack, d.vocab, instance.answer_bits());
                b.lookups.push(Lookup { key, table: Table::Unsigned(bits), partners: [None; 2] });
                (key, bits)
            })
            .collect();
        let mut kinds: Vec<Table> = b.lookups.iter().map(|l| l.table).collect();
        kinds.push(Table::ExpOffMask);
        kinds.sort_unstable();
        kinds.dedup();
        let mut table_entries = 0;
        let tables = kinds
            .into_iter()
            .map(|t| {
                table_entries += t.entries(d);
                (t, table_entries - t.entries(d))
            })
            .collect();
        let at = b.place(Region::Differences, 0);
        let at = b.place(Region::Rows, at);
        // Slack columns are never longer than rows, so everything before is aligned for them.
        let lookup_cells = b.place(Region::Slack, at);
        let multiplicities = b.place(Region::Plain, lookup_cells);
        let size = Size::of(multiplicities + table_entries);
        Self {
            num_vars: size.num_vars,
            width: size.width,
            leaf_vars: index_bits(lookup_cells + table_entries),
            tensors: b.tensors,
            lookups: b.lookups,
            layers,
            final_norm,
            slack,
            tables,
            lookup_cells,
            table_entries,
            multiplicities,
        }
    }

    /// Runs (first entry, entries) of the table entries whose multiplicities count: one run over all
    /// of them, but where a test takes tables out.
    pub fn counted_entries(&self, d: &Descriptor) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = vec![];
        for &(table, first) in &self.tables {
            // Keys off the mask belong to the lookups of those on it.
            let with = if table == Table::ExpOffMask { Table::ExpOnMask } else { table };
            match runs.last_mut() {
                _ if !table_enabled(with.tag()) => {}
                Some(run) if run.0 + run.1 == first => run.1 += table.entries(d),
                _ => runs.push((first, table.entries(d))),
            }
        }
        runs
    }

    /// Size of the witness polynomial.
    pub fn size(&self) -> Size {
        Size { num_vars: self.num_vars, width: self.width }
    }

    /// First leaf of the tables.
    pub fn table_leaves(&self) -> usize {
        self.lookup_cells
    }
}
