//! The model descriptor: everything about a model that a verifier needs, hashed to model_id.

use alloc::vec::Vec;
use esper_commitment::{Root, Size};
use esper_digest::{Tag, tagged_sha3_512};

/// Version of relations, layout and transcript: part of model_id.
pub const SPEC_VERSION: u32 = 2;
/// The same of a proof in parts: the version in the descriptor of a part.
pub const PART_VERSION: u32 = 3;
/// Tag of model_id.
const MODEL_ID_TAG: Tag = match Tag::new("esper/model/id/v1") {
    Ok(tag) => tag,
    Err(_) => panic!("a short printable tag"),
};

/// Tag of a part's id.
const PART_ID_TAG: Tag = match Tag::new("esper/model/part/v1") {
    Ok(tag) => tag,
    Err(_) => panic!("a short printable tag"),
};

/// Classes of rounding sites that can clamp; the order is that of the mode mask's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClampClass {
    /// Normed inputs.
    Norm,
    /// Queries and keys after the rotation.
    Qk,
    /// Values.
    V,
    /// Gate.
    Gate,
    /// Product of silu and up.
    Z,
    /// Residual update of the attention output.
    UpdateO,
    /// Residual update of the MLP output.
    UpdateDown,
}

/// Number of clamp classes.
pub const CLAMP_CLASSES: usize = 7;

/// Integers of one layer that shape relations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerDescriptor {
    /// Shift of the first norm.
    pub norm1_shift: u32,
    /// Shift of the second norm.
    pub norm2_shift: u32,
    /// Score shift, 1..=16.
    pub score_shift: u32,
    /// Gate width, 12 or 16.
    pub gate_bits: u32,
    /// Width of silu times up, even, 16..=24.
    pub z_bits: u32,
    /// Width of the o update, even, 16..=26.
    pub o_bits: u32,
    /// Width of the down update, even, 16..=26.
    pub down_bits: u32,
    /// Shifts of q, k, v, o, gate, up (always 32 with silu), down.
    pub shifts: [u32; 7],
}

/// Index of a linear layer in [`LayerDescriptor::shifts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum LinearKind {
    /// Query projection.
    Q,
    /// Key projection.
    K,
    /// Value projection.
    V,
    /// Output projection.
    O,
    /// Gate projection.
    Gate,
    /// Up projection.
    Up,
    /// Down projection.
    Down,
}

/// Which layers a descriptor is about, where a model is proven in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Index of the part, from 0: the first has the embedding.
    pub index: usize,
    /// Parts of the model: the last has the output head.
    pub count: usize,
    /// Its first layer, counted through the model.
    pub first_layer: usize,
    /// Layers of the whole model.
    pub all_layers: usize,
}

/// What the proof carries of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Vocabulary size.
    pub vocab: usize,
    /// Residual width.
    pub dim: usize,
    /// MLP width.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Head width, even.
    pub head_dim: usize,
    /// Rope table length.
    pub max_seq: usize,
    /// Beginning-of-sequence id.
    pub bos: u32,
    /// End-of-sequence id.
    pub eos: u32,
    /// Largest norm exponent.
    pub emax: u32,
    /// eps of the norms in units of the sum of squares.
    pub eps_term: u64,
    /// Shift of the final norm.
    pub final_shift: u32,
    /// Bound on the absolute value of a logit.
    pub logit_bound: u64,
    /// Half width of the clamp-count table of each class: exactly the f with |f| <= this. For z it is that at 16 bits:
    /// [`Self::z_reach`].
    pub clamp_reach: [u32; CLAMP_CLASSES],
    /// The layers.
    pub layers: Vec<LayerDescriptor>,
    /// Cells of the model polynomial: as many as its matrices and tables have.
    pub cells: usize,
    /// Width of an embedding value, two's complement, 1..=32: the least that holds all of them.
    pub embed_bits: u32,
    /// Commitment of the model polynomial.
    pub root: Root,
    /// Root of the tree of embedding rows.
    pub embedding_root: [u8; 32],
    /// Hash of all integers.
    pub integers_hash: [u8; 64],
    /// Which part of the model this is; None: all of it.
    pub part: Option<Part>,
}

impl Descriptor {
    /// Whether the embedding comes before the first layer here; otherwise the residual of the part before does.
    pub fn has_embedding(&self) -> bool {
        self.part.is_none_or(|p| p.index == 0)
    }

    /// Whether the final norm, the output head and the top lists come behind the last layer here.
    pub fn has_head(&self) -> bool {
        self.part.is_none_or(|p| p.index + 1 == p.count)
    }

    /// Proofs that together prove a statement.
    pub fn parts(&self) -> usize {
        self.part.map_or(1, |p| p.count)
    }

    /// Width of a residual between parts, two's complement: every |x| of a norm's row is below 2^(emax + 1).
    pub fn boundary_bits(&self) -> u32 {
        self.emax + 2
    }

    /// Query heads a key/value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Width of all query heads.
    pub fn q_dim(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key heads.
    pub fn kv_dim(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Half width of the clamp-count table of z in layers of `bits` bits, 16..=24.
    ///
    /// What a value of 16 bits passes n times, one of b bits passes n / 2^(b - 16) times. A table as long as that of
    /// the narrow layers would let a wide layer's equation hold modulo p alone.
    pub fn z_reach(&self, bits: u32) -> u32 {
        self.clamp_reach[ClampClass::Z as usize].div_ceil(1 << (bits - 16))
    }

    /// Smallest norm exponent: (bitlen(eps_term) - 1) >> 1.
    pub fn emin(&self) -> u32 {
        (63 - self.eps_term.max(1).leading_zeros()) >> 1
    }

    /// Power of two that keeps 2e - 10 + T0 non-negative: max(0, 10 - 2 emin).
    pub fn t0(&self) -> u32 {
        10u32.saturating_sub(2 * self.emin())
    }

    /// Canonical bytes, fixed width apart from the list of layers, whose count comes first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let word = |out: &mut Vec<u8>, v: u64| out.extend_from_slice(&v.to_le_bytes());
        word(&mut out, u64::from(if self.part.is_some() { PART_VERSION } else { SPEC_VERSION }));
        word(&mut out, self.layers.len() as u64);
        if let Some(Part { index, count, first_layer, all_layers }) = self.part {
            [index, count, first_layer, all_layers].iter().for_each(|&v| word(&mut out, v as u64));
        }
        for v in [self.vocab, self.dim, self.hidden, self.heads, self.kv_heads, self.head_dim, self.max_seq] {
            word(&mut out, v as u64);
        }
        for v in [self.bos, self.eos, self.emax, self.final_shift] {
            word(&mut out, u64::from(v));
        }
        word(&mut out, self.eps_term);
        word(&mut out, self.logit_bound);
        word(&mut out, self.cells as u64);
        word(&mut out, u64::from(self.embed_bits));
        self.clamp_reach.iter().for_each(|&q| word(&mut out, u64::from(q)));
        for l in &self.layers {
            for v in
                [l.norm1_shift, l.norm2_shift, l.score_shift, l.gate_bits, l.z_bits, l.o_bits, l.down_bits]
            {
                word(&mut out, u64::from(v));
            }
            l.shifts.iter().for_each(|&s| word(&mut out, u64::from(s)));
        }
        out.extend_from_slice(&self.root.0);
        out.extend_from_slice(&self.embedding_root);
        out.extend_from_slice(&self.integers_hash);
        out
    }

    /// Size of the model polynomial.
    pub fn size(&self) -> Size {
        Size::of(self.cells)
    }

    /// The commitment of the model, or of a part: 64 bytes.
    pub fn model_id(&self) -> [u8; 64] {
        let tag = if self.part.is_some() { PART_ID_TAG } else { MODEL_ID_TAG };
        tagged_sha3_512(tag, &[&self.encode()])
    }
}
