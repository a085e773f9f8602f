//! From the fields of a record, as vectors have them, to its bytes.
//!
//! An integer is a number in JSON, or a decimal text where readers might round it; bytes are
//! hexadecimal; a list is a list. A record is an object, its version a field like the others, and its
//! fields stand in the order of the bytes.

use num_bigint::BigUint;
use serde_json::Value;

use crate::msgpack::{array, bytes, number};
use crate::reading;

/// What a value is on the wire.
pub enum Form {
    Number,
    /// A number's sign in its lowest bit: 0, -1, 1, -2 are 0, 1, 2, 3.
    Signed,
    /// A byte string of 32 bytes, big-endian.
    Wide,
    Bytes,
    List(&'static Form),
    Record(Fields),
}

/// Names and forms of a record's fields, in order.
pub type Fields = &'static [(&'static str, Form)];

/// The digits of an integer.
fn digits(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn integer<T: std::str::FromStr>(value: &Value) -> T {
    digits(value).parse().unwrap_or_else(|_| panic!("{value} is no integer of this width"))
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn wide(value: &Value) -> Vec<u8> {
    let found = integer::<BigUint>(value).to_bytes_be();
    [vec![0; 32 - found.len()], found].concat()
}

/// The bytes of one value.
pub fn encoded(form: &Form, value: &Value) -> Vec<u8> {
    match form {
        Form::Number => number(integer(value)),
        Form::Signed => number(zigzag(integer(value))),
        Form::Wide => bytes(&wide(value)),
        Form::Bytes => bytes(&reading::bytes(value)),
        Form::List(element) => {
            let items = value.as_array().expect("a list");
            array(&items.iter().map(|item| encoded(element, item)).collect::<Vec<_>>())
        }
        Form::Record(fields) => record(fields, value),
    }
}

/// The bytes of a record. Fields that it does not have, or has no more, fail the test.
pub fn record(fields: Fields, value: &Value) -> Vec<u8> {
    assert_eq!(value.as_object().expect("fields").len(), fields.len(), "{value}");
    array(&fields.iter().map(|(name, form)| encoded(form, &value[name])).collect::<Vec<_>>())
}

/// Checks that the fields of a vector give its bytes, which are returned.
pub fn checked(fields: Fields, vector: &Value) -> Vec<u8> {
    let found = record(fields, &vector["fields"]);
    assert_eq!(found, reading::bytes(&vector["bytes"]), "{}: {}", vector["record"], vector["case"]);
    found
}

#[test]
fn signs_stand_in_the_lowest_bit() {
    assert_eq!([0, -1, 1, -2, i64::MAX >> 1].map(zigzag), [0, 1, 2, 3, (1 << 63) - 2]);
}

#[test]
fn wide_integers_fill_32_bytes() {
    assert_eq!(wide(&Value::from(258)), [vec![0; 30], vec![1, 2]].concat());
}
