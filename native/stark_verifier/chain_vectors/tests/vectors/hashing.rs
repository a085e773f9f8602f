//! The chain's tagged hashes by the names of their tags.

use esper_digest::{Tag, Xof, tagged_sha3_256, tagged_sha3_512};

fn tag(name: &str) -> Tag {
    Tag::new(name).unwrap()
}

/// H: 64 bytes.
pub fn hash(name: &str, parts: &[&[u8]]) -> [u8; 64] {
    tagged_sha3_512(tag(name), parts)
}

/// H32: 32 bytes.
pub fn hash32(name: &str, parts: &[&[u8]]) -> [u8; 32] {
    tagged_sha3_256(tag(name), parts)
}

/// The first 64 bytes of XOF.
pub fn stretched(name: &str, parts: &[&[u8]]) -> [u8; 64] {
    let mut bytes = [0; 64];
    Xof::new(tag(name), parts).read(&mut bytes);
    bytes
}

/// XOF, read word by word.
pub struct Stream(Xof);

impl Stream {
    pub fn new(name: &str, parts: &[&[u8]]) -> Self {
        Self(Xof::new(tag(name), parts))
    }

    /// An integer below `bound`: of big-endian words those above the last multiple are left out.
    pub fn below(&mut self, bound: u64) -> u64 {
        let all = 1u128 << 64;
        let limit = all - all % u128::from(bound);
        loop {
            let mut word = [0; 8];
            self.0.read(&mut word);
            let word = u64::from_be_bytes(word);
            if u128::from(word) < limit {
                return word % bound;
            }
        }
    }
}

/// Integers below `bound` without end.
pub fn drawn(name: &str, parts: &[&[u8]], bound: u64) -> impl Iterator<Item = u64> + use<> {
    let mut stream = Stream::new(name, parts);
    std::iter::repeat_with(move || stream.below(bound))
}

/// A name padded to 32 bytes, for lists that are bound to their use.
pub fn padded(name: &str) -> [u8; 32] {
    *tag(name).as_bytes()
}
