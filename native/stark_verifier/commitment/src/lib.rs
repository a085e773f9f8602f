//! The polynomial commitment and the lookup reduction of Esperchain's proof of inference.
//!
//! One place fixes every cryptographic choice: the Goldilocks field, its cubic extension by `x^3 - x - 1`, BLAKE3-256
//! with a domain each for leaves, nodes and transcript, WHIR at the Johnson bound over columns of cells, and the
//! fractional GKR reduction of a LogUp sum. The rest of the proof sees plain functions: commit, open, verify, and the
//! same three for a sum of fractions.
//!
//! Without the feature `prover` the crate only verifies, needs no standard library, and never builds a table of
//! roots of unity.
#![no_std]

extern crate alloc;

#[cfg(all(test, feature = "prover"))]
extern crate std;

#[cfg(feature = "prover")]
mod columns;
mod field;
#[cfg(feature = "prover")]
mod first_fold;
#[cfg(feature = "prover")]
mod folding;
mod fraction;
#[cfg(feature = "prover")]
mod fraction_prover;
mod hash;
#[cfg(all(test, feature = "prover"))]
mod known_answers;
mod opening;
#[cfg(feature = "prover")]
mod opening_prover;
#[cfg(all(test, feature = "prover"))]
mod opening_structure;
mod opening_wire;
mod params;
mod plan;
mod security;
mod transcript;
mod tree;
mod wire;

pub use field::{
    BasedVectorSpace, EF, ExtensionField, F, Field, PackedEF, PackedF, PackedFieldExtension, PackedValue,
    PrimeCharacteristicRing, PrimeField64, TwoAdicField, parallel,
};
pub use fraction::{GkrClaim, GkrError, MAX_GKR_VARS, fraction_proof_len, verify_fraction_sum};
#[cfg(feature = "prover")]
pub use fraction_prover::{FRACTION_BLOCK, prove_fraction_sum, prove_fraction_sum_packed};
pub use hash::{CONTEXT_LEAF, CONTEXT_NODE, TAG_TRANSCRIPT};
pub use opening::{MAX_POINTS, PcsError, check_opening_encoding, least_opening_len, verify_opening};
#[cfg(feature = "prover")]
pub use opening_prover::{Committed, commit, open};
pub use params::{MAX_VARS, MIN_VARS, PcsParams, Schedule, ScheduleRound};
pub use plan::Size;
pub use security::{PROTOCOL_TERMS, SecurityTerms, compose, opening_security};
pub use transcript::{Root, Transcript};
pub use tree::TreeError;
pub use wire::WireError;
