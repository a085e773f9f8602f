//! What gateways sign when they hand out an answer, and models as receipts name them.
//!
//! A record is signed by its hash, with the key whose address it names. Of what was asked it keeps
//! H("esper/receipt/request/v1", the receipt's `request` as it is written there).

use std::collections::HashSet;

use crate::address;
use crate::chain::{MODEL, PUZZLE};
use crate::fields::Form::{Bytes, List, Number};
use crate::fields::{Fields, checked};
use crate::hashing::hash;
use crate::reading::{bytes, list, sized, text, vectors};
use crate::signatures::verifies;

pub const PROMISE: Fields = &[
    ("version", Number),
    ("genesis_hash", Bytes),
    ("gateway", Bytes),
    ("model_id", Bytes),
    ("prompt", List(&Number)),
    ("max_tokens", Number),
    ("answer", List(&Number)),
    ("request", Bytes),
    ("height", Number),
];
const NAMED_MODEL: Fields = &[("entry", MODEL), ("puzzle", PUZZLE)];

#[test]
fn what_was_asked() {
    for vector in list(&vectors("promises.json")["requests"]) {
        let written = text(&vector["bytes"]);
        assert!(written.is_ascii());
        assert_eq!(hash("esper/receipt/request/v1", &[written.as_bytes()]), sized(&vector["hash"]));
    }
}

#[test]
fn what_is_signed_and_by_whom() {
    let vectors = vectors("promises.json");
    let asked: HashSet<_> = list(&vectors["requests"]).iter().map(|vector| text(&vector["hash"])).collect();
    let mut kept = 0;
    for vector in list(&vectors["promises"]) {
        let record = checked(PROMISE, vector);
        let digest = hash("esper/receipt/sign/v1", &[&record]);
        assert_eq!(digest, sized(&vector["digest"]));
        let [key, signature] = ["key", "signature"].map(|name| bytes(&vector[name]));
        assert!(verifies(1, &key, &digest, &signature), "{}", vector["case"]);
        assert_eq!(bytes(&vector["fields"]["gateway"]), address::of_key(1, &key));
        kept += usize::from(asked.contains(text(&vector["fields"]["request"])));
    }
    assert!(kept > 0, "no promise keeps the hash of a request");
}

#[test]
fn models_by_name() {
    for vector in list(&vectors("promises.json")["models"]) {
        checked(NAMED_MODEL, vector);
    }
}
