//! One module a link: what must hold between two parts of a receipt.
//!
//! What a link reads first fails at that link where it cannot be read.

pub mod call;
pub mod chain;
pub mod group;
pub mod header;
pub mod instant;
pub mod model;
pub mod network;
pub mod paid;
pub mod proof;
pub mod text;
pub mod ticket;
pub mod work;

use alloc::string::String;

/// The first bytes of a hash, for people.
pub fn short(hash: &[u8]) -> String {
    hash.iter().take(4).map(|byte| alloc::format!("{byte:02x}")).collect()
}

/// All of a hash.
pub fn long(hash: &[u8]) -> String {
    hash.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}
