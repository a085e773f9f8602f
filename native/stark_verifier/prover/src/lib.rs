//! Prover of the proof of inference: model key, witness, and the sumchecks that the verifier checks.
//!
//! Reading order: [`key`] (committing a model once), [`trace`] and [`witness`] (the integers of one
//! batch and their cells), then [`prove`] in the order of the transcript.

pub mod cells;
pub mod checker;
pub mod claims;
pub mod contraction;
pub mod error;
pub mod key;
pub mod leaves;
pub mod matrix;
pub mod packing;
pub mod pages;
pub mod parts;
pub mod patterns;
pub mod plan;
pub mod products;
pub mod prove;
pub mod small;
pub mod sumcheck;
pub mod trace;
pub mod virtuals;
pub mod witness;

pub use error::ProveError;
pub use key::ModelKey;
pub use parts::{PartedModel, balanced_cuts, boundaries, part_key, prove_part, prove_parts};
pub use plan::{Plan, plan, plan_part};
pub use prove::{prove, prove_observed, prove_witness};
