//! Messages of the network: their fields give their bytes, and those their frames.
//!
//! frame = length u32 big-endian | type u8 | record; the length is of type and record.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fields::Form::{Bytes, List, Number, Record};
use crate::fields::{Fields, checked};
use crate::reading::{bytes, list, number, text, vectors};

const ADDRESS: Fields =
    &[("ip", Bytes), ("port", Number), ("peer_id", Bytes), ("services", Number), ("seen_min", Number)];
const CLAIM: Fields =
    &[("version", Number), ("nonce", Number), ("height", Number), ("weight", Bytes), ("tip", Bytes)];

/// The fields of a type, in order.
fn form(kind: u64) -> Fields {
    match kind {
        0 => &[
            ("version", Number),
            ("genesis", Bytes),
            ("nonce", Number),
            ("services", Number),
            ("height", Number),
            ("weight", Bytes),
            ("tip", Bytes),
            ("proofs_from", Number),
            ("port", Number),
            ("you", Bytes),
            ("time_ms", Number),
            ("agent", Bytes),
        ],
        1 | 2 => CLAIM,
        3 => &[("version", Number), ("code", Number)],
        4 => &[("version", Number)],
        5 => &[("version", Number), ("addresses", List(&Record(ADDRESS)))],
        6 => &[("version", Number), ("push", Number)],
        7 => &[("version", Number), ("header", Bytes)],
        8 => &[("version", Number), ("number", Number), ("block_id", Bytes)],
        9 => &[("version", Number), ("number", Number), ("block_id", Bytes), ("indices", List(&Number))],
        10 => &[("version", Number), ("number", Number)],
        11 => &[("version", Number), ("transactions", List(&Record(&[("prefix", Bytes), ("size", Number)])))],
        12 => &[("version", Number), ("number", Number), ("prefixes", List(&Bytes))],
        13 => &[("version", Number), ("number", Number), ("locator", List(&Bytes)), ("most", Number)],
        14 => &[("version", Number), ("number", Number), ("block_ids", List(&Bytes)), ("parts", Number)],
        16 => &[("version", Number), ("number", Number), ("root", Bytes), ("page", Number)],
        17 => &[("version", Number), ("number", Number), ("root", Bytes)],
        32 => &[
            ("version", Number),
            ("number", Number),
            ("header", Bytes),
            ("outputs", Bytes),
            ("results", List(&Bytes)),
            ("groups", List(&Bytes)),
            ("shorts", List(&Bytes)),
            ("filled", List(&Record(&[("index", Number), ("transaction", Bytes)]))),
        ],
        33 => &[("version", Number), ("number", Number), ("block_id", Bytes), ("proof", Bytes)],
        34 => &[("version", Number), ("number", Number), ("transactions", List(&Bytes))],
        35 => &[("version", Number), ("number", Number), ("fork", Bytes), ("headers", List(&Bytes))],
        36 => &[("version", Number), ("number", Number), ("block_id", Bytes), ("body", Bytes)],
        37 => &[("version", Number), ("number", Number), ("block_id", Bytes), ("transactions", List(&Bytes))],
        38 => &[("version", Number), ("number", Number), ("block_id", Bytes), ("code", Number)],
        40 => &[
            ("version", Number),
            ("number", Number),
            ("root", Bytes),
            ("page", Number),
            ("count", Number),
            ("digests", Bytes),
        ],
        41 => &[("version", Number), ("number", Number), ("root", Bytes), ("count", Number), ("bits", Bytes)],
        50 => &[("version", Number), ("number", Number), ("root", Bytes), ("index", Number)],
        51 => &[("version", Number), ("number", Number), ("root", Bytes), ("index", Number), ("data", Bytes)],
        _ => panic!("there is no message of type {kind}"),
    }
}

fn framed(kind: u64, record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(1 + record.len()).unwrap().to_be_bytes();
    [&length[..], &[u8::try_from(kind).unwrap()], record].concat()
}

#[test]
fn fields_give_bytes_and_bytes_frames() {
    let vectors: Value = vectors("network.json");
    let mut kinds = BTreeSet::new();
    for vector in list(&vectors["messages"]) {
        let kind = number(&vector["type"]);
        let record = checked(form(kind), vector);
        assert_eq!(framed(kind, &record), bytes(&vector["frame"]), "{}", vector["case"]);
        assert_eq!(if kind < 32 || kind == 50 { "talk" } else { "bulk" }, text(&vector["stream"]));
        kinds.insert(kind);
    }
    let named = (0..=14).chain(16..=17).chain(32..=38).chain(40..=41).chain(50..=51);
    assert_eq!(kinds, named.collect());
}
