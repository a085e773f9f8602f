//! The commitment and the sum of fractions through the crate's public functions.

mod refusals;
mod roundtrip;
mod security;
#[cfg(feature = "prover")]
mod support;
