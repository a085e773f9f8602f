//! JSON in the one byte form of receipts, read in one pass: whoever calls says what comes next.
//!
//! No blanks, keys in their order, strings as Python's `json.dumps` writes them, integers without leading zeros,
//! lower-case hexadecimal, base64 with padding. Nothing else is read, so nothing need be written again to compare.

use alloc::vec::Vec;

/// Bytes that are not what comes next, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoForm {
    /// What must stand there.
    pub expected: &'static str,
    /// Offset of the offending byte.
    pub at: usize,
}

type Read<T> = Result<T, NoForm>;

/// Greatest integer that every reader of JSON holds exactly.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// A cursor over the bytes of a receipt.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes from an offset to the next one.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.data.get(start..self.at).unwrap_or_default()
    }

    /// A refusal here.
    #[must_use]
    pub fn refusal(&self, expected: &'static str) -> NoForm {
        NoForm { expected, at: self.at }
    }

    /// The next byte, 0 at the end.
    #[must_use]
    pub fn peek(&self) -> u8 {
        self.data.get(self.at).copied().unwrap_or_default()
    }

    /// Whether these bytes come next.
    #[must_use]
    pub fn ahead(&self, text: &str) -> bool {
        self.data.get(self.at..).is_some_and(|rest| rest.starts_with(text.as_bytes()))
    }

    /// Goes behind these bytes if they come next.
    pub fn skip(&mut self, text: &str) -> bool {
        let found = self.ahead(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// These bytes.
    ///
    /// # Errors
    /// [`NoForm`] for others, as for all of these.
    pub fn exactly(&mut self, text: &'static str) -> Read<()> {
        if self.skip(text) { Ok(()) } else { Err(self.refusal(text)) }
    }

    /// The end.
    ///
    /// # Errors
    /// See [`Self::exactly`].
    pub fn end(&self) -> Read<()> {
        if self.at == self.data.len() { Ok(()) } else { Err(self.refusal("the end")) }
    }

    /// An integer of at most `most`.
    ///
    /// # Errors
    /// See [`Self::exactly`].
    pub fn number(&mut self, most: u64) -> Read<u64> {
        let start = self.at;
        let mut value = 0u64;
        while self.peek().is_ascii_digit() && self.at - start <= 16 {
            value = value * 10 + u64::from(self.peek() - b'0');
            self.at += 1;
        }
        let digits = self.since(start);
        let plain = !digits.is_empty() && (digits.len() == 1 || digits.first() != Some(&b'0'));
        if plain && digits.len() <= 16 && value <= most {
            Ok(value)
        } else {
            Err(NoForm { expected: "a smaller integer", at: start })
        }
    }

    /// A string; the bytes between its quotes, escapes and all.
    ///
    /// # Errors
    /// See [`Self::exactly`].
    pub fn text(&mut self) -> Read<&'a [u8]> {
        self.exactly("\"")?;
        let start = self.at;
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => self.escape()?,
                b' '..=b'~' => self.at += 1,
                _ => return Err(self.refusal("a character of a string")),
            }
        }
        let found = self.since(start);
        self.at += 1;
        Ok(found)
    }

    /// An escape, of the only kind that its character has; a surrogate with its other half.
    fn escape(&mut self) -> Read<()> {
        const WRONG: &str = "the escape that json.dumps writes";
        let start = self.at;
        if ["\\\"", "\\\\", "\\b", "\\f", "\\n", "\\r", "\\t"].iter().any(|short| self.skip(short)) {
            return Ok(());
        }
        let unit = self.unit()?;
        let fits = match unit {
            0x08 | 0x09 | 0x0A | 0x0C | 0x0D => false,
            0x20..=0x7E => false,
            0xD800..=0xDBFF => (0xDC00..=0xDFFF).contains(&self.unit()?),
            0xDC00..=0xDFFF => false,
            _ => true,
        };
        if fits { Ok(()) } else { Err(NoForm { expected: WRONG, at: start }) }
    }

    fn unit(&mut self) -> Read<u32> {
        self.exactly("\\u")?;
        let mut value = 0;
        for _ in 0..4 {
            let digit = match self.peek() {
                digit @ b'0'..=b'9' => digit - b'0',
                digit @ b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(self.refusal("a lower-case hexadecimal digit")),
            };
            value = value << 4 | u32::from(digit);
            self.at += 1;
        }
        Ok(value)
    }

    /// `SIZE` bytes as lower-case hexadecimal digits.
    ///
    /// # Errors
    /// See [`Self::exactly`].
    pub fn hex<const SIZE: usize>(&mut self) -> Read<[u8; SIZE]> {
        let wrong = NoForm { expected: "lower-case hexadecimal digits", at: self.at };
        let digits = self.text()?;
        if digits.len() != 2 * SIZE {
            return Err(wrong);
        }
        let mut out = [0; SIZE];
        for (byte, pair) in out.iter_mut().zip(digits.as_chunks::<2>().0) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(wrong),
                };
                *byte = *byte << 4 | value;
            }
        }
        Ok(out)
    }

    /// Bytes as base64 with padding, whose unused bits are zero.
    ///
    /// # Errors
    /// See [`Self::exactly`].
    pub fn base64(&mut self) -> Read<Vec<u8>> {
        let wrong = NoForm { expected: "base64 with padding", at: self.at };
        let digits = self.text()?;
        if !digits.len().is_multiple_of(4) {
            return Err(wrong);
        }
        let padding = digits.iter().rev().take(2).take_while(|&&digit| digit == b'=').count();
        let (plain, _) = digits.split_at_checked(digits.len() - padding).ok_or(wrong)?;
        let mut out = Vec::with_capacity(digits.len() / 4 * 3);
        for group in plain.chunks(4) {
            let mut word = 0u32;
            for &digit in group {
                word = word << 6 | value_of(digit).ok_or(wrong)?;
            }
            // A short group, the last one: its bits stand on top, and those that make no byte are zero.
            let [_, bytes @ ..] = (word << (6 * (4 - group.len()))).to_be_bytes();
            let (kept, unused) = bytes.split_at_checked(group.len() - 1).ok_or(wrong)?;
            if unused.iter().any(|&byte| byte != 0) {
                return Err(wrong);
            }
            out.extend_from_slice(kept);
        }
        Ok(out)
    }

    /// `SIZE` bytes as base64.
    ///
    /// # Errors
    /// See [`Self::exactly`].
    pub fn base64_of<const SIZE: usize>(&mut self) -> Read<[u8; SIZE]> {
        let wrong = NoForm { expected: "base64 of another number of bytes", at: self.at };
        self.base64()?.try_into().map_err(|_| wrong)
    }

    /// A list of at most `most` elements.
    ///
    /// # Errors
    /// See [`Self::exactly`].
    pub fn list<T>(&mut self, most: usize, mut element: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        self.exactly("[")?;
        let mut found = Vec::new();
        if self.skip("]") {
            return Ok(found);
        }
        loop {
            if found.len() == most {
                return Err(self.refusal("a shorter list"));
            }
            found.push(element(self)?);
            if self.skip("]") {
                return Ok(found);
            }
            self.exactly(",")?;
        }
    }
}

/// The value of a digit of base64.
fn value_of(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}
