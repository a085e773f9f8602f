//! Where each integer of the model stands in the model polynomial.
//!
//! Matrices hold `Weff = multiplier * weight`. Their input dimension is split in binary: piece p of
//! 2^b inputs is a block [outputs][2^b], aligned to 2^b, so that no padding is committed.

use crate::descriptor::{Descriptor, LinearKind};
use alloc::vec::Vec;

/// A block [outputs][2^bits] with the inputs `first..first + 2^bits` of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// First cell, a multiple of 2^bits.
    pub offset: usize,
    /// First input.
    pub first: usize,
    /// log2 of the number of inputs.
    pub bits: usize,
}

/// Place of one matrix.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Number of outputs (rows).
    pub outputs: usize,
    /// Number of inputs.
    pub inputs: usize,
    /// Pieces, largest first.
    pub pieces: Vec<Piece>,
}

/// Places of one layer.
#[derive(Clone, Debug)]
pub struct ModelLayerLayout {
    /// q, k, v, o, gate, up, down.
    pub linear: Vec<Matrix>,
    /// Gains of the two norms.
    pub gains: [usize; 2],
    /// Silu table without its unused lowest entry: 2^gate_bits - 1 values.
    pub silu: usize,
}

/// Places of the output head.
#[derive(Clone, Debug)]
pub struct HeadLayout {
    /// Output matrix.
    pub lm_head: Matrix,
    /// Gain of the final norm.
    pub final_gain: usize,
}

/// Places of all integers.
#[derive(Clone, Debug)]
pub struct ModelLayout {
    /// The layers.
    pub layers: Vec<ModelLayerLayout>,
    /// Output head, where the model's last layer is.
    pub head: Option<HeadLayout>,
    /// cos, [head_dim / 2][max_seq].
    pub cos: usize,
    /// sin, [head_dim / 2][max_seq].
    pub sin: usize,
    /// exp at half-unit resolution: entry i is exp[min((i + 1) >> 1, 4095)], i < 32767.
    pub exp: usize,
    /// rsqrt entries 1024..=4095.
    pub rsqrt: usize,
    /// Cells in all.
    pub cells: usize,
}

/// Entries of the exp table looked up on the mask: D' = 1..=32767, that is
/// 64 nats below the maximum. The model's own 4,096 entries are continued by their last one, so that an overflow
/// column is hardly ever needed.
pub const EXP_ENTRIES: usize = (1 << 15) - 1;
/// First used entry of the rsqrt table.
pub const RSQRT_FIRST: usize = 1024;
/// Used entries of the rsqrt table.
pub const RSQRT_ENTRIES: usize = 3072;

struct Cursor(usize);

impl Cursor {
    fn take(&mut self, n: usize) -> usize {
        self.0 += n;
        self.0 - n
    }

    fn matrix(&mut self, outputs: usize, inputs: usize) -> Matrix {
        let mut pieces = Vec::new();
        let mut first = 0;
        for bits in (0..usize::BITS as usize).rev().filter(|&b| inputs >> b & 1 == 1) {
            self.0 = self.0.next_multiple_of(1 << bits);
            pieces.push(Piece { offset: self.take(outputs << bits), first, bits });
            first += 1 << bits;
        }
        Matrix { outputs, inputs, pieces }
    }
}

impl ModelLayout {
    /// The layout of a model or a part of one; depends on the shape alone.
    pub fn new(d: &Descriptor) -> Self {
        let mut c = Cursor(0);
        let lm_head = d.has_head().then(|| c.matrix(d.vocab, d.dim));
        let mut layers: Vec<ModelLayerLayout> = d
            .layers
            .iter()
            .map(|_| {
                let shapes = [
                    (d.q_dim(), d.dim),
                    (d.kv_dim(), d.dim),
                    (d.kv_dim(), d.dim),
                    (d.dim, d.q_dim()),
                    (d.hidden, d.dim),
                    (d.hidden, d.dim),
                    (d.dim, d.hidden),
                ];
                let linear = shapes.iter().map(|&(o, i)| c.matrix(o, i)).collect();
                ModelLayerLayout { linear, gains: [0; 2], silu: 0 }
            })
            .collect();
        for (place, l) in layers.iter_mut().zip(&d.layers) {
            place.gains = [c.take(d.dim), c.take(d.dim)];
            place.silu = c.take((1 << l.gate_bits) - 1);
        }
        let head = lm_head.map(|lm_head| HeadLayout { lm_head, final_gain: c.take(d.dim) });
        let cos = c.take(d.head_dim / 2 * d.max_seq);
        let sin = c.take(d.head_dim / 2 * d.max_seq);
        let (exp, rsqrt) = (c.take(EXP_ENTRIES), c.take(RSQRT_ENTRIES));
        Self { layers, head, cos, sin, exp, rsqrt, cells: c.0 }
    }

    /// A layer's matrix.
    pub fn linear(&self, layer: usize, kind: LinearKind) -> &Matrix {
        &self.layers[layer].linear[kind as usize]
    }
}
