//! One pass of some new tokens, of one or many sequences, through all layers.

use super::Engine;
use super::attention::{AttentionScratch, attend};
use super::cache::Cache;
use super::elementwise::{Gate, Norm, add_update, requantize, rms_norm, rotate, swiglu};
use super::matmul::{multiply, token_rows};
use super::packed::{GROUP, Inputs, Packed, TILE_ROWS};
use super::trace::LayerDigests;
use crate::model::Layer;

/// Most rows of one pass: enough to use each weight often, few enough to stay in the processor's caches.
pub(crate) const MAX_ROWS: usize = 48;

/// Multiplications that take as long as the work on one element of a row between two matrices, about.
const ELEMENT: usize = 16;

/// One new token of one sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Index of its cache.
    pub sequence: usize,
    /// Token id, below the vocabulary size.
    pub token: u32,
    /// Position in its sequence; rows of one sequence come in order and follow its cache.
    pub position: usize,
}

/// Buffers of one pass, reused from pass to pass.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Residual stream, `[row][dim]`.
    x: Vec<i32>,
    /// Normed inputs, `[row][dim]`.
    h: Vec<i32>,
    /// Rotated queries, `[row][q_width]`.
    q: Vec<i16>,
    /// Attention outputs, `[row][q_width]`.
    o: Vec<i32>,
    /// Gated values, `[row][hidden]`.
    z: Vec<i32>,
    pub(super) inputs: Inputs,
    /// Results of a matrix, `[block][row][16]`.
    pub(super) blocks: Vec<i64>,
    /// Results of one row.
    line: Vec<i64>,
    key: Vec<i16>,
    value: Vec<i16>,
    attention: AttentionScratch,
    /// Digests of what the layers make, where somebody asks for them.
    pub(super) digests: Option<LayerDigests>,
}

impl Engine {
    /// Runs `rows` (at most [`MAX_ROWS`]) through all layers, extends the caches, and leaves the normed outputs of
    /// the rows listed in `wanted` in `scratch`, for [`Engine::logits_of`] or [`Engine::best_of`].
    pub(crate) fn forward(
        &self,
        caches: &mut [Cache],
        rows: &[Row],
        wanted: &[usize],
        scratch: &mut Scratch,
    ) {
        let dim = self.model.shape.dim;
        scratch.x.clear();
        for row in rows {
            scratch.x.extend_from_slice(&self.model.embed[row.token as usize * dim..][..dim]);
        }
        for (index, layer) in self.model.layers.iter().enumerate() {
            self.attention(index, layer, caches, rows, scratch);
            self.feed_forward(index, layer, rows.len(), scratch);
            if let Some(digests) = &mut scratch.digests {
                digests.take(&scratch.x, dim);
            }
        }
        for row in rows {
            caches[row.sequence].len = row.position + 1;
        }
        let Scratch { x, h, inputs, .. } = scratch;
        h.resize(wanted.len() * dim, 0);
        let norm = self.norm(&self.model.final_gain, self.model.final_shift);
        for (&row, h) in wanted.iter().zip(h.chunks_exact_mut(dim)) {
            rms_norm(self.level, &norm, &x[row * dim..][..dim], h);
        }
        inputs.set(self.level, &self.packed.lm_head, h);
    }

    fn norm<'a>(&'a self, gain: &'a [i32], shift: u32) -> Norm<'a> {
        let m = &self.model;
        Norm { gain, shift, rsqrt: &m.rsqrt, emax: m.emax, eps_term: m.eps_term.cast_signed() }
    }

    /// Norms every row of `x` into `h`.
    fn norm_rows(&self, gain: &[i32], shift: u32, x: &[i32], h: &mut Vec<i32>) {
        let norm = self.norm(gain, shift);
        let dim = gain.len();
        h.resize(x.len(), 0);
        let norm_row = |(): &mut (), row: usize, h: &mut [i32]| {
            rms_norm(self.level, &norm, &x[row * dim..][..dim], h);
        };
        self.workers.for_pieces(h, dim, ELEMENT * x.len(), || (), norm_row);
    }

    /// `blocks = matrix * values`, the blocks shared among the threads.
    fn apply(&self, matrix: &Packed, values: &[i32], inputs: &mut Inputs, blocks: &mut Vec<i64>) {
        inputs.set(self.level, matrix, values);
        self.apply_to(matrix, inputs, blocks);
    }

    /// The same for inputs already set.
    pub(super) fn apply_to(&self, matrix: &Packed, inputs: &Inputs, blocks: &mut Vec<i64>) {
        let block = inputs.tokens * TILE_ROWS;
        let blocks = grown(blocks, matrix.blocks() * block);
        let cost = matrix.rows * matrix.columns * inputs.tokens;
        // One token is a matter of memory, read in long lines; many are one of arithmetic, shared evenly.
        let unit = match (self.workers.threads(), inputs.tokens) {
            (1, _) => matrix.blocks(),
            (_, 1) => GROUP,
            _ => matrix.group.min(4),
        };
        self.workers.for_pieces(
            blocks,
            unit * block,
            cost,
            || (),
            |(), index, piece| {
                multiply(self.level, matrix, index * unit, inputs, piece);
            },
        );
    }

    fn attention(
        &self,
        index: usize,
        layer: &Layer,
        caches: &mut [Cache],
        rows: &[Row],
        scratch: &mut Scratch,
    ) {
        let s = &self.model.shape;
        let (dim, head_dim, q_width, kv_width) = (s.dim, s.head_dim, s.q_width(), s.kv_width());
        let packed = &self.packed.layers[index];
        let Scratch { x, h, q, o, inputs, blocks, line, key, value, attention, .. } = scratch;
        self.norm_rows(&layer.norm1_gain, layer.norm1_shift, x, h);
        self.apply(&packed.qkv, h, inputs, blocks);

        let half = head_dim / 2;
        let line = grown(line, q_width + 2 * kv_width);
        let q = grown(q, rows.len() * q_width);
        let key = grown(key, kv_width);
        let value = grown(value, kv_width);
        for (number, (row, q)) in rows.iter().zip(q.chunks_exact_mut(q_width)).enumerate() {
            token_rows(blocks, rows.len(), number, 0, line);
            let cos = &self.model.rope_cos[row.position * half..][..half];
            let sin = &self.model.rope_sin[row.position * half..][..half];
            rotate(self.level, &line[..q_width], cos, sin, layer.q.shift, q);
            rotate(self.level, &line[q_width..q_width + kv_width], cos, sin, layer.k.shift, key);
            requantize(self.level, &line[q_width + kv_width..], layer.v.shift, value);
            let heads = key.chunks_exact(head_dim).zip(value.chunks_exact(head_dim));
            for (head, (key, value)) in heads.enumerate() {
                caches[row.sequence].push(index, head, row.position, key, value);
            }
        }

        let o = grown(o, rows.len() * q_width);
        let group = s.heads / s.kv_heads;
        let (q, caches) = (&*q, &*caches);
        let cost: usize = rows.iter().map(|row| 2 * (row.position + 1) * q_width).sum();
        let attend_row = |scratch: &mut AttentionScratch, number: usize, o: &mut [i32]| {
            let row = &rows[number];
            let queries = q[number * q_width..][..q_width].chunks_exact(head_dim);
            for (head, (query, o)) in queries.zip(o.chunks_exact_mut(head_dim)).enumerate() {
                let cache = caches[row.sequence].head(index, head / group);
                attend(
                    self.level,
                    cache,
                    query,
                    row.position + 1,
                    layer.score_shift,
                    &self.model.exp,
                    scratch,
                    o,
                );
            }
        };
        if self.workers.threads() == 1 {
            o.chunks_exact_mut(q_width).enumerate().for_each(|(number, o)| attend_row(attention, number, o));
        } else {
            self.workers.for_pieces(o, q_width, cost, AttentionScratch::default, attend_row);
        }

        self.apply(&packed.o, o, inputs, blocks);
        self.update(blocks, layer.o.shift, layer.o_bits, dim, x);
    }

    fn feed_forward(&self, index: usize, layer: &Layer, rows: usize, scratch: &mut Scratch) {
        let hidden = self.model.shape.hidden;
        let packed = &self.packed.layers[index];
        let Scratch { x, h, z, inputs, blocks, .. } = scratch;
        self.norm_rows(&layer.norm2_gain, layer.norm2_shift, x, h);
        self.apply(&packed.gate_up, h, inputs, blocks);
        let gate = Gate {
            silu: &layer.silu,
            bits: layer.gate_bits,
            shift: layer.gate.shift,
            up_shift: layer.up.shift,
            z_bits: layer.z_bits,
        };
        let z = grown(z, rows * hidden);
        let results = &*blocks;
        let gate_row = |line: &mut Vec<i64>, row: usize, z: &mut [i32]| {
            let line = grown(line, 2 * hidden);
            token_rows(results, rows, row, 0, line);
            let (a_gate, a_up) = line.split_at(hidden);
            swiglu(self.level, &gate, a_gate, a_up, z);
        };
        self.workers.for_pieces(z, hidden, 2 * ELEMENT * rows * hidden, Vec::new, gate_row);
        self.apply(&packed.down, z, inputs, blocks);
        self.update(blocks, layer.down.shift, layer.down_bits, self.model.shape.dim, x);
    }

    /// Adds the rounded and clamped results of a matrix to the residual stream.
    fn update(&self, blocks: &[i64], shift: u32, bits: u32, dim: usize, x: &mut [i32]) {
        let rows = x.len() / dim;
        let update_row = |line: &mut Vec<i64>, row: usize, x: &mut [i32]| {
            let line = grown(line, dim);
            token_rows(blocks, rows, row, 0, line);
            add_update(self.level, line, shift, bits, x);
        };
        self.workers.for_pieces(x, dim, ELEMENT * rows * dim, Vec::new, update_row);
    }
}

/// The first `len` places of a buffer that only ever grows: no time goes into clearing what is overwritten.
pub(super) fn grown<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}
