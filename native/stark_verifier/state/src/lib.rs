//! The state tree on disk: a path-compressed binary Merkle tree, several levels of it in one record.
//!
//! [`update`] walks once through what a block changes and gives the records to write; it reads records through
//! [`Records`] and writes nothing. Layout, shape and hashes are those of `esper/storage/state` and
//! `esper/vm/state_tree.py`.
#![forbid(unsafe_code)]

mod node;
mod update;

pub use update::{Change, Failure, Records, Update, Write, update};

/// A hash of the tree, or the path of a record.
pub type Hash = [u8; 32];
