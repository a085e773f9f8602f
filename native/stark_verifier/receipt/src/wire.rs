//! Canonical MessagePack, read strictly: shortest heads, unsigned integers, byte strings and arrays alone.
//!
//! What is read is what would be written: there is one encoding of each value, so nothing need be encoded again.

use alloc::vec::Vec;

/// Bytes that are no canonical encoding of the expected record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(
    /// What was expected.
    pub &'static str,
);

/// A cursor over bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    rest: &'a [u8],
}

type Read<T> = Result<T, Malformed>;

impl<'a> Reader<'a> {
    /// A cursor at the start of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Malformed`] for more.
    pub fn new(data: &'a [u8], limit: usize) -> Read<Self> {
        if data.len() > limit {
            return Err(Malformed("fewer bytes"));
        }
        Ok(Self { data, rest: data })
    }

    /// Nothing is left over.
    ///
    /// # Errors
    /// [`Malformed`] otherwise, as for all of these.
    pub fn end(&self) -> Read<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("an end")) }
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.data.len() - self.rest.len()
    }

    /// The bytes from an offset to the next one.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.data.get(start..self.position()).unwrap_or_default()
    }

    fn take(&mut self, size: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(Malformed("more bytes"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self) -> Read<u8> {
        let (head, rest) = self.rest.split_first().ok_or(Malformed("more bytes"))?;
        self.rest = rest;
        Ok(*head)
    }

    fn number(&mut self, size: usize, smallest: u64) -> Read<u64> {
        let value = self.take(size)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        if value < smallest { Err(Malformed("the shortest form")) } else { Ok(value) }
    }

    /// An unsigned integer of at most `bits`, 1 to 64.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn unsigned(&mut self, bits: u32) -> Read<u64> {
        let value = match self.head()? {
            head @ 0..0x80 => head.into(),
            0xCC => self.number(1, 1 << 7)?,
            0xCD => self.number(2, 1 << 8)?,
            0xCE => self.number(4, 1 << 16)?,
            0xCF => self.number(8, 1 << 32)?,
            _ => return Err(Malformed("an unsigned integer")),
        };
        if bits < u64::BITS && value >> bits != 0 { Err(Malformed("a smaller integer")) } else { Ok(value) }
    }

    /// An unsigned integer of 32 bits.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn u32(&mut self) -> Read<u32> {
        u32::try_from(self.unsigned(32)?).map_err(|_| Malformed("a smaller integer"))
    }

    /// A signed integer in (-2^62, 2^62), zigzag-coded.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn signed(&mut self) -> Read<i64> {
        let coded = self.unsigned(63)?;
        let half = (coded >> 1) as i64;
        let value = if coded & 1 == 1 { !half } else { half };
        if value == -(1 << 62) { Err(Malformed("a smaller integer")) } else { Ok(value) }
    }

    fn bytes_length(&mut self) -> Read<usize> {
        let length = match self.head()? {
            0xC4 => self.number(1, 0)?,
            0xC5 => self.number(2, 1 << 8)?,
            0xC6 => self.number(4, 1 << 16)?,
            _ => return Err(Malformed("a byte string")),
        };
        usize::try_from(length).map_err(|_| Malformed("a shorter byte string"))
    }

    /// A byte string of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn bytes(&mut self, limit: usize) -> Read<&'a [u8]> {
        let length = self.bytes_length()?;
        if length > limit { Err(Malformed("a shorter byte string")) } else { self.take(length) }
    }

    /// A byte string of exactly so many bytes.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn fixed<const SIZE: usize>(&mut self) -> Read<[u8; SIZE]> {
        let wrong = Malformed("a byte string of another length");
        if self.bytes_length()? != SIZE {
            return Err(wrong);
        }
        self.take(SIZE)?.try_into().map_err(|_| wrong)
    }

    /// The head of an array of exactly `count` elements.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn array(&mut self, count: u64) -> Read<()> {
        if self.array_length()? == count { Ok(()) } else { Err(Malformed("another number of elements")) }
    }

    /// The head of a record: its elements beside the version, and the version.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn record(&mut self, fields: u64, version: u64) -> Read<()> {
        self.array(fields + 1)?;
        if self.unsigned(64)? == version { Ok(()) } else { Err(Malformed("another version")) }
    }

    fn array_length(&mut self) -> Read<u64> {
        match self.head()? {
            head @ 0x90..=0x9F => Ok(u64::from(head & 0x0F)),
            0xDC => self.number(2, 1 << 4),
            0xDD => self.number(4, 1 << 16),
            _ => Err(Malformed("an array")),
        }
    }

    /// A list of at most `limit` elements.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn list<T>(&mut self, limit: u64, mut element: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.array_length()?;
        // Each element takes a byte at least.
        if count > limit || count > self.rest.len() as u64 {
            return Err(Malformed("a shorter list"));
        }
        (0..count).map(|_| element(self)).collect()
    }

    /// A list of at most `limit` token ids.
    ///
    /// # Errors
    /// See [`Self::end`].
    pub fn tokens(&mut self, limit: u64) -> Read<Vec<u32>> {
        self.list(limit, Self::u32)
    }
}

/// Reads exactly one value from all of `data`, at most `limit` bytes.
///
/// # Errors
/// [`Malformed`].
pub fn decode<'a, T>(
    data: &'a [u8],
    limit: usize,
    read: impl FnOnce(&mut Reader<'a>) -> Read<T>,
) -> Result<T, Malformed> {
    let mut reader = Reader::new(data, limit)?;
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}
