//! The hashes of the chain, in one place for every crate that needs one.
//!
//! * [`tagged`]: `H(tag, x) = SHA3-512(tag padded to 32 bytes || x)` and its SHA3-256 and SHAKE256 sisters.
//! * [`many`]: the same of many messages at once.
//! * [`poseidon`]: the 512-bit digest of a batch of answers, Poseidon2 over Goldilocks.
//!
//! Allocates the constants of a permutation and lists of digests; no float, no clock; compiles without `std`.
#![no_std]

extern crate alloc;

pub mod many;
pub mod poseidon;
pub mod tagged;

pub use many::{tagged_sha3_256_many, tagged_sha3_512_many};
pub use poseidon::{Limbs, NonCanonical, permute, poseidon2_digest};
pub use tagged::{BadTag, Tag, Xof, tagged_sha3_256, tagged_sha3_512};
