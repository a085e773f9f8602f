//! Sumcheck provers, most significant variable first.
//!
//! - [`groups`]: sums of products of columns. A column of 2^n entries may be stored without its tail of zeros: folds and
//!   sums know. Groups of fewer variables stand where all higher variables are 0, as the verifier's selectors say.
//!   While a group is long it is bound in vector lanes (`wide`).
//! - [`inner`]: cells times weights, both written out.
//! - [`patterned`]: the same for weights that are a sum of patterns, which are never written out.

pub mod columns;
mod cross;
pub mod groups;
pub mod inner;
pub mod patterned;
mod wide;

pub use columns::Column;
pub use groups::{Group, prove_groups};
pub use inner::prove_inner;
pub use patterned::prove_patterns;

/// Entries a task.
const GRAIN: usize = 1 << 11;
