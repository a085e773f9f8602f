//! From values of the host to bytes.

use crate::schema::{Record, Schema};

/// Takes the host's values apart.
pub trait Look<B> {
    /// A value of the host.
    type Value;
    /// What may go wrong in the host.
    type Error;

    /// An integer, None unless it lies in [0, 2^64).
    ///
    /// # Errors
    /// The host's own, as for all of these.
    fn unsigned(&self, value: &Self::Value) -> Result<Option<u64>, Unfit<Self::Error>>;
    /// An integer, None unless it lies in [-2^63, 2^63).
    ///
    /// # Errors
    /// The host's own.
    fn signed(&self, value: &Self::Value) -> Result<Option<i64>, Unfit<Self::Error>>;
    /// Appends an integer as `size` big-endian bytes; false, and nothing appended, if it does not fit them.
    ///
    /// # Errors
    /// The host's own.
    fn wide(&self, value: &Self::Value, size: usize, out: &mut Vec<u8>) -> Result<bool, Unfit<Self::Error>>;
    /// A byte string.
    ///
    /// # Errors
    /// The host's own.
    fn bytes<'v>(&self, value: &'v Self::Value) -> Result<&'v [u8], Unfit<Self::Error>>;
    /// Number of elements of a list.
    ///
    /// # Errors
    /// The host's own.
    fn length(&self, value: &Self::Value) -> Result<usize, Unfit<Self::Error>>;
    /// The element of a list at a place below its length.
    ///
    /// # Errors
    /// The host's own.
    fn element(&self, value: &Self::Value, place: usize) -> Result<Self::Value, Unfit<Self::Error>>;
    /// The field of a record at a place below the number of its fields.
    ///
    /// # Errors
    /// The host's own.
    fn field(
        &self,
        record: &Record<B>,
        value: &Self::Value,
        place: usize,
    ) -> Result<Self::Value, Unfit<Self::Error>>;
    /// A value in words.
    ///
    /// # Errors
    /// The host's own.
    fn shown(&self, value: &Self::Value) -> Result<String, Unfit<Self::Error>>;
}

/// Why a value was not written.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit<E> {
    /// It lies outside the schema: the field and the reason.
    Outside(String),
    /// The host failed.
    Broken(E),
}

impl<E> Unfit<E> {
    fn within(self, field: &str) -> Self {
        match self {
            Self::Outside(reason) => Self::Outside(format!("{field}: {reason}")),
            Self::Broken(error) => Self::Broken(error),
        }
    }
}

/// Appends the canonical bytes of `value`.
///
/// # Errors
/// [`Unfit::Outside`] for a value outside the schema, [`Unfit::Broken`] for what the host raises.
pub fn encode<B, L: Look<B>>(
    schema: &Schema<B>,
    value: &L::Value,
    look: &L,
    out: &mut Vec<u8>,
) -> Result<(), Unfit<L::Error>> {
    match schema {
        Schema::Unsigned { bits } => write_unsigned(fitting(look, value, *bits)?, out),
        Schema::Signed => match look.signed(value)? {
            Some(number) if -(1 << 62) < number && number < 1 << 62 => {
                write_unsigned((number << 1 ^ number >> 63) as u64, out);
            }
            _ => return Err(outside(look, value, "is outside (-2^62, 2^62)")),
        },
        Schema::FixedBytes { size } => {
            let bytes = look.bytes(value)?;
            if bytes.len() != *size {
                return Err(Unfit::Outside(format!("{} bytes given, must be {size}", bytes.len())));
            }
            write_bytes(bytes, out)?;
        }
        Schema::WideUnsigned { size } => {
            write_bytes_head(*size, out)?;
            if !look.wide(value, *size, out)? {
                return Err(outside(look, value, &format!("does not fit {size} unsigned bytes")));
            }
        }
        Schema::VarBytes { limit } => {
            let bytes = look.bytes(value)?;
            if bytes.len() > *limit {
                let given = bytes.len();
                return Err(Unfit::Outside(format!("{given} bytes given, at most {limit} allowed")));
            }
            write_bytes(bytes, out)?;
        }
        Schema::UnsignedPair { bits } => {
            let count = look.length(value)?;
            if count != 2 {
                return Err(Unfit::Outside(format!("{count} elements given, must be 2")));
            }
            write_array_head(2, out)?;
            for place in 0..2 {
                let part = look.element(value, place)?;
                write_unsigned(fitting(look, &part, *bits)?, out);
            }
        }
        Schema::Array { element, limit } => {
            let count = look.length(value)?;
            if count > *limit {
                return Err(Unfit::Outside(format!("{count} elements given, at most {limit} allowed")));
            }
            write_array_head(count, out)?;
            for place in 0..count {
                encode(element, &look.element(value, place)?, look, out)?;
            }
        }
        Schema::Record(record) => {
            write_array_head(record.arity(), out)?;
            if let Some(version) = record.version {
                write_unsigned(version.into(), out);
            }
            for (place, (name, schema)) in record.fields.iter().enumerate() {
                look.field(record, value, place)
                    .and_then(|field| encode(schema, &field, look, out))
                    .map_err(|unfit| unfit.within(name))?;
            }
        }
    }
    Ok(())
}

fn fitting<B, L: Look<B>>(look: &L, value: &L::Value, bits: u32) -> Result<u64, Unfit<L::Error>> {
    match look.unsigned(value)? {
        Some(number) if bits >= u64::BITS || number >> bits == 0 => Ok(number),
        _ => Err(outside(look, value, &format!("does not fit {bits} unsigned bits"))),
    }
}

fn outside<B, L: Look<B>>(look: &L, value: &L::Value, reason: &str) -> Unfit<L::Error> {
    match look.shown(value) {
        Ok(shown) => Unfit::Outside(format!("{shown} {reason}")),
        Err(unfit) => unfit,
    }
}

fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    match value {
        0..=0x7F => out.push(bytes[7]),
        0x80..=0xFF => out.extend_from_slice(&[0xCC, bytes[7]]),
        0x100..=0xFFFF => head_and(0xCD, &bytes[6..], out),
        0x1_0000..=0xFFFF_FFFF => head_and(0xCE, &bytes[4..], out),
        _ => head_and(0xCF, &bytes, out),
    }
}

fn write_bytes<E>(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit<E>> {
    write_bytes_head(bytes.len(), out)?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn write_bytes_head<E>(size: usize, out: &mut Vec<u8>) -> Result<(), Unfit<E>> {
    let bytes = length(size)?;
    match size {
        0..=0xFF => head_and(0xC4, &bytes[3..], out),
        0x100..=0xFFFF => head_and(0xC5, &bytes[2..], out),
        _ => head_and(0xC6, &bytes, out),
    }
    Ok(())
}

fn write_array_head<E>(count: usize, out: &mut Vec<u8>) -> Result<(), Unfit<E>> {
    let bytes = length(count)?;
    match count {
        0..=0xF => out.push(0x90 | bytes[3]),
        0x10..=0xFFFF => head_and(0xDC, &bytes[2..], out),
        _ => head_and(0xDD, &bytes, out),
    }
    Ok(())
}

fn length<E>(size: usize) -> Result<[u8; 4], Unfit<E>> {
    u32::try_from(size)
        .map(u32::to_be_bytes)
        .map_err(|_| Unfit::Outside(format!("length {size} does not fit 32 bits")))
}

fn head_and(head: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(head);
    out.extend_from_slice(bytes);
}
