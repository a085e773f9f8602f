//! The published integers of one model.

/// Sizes of a Llama-like decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shape {
    /// Number of token ids.
    pub vocab: usize,
    /// Width of the residual stream.
    pub dim: usize,
    /// Width of the feed-forward layer.
    pub hidden: usize,
    /// Number of decoder layers.
    pub layers: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// Longest sequence, in tokens.
    pub max_seq: usize,
}

impl Shape {
    /// Width of all query heads together.
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// One matrix: `A[o] = mult[o] * Σ_k weight[o][k] * h[k]`, used as `RS(A, shift)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Rows (outputs).
    pub out: usize,
    /// Columns (inputs).
    pub inp: usize,
    /// `[out][inp]`, each in [-127, 127].
    pub weight: Vec<i8>,
    /// `[out]`, each at least 1.
    pub mult: Vec<i32>,
    /// Bits dropped after the multiplier; 0 for lm_head, whose logits are never shifted.
    pub shift: u32,
}

impl Linear {
    /// A matrix without outputs, where there is none.
    pub fn none(inp: usize) -> Self {
        Self { out: 0, inp, weight: vec![], mult: vec![], shift: 0 }
    }
}

/// One decoder layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `[dim]` gains of the norm before attention.
    pub norm1_gain: Vec<i32>,
    /// Bits dropped by that norm.
    pub norm1_shift: u32,
    /// `[dim]` gains of the norm before the feed-forward part.
    pub norm2_gain: Vec<i32>,
    /// Bits dropped by that norm.
    pub norm2_shift: u32,
    /// Queries, `[q_width][dim]`.
    pub q: Linear,
    /// Keys, `[kv_width][dim]`.
    pub k: Linear,
    /// Values, `[kv_width][dim]`.
    pub v: Linear,
    /// Attention output, `[dim][q_width]`.
    pub o: Linear,
    /// Gate, `[hidden][dim]`.
    pub gate: Linear,
    /// Up projection, `[hidden][dim]`.
    pub up: Linear,
    /// Down projection, `[dim][hidden]`.
    pub down: Linear,
    /// Bits dropped from a score difference before the table of exponentials; 1 to 16.
    pub score_shift: u32,
    /// `2^gate_bits` entries, index `g + 2^(gate_bits-1)`.
    pub silu: Vec<i16>,
    /// Width of the gate: 16 or 12.
    pub gate_bits: u32,
    /// Width of z: 16, or 18, 20, 22, 24 in a layer with massive activations.
    pub z_bits: u32,
    /// Width of the attention update of the residual stream: even, 16 to 26.
    pub o_bits: u32,
    /// Width of the feed-forward update of the residual stream: even, 16 to 26.
    pub down_bits: u32,
}

impl Layer {
    /// The seven matrices with their names in the file, in the order of the canonical bytes.
    pub fn linears(&self) -> [(&'static str, &Linear); 7] {
        [
            ("q_proj", &self.q),
            ("k_proj", &self.k),
            ("v_proj", &self.v),
            ("o_proj", &self.o),
            ("gate_proj", &self.gate),
            ("up_proj", &self.up),
            ("down_proj", &self.down),
        ]
    }
}

/// A whole model: nothing but integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Sizes.
    pub shape: Shape,
    /// Decoder layers, first to last.
    pub layers: Vec<Layer>,
    /// `[vocab][dim]`, with `frac_bits` fraction bits.
    pub embed: Vec<i32>,
    /// `[vocab][dim]` output matrix; `shift` is 0.
    pub lm_head: Linear,
    /// `[dim]` gains of the last norm.
    pub final_gain: Vec<i32>,
    /// Bits dropped by the last norm.
    pub final_shift: u32,
    /// 4096 entries of `32767 * exp(-i/256)`.
    pub exp: Vec<i32>,
    /// 4096 entries of `2^17 / sqrt(i + 1/2)`; indices 1024 to 4095 are used.
    pub rsqrt: Vec<i32>,
    /// `[max_seq][head_dim/2]`, 16 fraction bits.
    pub rope_cos: Vec<i32>,
    /// `[max_seq][head_dim/2]`, 16 fraction bits.
    pub rope_sin: Vec<i32>,
    /// Largest admitted exponent `e` of a norm: `e = (bitlen(V) - 1) >> 1`.
    pub emax: u32,
    /// Added to the sum of squares of every norm; at least 1.
    pub eps_term: u64,
    /// Fraction bits of the residual stream.
    pub frac_bits: u32,
    /// Token that starts every sequence.
    pub bos: u32,
    /// Token that ends an answer.
    pub eos: u32,
    /// SHA3-512 of the canonical bytes of everything above; see `docs/g16-format.md`.
    pub integers_hash: [u8; 64],
}
