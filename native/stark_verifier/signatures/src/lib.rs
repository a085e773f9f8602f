//! ML-DSA-65 (FIPS 204) with an empty context: the only judge that this node has of signature suite 1.
//!
//! AWS-LC does the arithmetic. Nothing here makes keys or signatures.

mod batch;
mod memory;
mod ml_dsa_65;

/// The C library is the one that was read and compared, and no other that the machine had.
const _: () = assert!(matches!(aws_lc_sys::AWSLC_VERSION_NUMBER_STRING, b"5.12.0\0"));

pub use batch::first_invalid;
pub use ml_dsa_65::{Claim, KEY_BYTES, SIGNATURE_BYTES};
