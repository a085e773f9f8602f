//! Reading vectors. Whatever a vector lacks fails its test.

use std::path::Path;

use serde_json::Value;

/// The golden vectors of one file.
pub fn vectors(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors").join(file);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A list of vectors; an empty one would let every test pass.
pub fn list(value: &Value) -> &[Value] {
    let items = value.as_array().expect("a list of vectors");
    assert!(!items.is_empty(), "the list holds no vector");
    items
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().expect("an integer in [0, 2^64)")
}

/// The number of a signature suite.
pub fn suite(value: &Value) -> u8 {
    u8::try_from(number(value)).expect("a suite in [0, 256)")
}

/// The bytes that a vector holds in hexadecimal.
pub fn bytes(value: &Value) -> Vec<u8> {
    let digits = text(value).as_bytes();
    assert_eq!(digits.len() % 2, 0, "hexadecimal has two digits a byte");
    let nibble = |digit: u8| char::from(digit).to_digit(16).expect("a hexadecimal digit");
    digits.chunks(2).map(|pair| (nibble(pair[0]) << 4 | nibble(pair[1])) as u8).collect()
}

/// As `bytes`, of a fixed size.
pub fn sized<const N: usize>(value: &Value) -> [u8; N] {
    let found = bytes(value);
    found.try_into().unwrap_or_else(|found: Vec<u8>| panic!("{} bytes, must be {N}", found.len()))
}
