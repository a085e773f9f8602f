//! Tagged SHA3: every use of a hash has a name, so bytes hashed for one purpose never stand for another.

use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::{Digest, Sha3_256, Sha3_512, Shake256, Shake256Reader};

/// A name of at most 32 printable ASCII characters, padded with zero bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag([u8; 32]);

/// Why a name is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTag {
    /// The name has no characters, or more than 32; the number it has.
    Length(usize),
    /// The byte at this place is not printable ASCII; a zero byte would make two names pad to one tag.
    Character(usize),
}

impl core::fmt::Display for BadTag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BadTag::Length(got) => write!(f, "tag has {got} characters; give it 1 to 32"),
            BadTag::Character(at) => {
                write!(f, "tag character {at} must be printable ASCII and no blank")
            }
        }
    }
}

impl core::error::Error for BadTag {}

impl Tag {
    /// Pads a name.
    ///
    /// # Errors
    /// [`BadTag`] if the name is empty, longer than 32 bytes or not printable ASCII without blanks.
    pub const fn new(name: &str) -> Result<Self, BadTag> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > 32 {
            return Err(BadTag::Length(bytes.len()));
        }
        let mut padded = [0; 32];
        let mut i = 0;
        while i < bytes.len() {
            if bytes[i] < b'!' || bytes[i] > b'~' {
                return Err(BadTag::Character(i));
            }
            padded[i] = bytes[i];
            i += 1;
        }
        Ok(Self(padded))
    }

    /// Reads the 32 padded bytes.
    ///
    /// # Errors
    /// [`BadTag`] for bytes that no name is padded to.
    pub fn from_padded(padded: &[u8]) -> Result<Self, BadTag> {
        let zeros = padded.iter().rev().take_while(|&&byte| byte == 0).count();
        let name = &padded[..padded.len() - zeros];
        let tag = core::str::from_utf8(name).map_err(|error| BadTag::Character(error.valid_up_to()))?;
        if padded.len() == 32 { Self::new(tag) } else { Err(BadTag::Length(padded.len())) }
    }

    /// The 32 padded bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// `H(tag, parts joined)`: 64 bytes of SHA3-512. The caller makes the joining unambiguous.
#[must_use]
pub fn tagged_sha3_512(tag: Tag, parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha3_512::new_with_prefix(tag.0);
    parts.iter().for_each(|part| Digest::update(&mut hash, part));
    hash.finalize().into()
}

/// `H32(tag, parts joined)`: 32 bytes of SHA3-256, for the state tree and addresses.
#[must_use]
pub fn tagged_sha3_256(tag: Tag, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha3_256::new_with_prefix(tag.0);
    parts.iter().for_each(|part| Digest::update(&mut hash, part));
    hash.finalize().into()
}

/// `SHAKE256(tag || parts joined)`, read front to back.
pub struct Xof(Shake256Reader);

impl Xof {
    /// Starts a stream.
    #[must_use]
    pub fn new(tag: Tag, parts: &[&[u8]]) -> Self {
        let mut hash = Shake256::default();
        hash.update(&tag.0);
        parts.iter().for_each(|part| hash.update(part));
        Self(hash.finalize_xof())
    }

    /// Fills `out` with the next bytes.
    pub fn read(&mut self, out: &mut [u8]) {
        self.0.read(out);
    }
}
