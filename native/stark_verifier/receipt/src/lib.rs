//! The verifier of receipts: one file that shows what a model answered, checked without weights and without a node.
//!
//! It stands beside the verifier in Python (`esper/receipts`) and decides every link for itself; `docs/receipts.md`
//! says what each must show. Reading order: [`form`] (the bytes of a receipt), [`around`] (what is known beside it),
//! [`judge`] (all links in order, one file each under `links`), and below them [`wire`] and [`records`] (the chain's
//! own bytes) and [`trees`].
//!
//! No text is compared, for there is no tokenizer here. Nothing panics on any input, nothing recurses, and no length
//! inside a file decides an allocation.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate alloc;

pub mod around;
pub mod form;
pub mod json;
pub mod judge;
mod links;
pub mod proofs;
pub mod records;
mod tags;
pub mod trees;
pub mod verdict;
pub mod wide;
pub mod wire;

pub use around::Around;
pub use judge::judge_bytes;
pub use proofs::{Described, ProofJudge, StarkJudge};
pub use verdict::{Link, Status, Verdict};
