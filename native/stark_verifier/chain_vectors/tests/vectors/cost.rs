//! Multiply-accumulates of a batch, by the shape of the model.
//!
//! w = sum over the answers of (Lin + a - 1) c_row + a c_head, W_ref the same with every answer
//! full. A row is every linear layer and its attention, which looks back at (T + 1) / 2 rows in the
//! mean, twice heads * head_dim products each; the head is vocab * dim.

/// Dimensions of a model.
#[derive(Clone)]
pub struct Shape {
    pub vocab: u64,
    pub dim: u64,
    pub hidden: u64,
    pub layers: u64,
    pub heads: u64,
    pub kv_heads: u64,
    pub head_dim: u64,
}

/// What a network asks of a batch.
pub struct Puzzle {
    /// n.
    pub sequences: u64,
    /// T.
    pub rows: u64,
    /// Lin.
    pub input_tokens: u64,
    /// g.
    pub max_answer: u64,
    /// K.
    pub top_k: u64,
    /// Least entropy of a sequence's salt.
    pub salt_bits: u32,
}

/// w for answers of these lengths.
pub fn work(shape: &Shape, puzzle: &Puzzle, answers: &[u64]) -> u64 {
    let queries = shape.heads * shape.head_dim;
    let keys = shape.kv_heads * shape.head_dim;
    // Queries and output, keys and values, then gate, up and down.
    let linear = shape.dim * (2 * queries + 2 * keys) + 3 * shape.dim * shape.hidden;
    let row = shape.layers * (linear + queries * (puzzle.rows + 1));
    let head = shape.vocab * shape.dim;
    answers.iter().map(|answer| (puzzle.input_tokens + answer - 1) * row + answer * head).sum()
}

/// W_ref.
pub fn reference_work(shape: &Shape, puzzle: &Puzzle) -> u64 {
    work(shape, puzzle, &vec![puzzle.max_answer; puzzle.sequences as usize])
}
