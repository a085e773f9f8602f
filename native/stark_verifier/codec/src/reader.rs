//! A cursor over bytes that reads shortest-form MessagePack heads.

/// Bytes that are no canonical encoding of the expected record, and where that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field it concerns, what was expected and what was found.
    pub what: String,
    /// Offset of the offending byte.
    pub position: usize,
}

impl Refusal {
    /// A refusal that names no field yet: `what` begins with the colon behind the name.
    pub(crate) fn new(what: impl core::fmt::Display, position: usize) -> Self {
        Self { what: format!(": {what}"), position }
    }

    /// The same refusal, of a field inside `outer`.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        self.what.insert_str(0, outer);
        self
    }
}

/// Where reading has come to.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at `position`, which lies at most at the end.
    #[must_use]
    pub fn at(data: &'a [u8], position: usize) -> Self {
        Self { data, position: position.min(data.len()) }
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.data.len() - self.position
    }

    /// The next `size` bytes.
    ///
    /// # Errors
    /// [`Refusal`] if fewer are left.
    pub(crate) fn take(&mut self, size: usize) -> Result<&'a [u8], Refusal> {
        let (start, left) = (self.position, self.left());
        if size > left {
            return Err(Refusal::new(format_args!("needs {size} bytes, {left} are left"), start));
        }
        self.position += size;
        Ok(&self.data[start..self.position])
    }

    fn number(&mut self, size: usize, smallest: u64) -> Result<u64, Refusal> {
        let start = self.position;
        let value = self.take(size)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        if value < smallest {
            return Err(Refusal::new(format_args!("{value} is not in its shortest form"), start));
        }
        Ok(value)
    }

    /// An unsigned integer of up to 64 bits.
    ///
    /// # Errors
    /// [`Refusal`] for anything else, and for a longer form than the shortest.
    pub fn unsigned(&mut self) -> Result<u64, Refusal> {
        let start = self.position;
        match self.take(1)?[0] {
            head @ 0..0x80 => Ok(head.into()),
            0xCC => self.number(1, 1 << 7),
            0xCD => self.number(2, 1 << 8),
            0xCE => self.number(4, 1 << 16),
            0xCF => self.number(8, 1 << 32),
            head => Err(Refusal::new(format_args!("byte 0x{head:02x} starts no unsigned integer"), start)),
        }
    }

    /// The declared length of a byte string.
    ///
    /// # Errors
    /// [`Refusal`] for anything else, and for a longer form than the shortest.
    pub(crate) fn bytes_length(&mut self) -> Result<u64, Refusal> {
        let start = self.position;
        match self.take(1)?[0] {
            0xC4 => self.number(1, 0),
            0xC5 => self.number(2, 1 << 8),
            0xC6 => self.number(4, 1 << 16),
            head => Err(Refusal::new(format_args!("byte 0x{head:02x} starts no byte string"), start)),
        }
    }

    /// The declared number of elements of an array.
    ///
    /// # Errors
    /// [`Refusal`] for anything else, and for a longer form than the shortest.
    pub fn array_length(&mut self) -> Result<u64, Refusal> {
        let start = self.position;
        match self.take(1)?[0] {
            head @ 0x90..=0x9F => Ok(u64::from(head & 0x0F)),
            0xDC => self.number(2, 1 << 4),
            0xDD => self.number(4, 1 << 16),
            head => Err(Refusal::new(format_args!("byte 0x{head:02x} starts no array"), start)),
        }
    }
}
