//! Canonical MessagePack by schema: one value has one encoding, and limits come before allocation.
//!
//! Unsigned integers up to 64 bits, byte strings and arrays of them, in their shortest form; nothing else. A
//! record is an array of fixed arity whose first element is its version. What values are made of is the host's:
//! [`Make`] builds them while bytes are read, [`Look`] takes them apart while bytes are written.
//!
//! The depth of recursion is the schema's, never the message's. A declared length is compared with the schema's
//! limit and with the bytes that are left before anything is read, and lists grow element by element, so memory
//! follows the bytes that are really there.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod reader;
mod schema;

pub use decode::{Failure, Make, Rejected, decode, read};
pub use encode::{Look, Unfit, encode};
pub use reader::{Reader, Refusal};
pub use schema::{Record, Schema};
