//! Reading the golden vectors, and MessagePack as far as they need it.

use std::path::Path;

use esper_digest::{Tag, tagged_sha3_256, tagged_sha3_512};
use serde_json::Value;

pub fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub fn hash(tag: &str, parts: &[&[u8]]) -> [u8; 64] {
    tagged_sha3_512(Tag::new(tag).unwrap(), parts)
}

pub fn hash32(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    tagged_sha3_256(Tag::new(tag).unwrap(), parts)
}

/// Where each element of a MessagePack array of integers, byte strings and arrays begins, and where the last one ends.
pub fn elements(data: &[u8], at: usize) -> Vec<usize> {
    let (count, mut next) = match data[at] {
        head @ 0x90..=0x9f => (usize::from(head & 15), at + 1),
        0xdc => (usize::from(u16::from_be_bytes([data[at + 1], data[at + 2]])), at + 3),
        head => panic!("{head:#x} is no array"),
    };
    let mut begins = vec![next];
    for _ in 0..count {
        next = match data[next] {
            0x00..=0x7f => next + 1,
            0xcc => next + 2,
            0xcd => next + 3,
            0xce => next + 5,
            0xcf => next + 9,
            0xc4 => next + 2 + usize::from(data[next + 1]),
            0xc5 => next + 3 + usize::from(u16::from_be_bytes([data[next + 1], data[next + 2]])),
            _ => *elements(data, next).last().unwrap(),
        };
        begins.push(next);
    }
    begins
}

/// The bytes of the element that begins at `at`, a byte string, without its head.
pub fn byte_string(data: &[u8], at: usize) -> &[u8] {
    let (head, size) = match data[at] {
        0xc4 => (2, usize::from(data[at + 1])),
        0xc5 => (3, usize::from(u16::from_be_bytes([data[at + 1], data[at + 2]]))),
        head => panic!("{head:#x} is no byte string"),
    };
    &data[at + head..at + head + size]
}
