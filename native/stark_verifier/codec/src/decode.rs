//! From bytes to values of the host.

use std::vec::Drain;

use crate::reader::{Reader, Refusal};
use crate::schema::{Record, Schema};

/// Builds the host's values.
pub trait Make<B> {
    /// A value of the host.
    type Value;
    /// What may go wrong in the host.
    type Error;

    /// An integer of an `Unsigned` or of half an `UnsignedPair`.
    ///
    /// # Errors
    /// The host's own, as for all of these.
    fn unsigned(&mut self, value: u64) -> Result<Self::Value, Self::Error>;
    /// An integer of a `Signed`.
    ///
    /// # Errors
    /// The host's own.
    fn signed(&mut self, value: i64) -> Result<Self::Value, Self::Error>;
    /// The integer that big-endian bytes stand for.
    ///
    /// # Errors
    /// The host's own.
    fn wide(&mut self, bytes: &[u8]) -> Result<Self::Value, Self::Error>;
    /// A byte string.
    ///
    /// # Errors
    /// The host's own.
    fn bytes(&mut self, bytes: &[u8]) -> Result<Self::Value, Self::Error>;
    /// The elements of an array or of a pair.
    ///
    /// # Errors
    /// The host's own.
    fn list(&mut self, elements: Drain<'_, Self::Value>) -> Result<Self::Value, Self::Error>;
    /// A record's value from those of its fields, in their order.
    ///
    /// # Errors
    /// [`Rejected::Refused`] if the host refuses such a value, [`Rejected::Broken`] for all else.
    fn record(
        &mut self,
        record: &Record<B>,
        fields: Drain<'_, Self::Value>,
    ) -> Result<Self::Value, Rejected<Self::Error>>;
}

/// Why the host built no value of a record.
#[derive(Debug)]
pub enum Rejected<E> {
    /// These fields make none: the text says why, the error becomes the cause.
    Refused(String, E),
    /// Something else went wrong.
    Broken(E),
}

/// Why bytes were not read.
#[derive(Debug)]
pub enum Failure<E> {
    /// The bytes are to blame; what the host raised about them, if it did.
    Refused(Refusal, Option<E>),
    /// The host failed.
    Broken(E),
}

impl<E> From<Refusal> for Failure<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, None)
    }
}

impl<E> Failure<E> {
    fn within(self, outer: &str) -> Self {
        match self {
            Self::Refused(refusal, cause) => Self::Refused(refusal.within(outer), cause),
            Self::Broken(error) => Self::Broken(error),
        }
    }
}

/// Reads exactly one value from all of `data`; `what` names it in refusals.
///
/// # Errors
/// [`Failure::Refused`] if `data` is no encoding by the schema or has bytes left over, [`Failure::Broken`] for
/// what the host raises.
pub fn decode<B, M: Make<B>>(
    schema: &Schema<B>,
    data: &[u8],
    what: &str,
    make: &mut M,
) -> Result<M::Value, Failure<M::Error>> {
    let mut reader = Reader::at(data, 0);
    let value = read(schema, &mut reader, what, make)?;
    let left = reader.left();
    if left > 0 {
        let refusal = Refusal::new(format_args!("{left} bytes left over"), reader.position());
        return Err(refusal.within(what).into());
    }
    Ok(value)
}

/// Reads one value and leaves the cursor behind it; `what` names it in refusals.
///
/// # Errors
/// As [`decode`], but for bytes behind the value.
pub fn read<B, M: Make<B>>(
    schema: &Schema<B>,
    reader: &mut Reader<'_>,
    what: &str,
    make: &mut M,
) -> Result<M::Value, Failure<M::Error>> {
    let mut pass = Pass { reader, make, values: Vec::new() };
    pass.value(schema).map_err(|failure| failure.within(what))?;
    Ok(pass.values.pop().expect("a value was read"))
}

/// One reading; values wait in a stack until their list or record is complete.
struct Pass<'p, 'd, V, M> {
    reader: &'p mut Reader<'d>,
    make: &'p mut M,
    values: Vec<V>,
}

impl<V, M> Pass<'_, '_, V, M> {
    /// Reads a value and puts it on the stack. A refusal names no field of the outside yet.
    fn value<B>(&mut self, schema: &Schema<B>) -> Result<(), Failure<M::Error>>
    where
        M: Make<B, Value = V>,
    {
        let start = self.reader.position();
        let value = match schema {
            Schema::Unsigned { bits } => {
                let value = self.unsigned(*bits)?;
                self.make.unsigned(value)
            }
            Schema::Signed => {
                let coded = self.unsigned(63)?;
                // Below 2^63, so that neither half nor its complement leaves an i64.
                let half = (coded >> 1) as i64;
                let value = if coded & 1 == 1 { !half } else { half };
                if value == -(1 << 62) {
                    return Err(Refusal::new(format_args!("{value} is outside (-2^62, 2^62)"), start).into());
                }
                self.make.signed(value)
            }
            Schema::FixedBytes { size } => {
                let bytes = self.fixed(*size)?;
                self.make.bytes(bytes)
            }
            Schema::WideUnsigned { size } => {
                let bytes = self.fixed(*size)?;
                self.make.wide(bytes)
            }
            Schema::VarBytes { limit } => {
                let size = self.reader.bytes_length()?;
                if size > *limit as u64 {
                    let reason = format_args!("{size} bytes, at most {limit} allowed");
                    return Err(Refusal::new(reason, start).into());
                }
                let bytes = self.reader.take(size as usize)?;
                self.make.bytes(bytes)
            }
            Schema::UnsignedPair { bits } => {
                self.exactly(2)?;
                let below = self.values.len();
                for place in ["[0]", "[1]"] {
                    let part = self.unsigned(*bits).map_err(|refusal| refusal.within(place))?;
                    let part = self.make.unsigned(part).map_err(Failure::Broken)?;
                    self.values.push(part);
                }
                self.make.list(self.values.drain(below..))
            }
            Schema::Array { element, limit } => {
                let count = self.reader.array_length()?;
                // Each element takes a byte at least.
                let possible = (*limit).min(self.reader.left());
                if count > possible as u64 {
                    let reason = format_args!("{count} elements, at most {possible} possible");
                    return Err(Refusal::new(reason, start).into());
                }
                let below = self.values.len();
                for place in 0..count {
                    self.value(element).map_err(|failure| failure.within(&format!("[{place}]")))?;
                }
                self.make.list(self.values.drain(below..))
            }
            Schema::Record(record) => return self.record(record),
        };
        self.values.push(value.map_err(Failure::Broken)?);
        Ok(())
    }

    fn record<B>(&mut self, record: &Record<B>) -> Result<(), Failure<M::Error>>
    where
        M: Make<B, Value = V>,
    {
        let start = self.reader.position();
        self.exactly(record.arity())?;
        if let Some(known) = record.version {
            let found = self.reader.unsigned().map_err(|refusal| refusal.within(".version"))?;
            if found != u64::from(known) {
                let reason = format_args!("version {found}, this node knows {known}");
                return Err(Refusal::new(reason, start).into());
            }
        }
        let below = self.values.len();
        for (name, schema) in &record.fields {
            // Names of fields are put together only where one is wrong.
            self.value(schema).map_err(|failure| failure.within(&format!(".{name}")))?;
        }
        match self.make.record(record, self.values.drain(below..)) {
            Ok(value) => {
                self.values.push(value);
                Ok(())
            }
            Err(Rejected::Refused(reason, cause)) => {
                Err(Failure::Refused(Refusal::new(reason, start), Some(cause)))
            }
            Err(Rejected::Broken(error)) => Err(Failure::Broken(error)),
        }
    }

    fn unsigned(&mut self, bits: u32) -> Result<u64, Refusal> {
        let start = self.reader.position();
        let value = self.reader.unsigned()?;
        if bits < u64::BITS && value >> bits != 0 {
            return Err(Refusal::new(format_args!("{value} does not fit {bits} unsigned bits"), start));
        }
        Ok(value)
    }

    fn exactly(&mut self, arity: usize) -> Result<(), Refusal> {
        let start = self.reader.position();
        let count = self.reader.array_length()?;
        if count != arity as u64 {
            return Err(Refusal::new(format_args!("{count} elements, must be {arity}"), start));
        }
        Ok(())
    }
}

impl<'d, V, M> Pass<'_, 'd, V, M> {
    fn fixed(&mut self, size: usize) -> Result<&'d [u8], Refusal> {
        let start = self.reader.position();
        let declared = self.reader.bytes_length()?;
        if declared != size as u64 {
            return Err(Refusal::new(format_args!("{declared} bytes, must be {size}"), start));
        }
        self.reader.take(size)
    }
}
