//! What a value looks like on the wire.

use std::sync::Arc;

/// A schema; `B` is what the host keeps with a record to build its values.
#[derive(Debug)]
pub enum Schema<B> {
    /// An unsigned integer of at most `bits`, 1 to 64.
    Unsigned {
        /// Width.
        bits: u32,
    },
    /// A signed integer in (-2^62, 2^62), zigzag-coded: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
    Signed,
    /// A byte string of exactly `size` bytes.
    FixedBytes {
        /// Bytes.
        size: usize,
    },
    /// An unsigned integer as a byte string of exactly `size` big-endian bytes.
    WideUnsigned {
        /// Bytes.
        size: usize,
    },
    /// A byte string of at most `limit` bytes.
    VarBytes {
        /// Bytes.
        limit: usize,
    },
    /// An array of two unsigned integers of at most `bits` each, 1 to 64.
    UnsignedPair {
        /// Width.
        bits: u32,
    },
    /// A list of at most `limit` elements of one kind.
    Array {
        /// The kind.
        element: Arc<Schema<B>>,
        /// Elements.
        limit: usize,
    },
    /// A fixed array of named fields.
    Record(Record<B>),
}

/// A fixed array: the version, unless there is none, then the fields in their order.
#[derive(Debug)]
pub struct Record<B> {
    /// What the host builds values with.
    pub build: B,
    /// First element of the array; None for a pair inside another record.
    pub version: Option<u16>,
    /// Name and schema of each field, in wire order.
    pub fields: Vec<(String, Arc<Schema<B>>)>,
}

impl<B> Record<B> {
    /// Elements of the array, the version included.
    #[must_use]
    pub fn arity(&self) -> usize {
        self.fields.len() + usize::from(self.version.is_some())
    }
}
