//! What beacons draw for proposals, and the heights at which they become active.

use crate::chain::{MODEL, PUZZLE};
use crate::fields::Form::{Bytes, List, Number, Record};
use crate::fields::{Fields, Form, checked};
use crate::hashing::hash;
use crate::reading::{bytes, list, number, sized, text, vectors};

const SUITE: Form = Record(&[("text", Bytes), ("suite", Bytes), ("count", Number)]);
const MODEL_BODY: Fields = &[
    ("entry", MODEL),
    ("omega", Number),
    ("share", Number),
    ("puzzle", PUZZLE),
    ("descriptor", Bytes),
    ("package", Bytes),
    ("bank_text", Bytes),
    ("suites", List(&SUITE)),
    ("licence", Bytes),
    ("name", Bytes),
    ("link", Bytes),
];
const MOVED: Form = Record(&[("of", Number), ("to", Number)]);
const TEXTS: Form = List(&Bytes);
const CHANGE_BODY: Fields = &[
    ("settings", List(&MOVED)),
    ("shares", List(&MOVED)),
    ("omegas", List(&MOVED)),
    ("retire", List(&Number)),
    ("texts", List(&TEXTS)),
    ("link", Bytes),
];
const ROLLBACK_BODY: Fields = &[("proposal", Bytes)];

#[test]
fn bodies_of_proposals() {
    for vector in list(&vectors("dao.json")["bodies"]) {
        match text(&vector["record"]) {
            "ModelBody" => checked(MODEL_BODY, vector),
            "ChangeBody" => checked(CHANGE_BODY, vector),
            "RollbackBody" => checked(ROLLBACK_BODY, vector),
            name => panic!("{name} is no body of a proposal"),
        };
    }
}

/// A big-endian number modulo a small one.
fn modulo(digits: &[u8], divisor: u64) -> u64 {
    digits.iter().fold(0, |rest, &digit| (rest << 8 | u64::from(digit)) % divisor)
}

#[test]
fn seeds_and_activation_heights() {
    let vectors = vectors("dao.json");
    for vector in list(&vectors["draws"]) {
        let seed = hash("esper/dao/seed/v1", &[&bytes(&vector["beacon"]), &bytes(&vector["proposal"])]);
        assert_eq!(seed, sized(&vector["seed"]));
        for (name, periods) in vectors["periods"].as_object().unwrap() {
            let drawn = modulo(&seed, number(&periods["jitter"]));
            let active = number(&vector["final"]) + number(&periods["grace"]) + drawn;
            assert_eq!(active, number(&vector["active"][name]), "{name}");
        }
    }
}
