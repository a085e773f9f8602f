//! What a proof takes, from its sizes alone: memory and the shares of its stages, for whoever waits for it.

use crate::error::ProveError;
use crate::key::describe;
use esper_commitment::{PcsParams, Size};
use esper_model::Model;
use esper_verifier::VerifyError;
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor};
use esper_verifier::layout::Layout;
use esper_verifier::limits;
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::modes::Modes;
use esper_verifier::statement::Instance;

/// Name of the stage that commits the model, before those of a proof.
pub const MODEL_COMMITMENT: &str = "model commitment";

/// What a proof takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Cells of the witness.
    pub witness_cells: usize,
    /// Leaves of the lookup argument.
    pub leaves: usize,
    /// Cells of the model.
    pub model_cells: usize,
    /// Bytes at the peak, the model's integers and its commitment included.
    pub memory: usize,
    /// Stages in order, each with its share of the work.
    pub stages: Vec<(&'static str, f64)>,
}

/// Nanoseconds of a processor for each cell of the witness, leaf and cell of the model, by stage: measured on proofs of
/// 2^21 to 2^24 cells (docs/performance.md). Their ratios are all that is used.
const COSTS: [(&str, [f64; 3]); 12] = [
    (MODEL_COMMITMENT, [0.0, 0.0, 75.0]),
    ("witness", [20.0, 0.0, 0.0]),
    ("commitment", [75.0, 0.0, 0.0]),
    ("leaves", [0.0, 15.0, 0.0]),
    ("fractional sum", [0.0, 145.0, 0.0]),
    ("linear stage", [8.0, 0.0, 2.0]),
    ("products", [20.0, 0.0, 0.0]),
    ("contraction", [4.0, 0.0, 8.0]),
    ("witness claims", [20.0, 0.0, 0.0]),
    ("model claims", [0.0, 0.0, 8.0]),
    ("witness opening", [90.0, 0.0, 0.0]),
    ("model opening", [0.0, 0.0, 90.0]),
];

/// Variables that the first fold binds: the columns of a commitment.
const FIRST_FOLD: usize = 5;
/// Bytes that a leaf of the lookup argument takes with its share of all layers.
const LEAF_BYTES: usize = 88;
/// Bytes of an opening for each row of a column: what the first fold of its claims keeps side by side, some sixteen
/// elements of the extension. Fitted, with the leaves, to the peaks of nine proofs of 0.3 to 135 million weights and 16 to
/// 256 rows, which it foretells within a tenth (docs/performance.md).
const FOLD_BYTES: usize = 400;
/// Bytes of a tree for each row: two digests.
const TREE_BYTES: usize = 64;
/// Bytes of the program and of what does not grow with a proof.
const BESIDE: usize = 64 << 20;

/// What a proof about a model takes: `[sequences, rows of each, answers in all]`.
///
/// Which modes it needs is known when it has run: those are assumed that most runs of a model need, which is full
/// width where the model has any, and no clamp.
///
/// # Errors
/// What cannot be proven.
pub fn plan(model: &Model, [sequences, rows, answers]: [usize; 3]) -> Result<Plan, ProveError> {
    let bounds = model.validate()?;
    let d = describe(model, &bounds, [0; 32])?;
    // The integers twice, as they are loaded and as the engine packs them.
    plan_described(&d, 4 * model.embed.len(), 2, [sequences, rows, answers])
}

/// The same of one part of a model, by its descriptor: its integers are there once, for no engine runs them.
///
/// # Errors
/// What cannot be proven.
pub fn plan_part(d: &Descriptor, sizes: [usize; 3]) -> Result<Plan, ProveError> {
    let embedding = if d.has_embedding() { 4 * d.vocab * d.dim } else { 0 };
    plan_described(d, embedding, 1, sizes)
}

fn plan_described(
    d: &Descriptor,
    embedding_bytes: usize,
    integers: usize,
    [sequences, rows, answers]: [usize; 3],
) -> Result<Plan, ProveError> {
    let within = |limit: limits::Limit, value: usize| {
        if limit.takes(value) {
            Ok(())
        } else {
            Err(ProveError::Statement(VerifyError::Statement(limit.name)))
        }
    };
    within(limits::ROWS, rows)?;
    within(limits::ALL_ROWS, sequences.saturating_mul(rows))?;
    if !(1..=sequences * rows).contains(&answers) {
        return Err(ProveError::Statement(VerifyError::Statement("answers")));
    }
    let instance = Instance {
        sequences: sequences.next_power_of_two(),
        positions: rows.next_power_of_two(),
        answers,
        top_k: 1,
    };
    let mut modes = Modes::all(d);
    modes.clamp = [false; CLAMP_CLASSES];
    modes.overflow = modes.overflow.min(1);
    let layout = Layout::new(d, &instance, &modes);
    let witness_cells = layout.multiplicities + layout.table_entries;
    let leaves = layout.lookup_cells + layout.table_entries;
    let model_cells = ModelLayout::new(d).cells;
    let counts = [witness_cells, leaves, model_cells].map(|n| n as f64);
    let costs = COSTS.map(|(name, by)| (name, by.iter().zip(counts).map(|(c, n)| c * n).sum::<f64>()));
    let all: f64 = costs.iter().map(|(_, cost)| cost).sum();
    let stages = costs.into_iter().map(|(name, cost)| (name, cost / all)).collect();
    Ok(Plan {
        witness_cells,
        leaves,
        model_cells,
        memory: memory(embedding_bytes + integers * model_cells, [witness_cells, leaves, model_cells]),
        stages,
    })
}

/// Bytes at the peak: the integers; for each commitment its cells, its codeword, the first codeword of its opening, the
/// trees over both, and what its first fold takes; the leaves of the lookup argument with all the layers of their sum.
fn memory(integers: usize, [witness_cells, leaves, model_cells]: [usize; 3]) -> usize {
    let committed = |cells: usize| {
        let size = Size::of(cells);
        let params = PcsParams::for_proof(size.num_vars, 2);
        let column = 1usize << (size.num_vars - FIRST_FOLD);
        let rows = column << params.log_inv_rate;
        // The domain shrinks by the fold less the step of the rate.
        let later = rows << (if params.log_inv_rate == 1 { 2 } else { 1 });
        let cells = 8 * size.width * column;
        cells + (8 * size.width + TREE_BYTES) * rows + (24 + TREE_BYTES / 16) * later + FOLD_BYTES * column
    };
    BESIDE + integers + committed(model_cells) + committed(witness_cells) + LEAF_BYTES * leaves
}
