//! Every number that bounds what a verifier takes: of the descriptor, of the statement and of the proof.
//!
//! `docs/proof.md` has the same table in section 17, and a test compares the two: a bound in one of two verifiers
//! alone would split the chain.

use esper_commitment::{MAX_GKR_VARS, MAX_VARS, MIN_VARS};

/// The least and the greatest value that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is bounded: the name of a refusal, and of the row in the page's table.
    pub name: &'static str,
    /// Least value.
    pub least: u64,
    /// Greatest value.
    pub most: u64,
}

impl Limit {
    /// Whether a value is taken.
    pub fn takes(&self, value: impl TryInto<u64>) -> bool {
        value.try_into().is_ok_and(|v| (self.least..=self.most).contains(&v))
    }
}

/// Constants, and the list of all of them: a limit cannot be left out of the list.
macro_rules! limits {
    ($(#[$list:meta])* $all:ident: $($(#[$doc:meta])* $id:ident = $name:literal, $least:expr, $most:expr;)*) => {
        $($(#[$doc])* pub const $id: Limit = Limit { name: $name, least: $least, most: $most };)*

        $(#[$list])*
        pub const $all: &[Limit] = &[$($id),*];
    };
}

limits! {
    /// All limits, in the order of the page.
    ALL:
    /// Vocabulary of the model.
    VOCAB = "vocab", 2, 1 << 18;
    /// Residual width.
    DIM = "dim", 1, 1 << 14;
    /// MLP width.
    HIDDEN = "hidden", 1, 1 << 16;
    /// Query heads.
    HEADS = "heads", 1, 1 << 8;
    /// Key heads; they divide the query heads.
    KV_HEADS = "kv_heads", 1, 1 << 8;
    /// Head width, even.
    HEAD_DIM = "head_dim", 2, 1 << 9;
    /// Length of the rotary tables.
    MAX_SEQ = "max_seq", 1, 1 << 16;
    /// Layers.
    LAYERS = "layers", 1, 1 << 8;
    /// Layers times query heads: verification costs some terms for each of them.
    LAYER_HEADS = "layers times heads", 1, 1 << 12;
    /// Epsilon of the norms.
    EPS_TERM = "eps_term", 1, (1 << 60) - 1;
    /// Largest norm exponent; not below emin.
    EMAX = "emax", 0, 30;
    /// Bits of P, the square's scale in a norm: T0 + 2 (emax + 1).
    NORM_BITS = "T0 + 2 (emax + 1)", 2, 62;
    /// Shift of a norm, the final one included.
    NORM_SHIFT = "shifts of norms", 1, 46;
    /// Shift of a matrix.
    LINEAR_SHIFT = "shifts of matrices", 1, 36;
    /// Shift of the query's and the key's matrix, on top of the rotation's own.
    ROTARY_SHIFT = "shifts of q and k", 16, 16;
    /// Shift of scores.
    SCORE_SHIFT = "score_shift", 1, 16;
    /// Width of the gate: the least or the greatest, nothing between.
    GATE_BITS = "gate_bits", 12, 16;
    /// Width of silu times up, even.
    Z_BITS = "z_bits", 16, 24;
    /// Width of a residual update, even.
    UPDATE_BITS = "o_bits, down_bits", 16, 26;
    /// Bound on a logit.
    LOGIT_BOUND = "logit_bound", 1, (1 << 46) - 1;
    /// Half width of a clamp's table.
    REACH = "reach", 1, (1 << 15) - 1;
    /// Cells of the model polynomial: as many as can be committed.
    CELLS = "cells", 1, 1 << MAX_VARS;
    /// Width of an embedding value: what a machine's integer holds.
    EMBED_BITS = "embed_bits", 1, 32;
    /// Positions of a sequence, a power of two, at most max_seq.
    ROWS = "rows", 2, 1 << 14;
    /// Rows of a proof: the number of sequences times the positions of one.
    ALL_ROWS = "sequences times rows", 2, 1 << 14;
    /// Listed tokens of an answer token, at most vocab.
    TOP_K = "top_k", 1, 1 << 10;
    /// Listed logits of a proof, all answers together: each costs the verifier microseconds.
    LISTED = "answer tokens times top_k", 1, 1 << 17;
    /// Variables of the witness polynomial.
    WITNESS_VARS = "num_vars", MIN_VARS as u64, MAX_VARS as u64;
    /// Variables of the lookups' sum.
    LEAF_VARS = "leaf_vars", 1, MAX_GKR_VARS as u64;
    /// 16-bit limbs of the score overflow.
    OVERFLOW_LIMBS = "overflow limbs", 0, 2;
    /// Bytes of a proof.
    PROOF_BYTES = "bytes of a proof", 0, 1 << 22;
}

limits! {
    /// What a proof in parts has beside [`ALL`], which holds for each part: `docs/parts.md` has the same table.
    ALL_OF_PARTS:
    /// Parts of a model.
    PARTS = "parts", 1, 1 << 6;
    /// Layers of all parts.
    ALL_LAYERS = "layers of all parts", 1, 1 << 10;
    /// Integers of all residuals together: what a verifier unpacks.
    RESIDUAL_VALUES = "values of all residuals", 0, 1 << 24;
    /// Bytes of a proof in parts.
    PARTS_PROOF_BYTES = "bytes of a proof in parts", 0, 1 << 26;
}
