//! One pass of some new tokens through a float model; the twin of the integer engine's pass.

use super::FloatEngine;
use super::calibration::{Calibration, Site};
use super::elementwise::{add, rms_norm, rotate, softmax, swiglu};
use super::kernels::{BLOCK, FloatPacked, mix, multiply, scores};
use crate::engine::Row;
use crate::model::Shape;

/// Keys and values of one key/value head of one layer.
#[derive(Clone, Default)]
struct HeadCache {
    /// `[block of 16 keys][channel][16]`.
    keys: Vec<f32>,
    /// For each block of 16 channels `[position][16]`.
    values: Vec<Vec<f32>>,
}

/// Keys and values of one sequence.
#[derive(Clone)]
pub(crate) struct FloatCache {
    /// `[layer][kv_head]`, flat.
    heads: Vec<HeadCache>,
}

impl FloatCache {
    /// An empty cache.
    pub fn new(shape: &Shape) -> Self {
        let empty = HeadCache { keys: Vec::new(), values: vec![Vec::new(); shape.head_dim.div_ceil(BLOCK)] };
        Self { heads: vec![empty; shape.layers * shape.kv_heads] }
    }
}

impl HeadCache {
    fn push(&mut self, position: usize, key: &[f32], value: &[f32]) {
        if position.is_multiple_of(BLOCK) {
            self.keys.resize(self.keys.len() + BLOCK * key.len(), 0.0);
        }
        let block = &mut self.keys[position / BLOCK * BLOCK * key.len()..];
        for (channel, &k) in key.iter().enumerate() {
            block[channel * BLOCK + position % BLOCK] = k;
        }
        for (stored, value) in self.values.iter_mut().zip(value.chunks(BLOCK)) {
            stored.extend_from_slice(value);
            stored.resize((position + 1) * BLOCK, 0.0);
        }
    }
}

/// Buffers of one pass.
#[derive(Default)]
pub(crate) struct FloatScratch {
    x: Vec<f32>,
    h: Vec<f32>,
    q: Vec<f32>,
    o: Vec<f32>,
    z: Vec<f32>,
    /// Results of a matrix, `[block][row][16]`.
    blocks: Vec<f32>,
    /// Results of one row.
    line: Vec<f32>,
    attention: AttentionScratch,
    /// Where values are measured, if they are.
    pub calibration: Option<Calibration>,
}

/// Buffers of one thread.
#[derive(Default)]
struct AttentionScratch {
    scores: Vec<f32>,
    sums: Vec<f32>,
}

impl FloatEngine {
    /// Runs `rows` through all layers, extends the caches, and writes the logits of the rows listed in `wanted` one
    /// after the other to `logits`.
    pub(crate) fn forward(
        &self,
        caches: &mut [FloatCache],
        rows: &[Row],
        wanted: &[usize],
        scratch: &mut FloatScratch,
        logits: &mut Vec<f32>,
    ) {
        let dim = self.model.shape.dim;
        scratch.x.clear();
        for row in rows {
            scratch.x.extend_from_slice(&self.model.embed[row.token as usize * dim..][..dim]);
        }
        for layer in 0..self.model.shape.layers {
            self.attention(layer, caches, rows, scratch);
            self.feed_forward(layer, rows.len(), scratch);
        }
        let vocab = self.model.shape.vocab;
        logits.resize(wanted.len() * vocab, 0.0);
        if wanted.is_empty() {
            return;
        }
        let FloatScratch { x, h, blocks, calibration, .. } = scratch;
        h.resize(wanted.len() * dim, 0.0);
        for (&row, h) in wanted.iter().zip(h.chunks_exact_mut(dim)) {
            rms_norm(self.level, &x[row * dim..][..dim], &self.model.final_norm, self.model.norm_eps, h);
        }
        if let Some(calibration) = calibration {
            calibration.final_input.see(h);
            calibration.tokens += wanted.len() as u64;
        }
        self.apply(&self.packed.lm_head, h, blocks);
        for (index, out) in logits.chunks_exact_mut(vocab).enumerate() {
            token_rows(blocks, wanted.len(), index, out);
        }
    }

    fn norm_rows(&self, gain: &[f32], x: &[f32], h: &mut Vec<f32>) {
        h.resize(x.len(), 0.0);
        for (x, h) in x.chunks_exact(gain.len()).zip(h.chunks_exact_mut(gain.len())) {
            rms_norm(self.level, x, gain, self.model.norm_eps, h);
        }
    }

    fn apply(&self, matrix: &FloatPacked, values: &[f32], blocks: &mut Vec<f32>) {
        let block = values.len() / matrix.columns * BLOCK;
        blocks.resize(matrix.blocks() * block, 0.0);
        let cost = matrix.rows * values.len();
        let unit = if self.workers.threads() == 1 { matrix.blocks() } else { 8 };
        self.workers.for_pieces(
            blocks,
            unit * block,
            cost,
            || (),
            |(), index, piece| {
                multiply(self.level, matrix, index * unit, values, piece);
            },
        );
    }

    fn attention(&self, index: usize, caches: &mut [FloatCache], rows: &[Row], scratch: &mut FloatScratch) {
        let s = &self.model.shape;
        let (head_dim, q_width, kv_width) = (s.head_dim, s.q_width(), s.kv_width());
        let (half, group) = (head_dim / 2, s.heads / s.kv_heads);
        let packed = &self.packed.layers[index];
        let FloatScratch { x, h, q, o, blocks, line, attention, calibration, .. } = scratch;
        self.norm_rows(&self.model.layers[index].norm1, x, h);
        self.apply(&packed.qkv, h, blocks);
        q.resize(rows.len() * q_width, 0.0);
        line.resize(q_width + 2 * kv_width, 0.0);
        for (number, (row, q)) in rows.iter().zip(q.chunks_exact_mut(q_width)).enumerate() {
            token_rows(blocks, rows.len(), number, line);
            let cos = &self.cos[row.position * half..][..half];
            let sin = &self.sin[row.position * half..][..half];
            rotate(self.level, &mut line[..q_width + kv_width], cos, sin);
            let (query, rest) = line.split_at(q_width);
            let (key, value) = rest.split_at(kv_width);
            q.copy_from_slice(query);
            let heads = &mut caches[row.sequence].heads[index * s.kv_heads..][..s.kv_heads];
            let pairs = key.chunks_exact(head_dim).zip(value.chunks_exact(head_dim));
            heads.iter_mut().zip(pairs).for_each(|(cache, (k, v))| cache.push(row.position, k, v));
            if let Some(calibration) = calibration {
                calibration.see(index, Site::Key, key);
                calibration.see(index, Site::Value, value);
            }
        }
        o.resize(rows.len() * q_width, 0.0);
        let (q, caches) = (&*q, &*caches);
        let scale = 1.0 / (head_dim as f32).sqrt();
        let attend_row = |scratch: &mut AttentionScratch,
                          number: usize,
                          o: &mut [f32],
                          mut see: Option<&mut Calibration>| {
            let row = &rows[number];
            let queries = q[number * q_width..][..q_width].chunks_exact(head_dim);
            for (head, (query, o)) in queries.zip(o.chunks_exact_mut(head_dim)).enumerate() {
                let cache = &caches[row.sequence].heads[index * s.kv_heads + head / group];
                let len = row.position + 1;
                let AttentionScratch { scores: all, sums } = scratch;
                all.resize(len.next_multiple_of(BLOCK), 0.0);
                scores(self.level, &cache.keys, query, all);
                if let Some(calibration) = see.as_deref_mut() {
                    let scaled: Vec<f32> = all[..len].iter().map(|s| s * scale).collect();
                    calibration.see_scores(index, &scaled);
                }
                let total = softmax(self.level, &mut all[..len], scale);
                sums.resize(head_dim.next_multiple_of(BLOCK), 0.0);
                mix(self.level, &cache.values, &all[..len], sums);
                o.iter_mut().zip(sums.iter()).for_each(|(o, sum)| *o = sum / total);
            }
        };
        if self.workers.threads() == 1 || calibration.is_some() {
            for (number, o) in o.chunks_exact_mut(q_width).enumerate() {
                attend_row(attention, number, o, calibration.as_mut());
            }
        } else {
            let cost: usize = rows.iter().map(|row| 2 * (row.position + 1) * q_width).sum();
            self.workers.for_pieces(o, q_width, cost, AttentionScratch::default, |scratch, number, o| {
                attend_row(scratch, number, o, None);
            });
        }
        if let Some(calibration) = calibration {
            calibration.see(index, Site::AttentionInput, h);
            calibration.see(index, Site::Query, q);
            calibration.see(index, Site::AttentionOutput, o);
        }
        self.apply(&packed.o, o, blocks);
        self.update(blocks, line, x, |update| {
            if let Some(calibration) = calibration {
                calibration.see(index, Site::AttentionUpdate, update);
            }
        });
    }

    fn feed_forward(&self, index: usize, rows: usize, scratch: &mut FloatScratch) {
        let hidden = self.model.shape.hidden;
        let packed = &self.packed.layers[index];
        let FloatScratch { x, h, z, blocks, line, calibration, .. } = scratch;
        self.norm_rows(&self.model.layers[index].norm2, x, h);
        self.apply(&packed.gate_up, h, blocks);
        z.resize(rows * hidden, 0.0);
        line.resize(2 * hidden, 0.0);
        for (row, z) in z.chunks_exact_mut(hidden).enumerate() {
            token_rows(blocks, rows, row, line);
            let (gate, up) = line.split_at(hidden);
            swiglu(self.level, gate, up, z);
            if let Some(calibration) = calibration {
                calibration.see(index, Site::Gate, gate);
                calibration.see(index, Site::Up, up);
            }
        }
        self.apply(&packed.down, z, blocks);
        self.update(blocks, line, x, |update| {
            if let Some(calibration) = calibration {
                calibration.see(index, Site::FeedForwardUpdate, update);
            }
        });
        if let Some(calibration) = calibration {
            calibration.see(index, Site::FeedForwardInput, h);
            calibration.see(index, Site::Gated, z);
            calibration.see(index, Site::Residual, x);
        }
    }

    /// Adds the results of a matrix to the residual stream, showing each row to `see`.
    fn update(&self, blocks: &[f32], line: &mut Vec<f32>, x: &mut [f32], mut see: impl FnMut(&[f32])) {
        let dim = self.model.shape.dim;
        line.resize(dim, 0.0);
        let rows = x.len() / dim;
        for (row, x) in x.chunks_exact_mut(dim).enumerate() {
            token_rows(blocks, rows, row, line);
            see(line);
            add(self.level, line, x);
        }
    }
}

/// Copies the results of one token out of the blocks `[block][token][16]`.
fn token_rows(blocks: &[f32], tokens: usize, token: usize, out: &mut [f32]) {
    let mine = blocks.chunks_exact(BLOCK).skip(token).step_by(tokens);
    for (out, block) in out.chunks_mut(BLOCK).zip(mine) {
        out.copy_from_slice(&block[..out.len()]);
    }
}
