//! ML-DSA-65 (FIPS 204) with an empty context: the only judge that this node has of signature suite 1.
//!
//! AWS-LC does the arithmetic. Nothing here makes keys or signatures.

mod batch;
mod memory;
mod ml_dsa_65;

pub use batch::first_invalid;
pub use ml_dsa_65::{Claim, KEY_BYTES, SIGNATURE_BYTES};
