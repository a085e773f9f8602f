//! Bodies of proposals and proofs, what is drawn for both, and what proofs are bound to.
//!
//! A model becomes active at a height that a beacon draws. A sender's rehearsal is drawn from
//! XOF(genesis hash || proposal || sender || drawn seed), and its proof bound to
//! H(genesis hash || sender || subject || target || H(body) || kind), one byte for subject and kind.

use crate::chain::{MODEL, OUTPUTS, PUZZLE, TOP};
use crate::fields::Form::{Bytes, List, Number, Record};
use crate::fields::{Fields, Form, checked};
use crate::hashing::{hash, stretched};
use crate::promises::PROMISE;
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
const READY_BODY: Fields = &[("reward_height", Number), ("outputs", Record(OUTPUTS))];
const SHOWN: Form = Record(&[("tokens", List(&Number)), ("lists", List(&TOP))]);
const PLACE: Form = Record(&[("height", Number), ("index", Number)]);
const EVIDENCE: Fields = &[
    ("receipt", Record(PROMISE)),
    ("suite", Number),
    ("key", Bytes),
    ("signature", Bytes),
    ("answer", SHOWN),
    ("rewards", List(&Number)),
    ("unbondings", List(&PLACE)),
];
const PUNISHED: Fields = &[("version", Number), ("taken", Number)];

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

#[test]
fn rehearsed_tickets() {
    for vector in list(&vectors("dao.json")["ready"]) {
        checked(READY_BODY, vector);
    }
}

#[test]
fn evidence_and_what_is_kept_of_it() {
    for vector in list(&vectors("dao.json")["evidence"]) {
        match text(&vector["record"]) {
            "Evidence" => checked(EVIDENCE, vector),
            "Punished" => checked(PUNISHED, vector),
            name => panic!("{name} is no record of evidence"),
        };
    }
}

#[test]
fn seeds_of_rehearsals() {
    for vector in list(&vectors("dao.json")["rehearsals"]) {
        let parts = ["genesis_hash", "proposal", "sender", "drawn"].map(|name| bytes(&vector[name]));
        let parts = parts.each_ref().map(|part| &part[..]);
        assert_eq!(stretched("esper/rehearsal/v1", &parts), sized(&vector["seed"]));
    }
}

#[test]
fn what_proofs_of_transactions_are_bound_to() {
    for vector in list(&vectors("dao.json")["audits"]) {
        let [genesis, sender, target, body] =
            ["genesis_hash", "sender", "target", "body"].map(|name| bytes(&vector[name]));
        let [subject, kind] = ["subject", "kind"].map(|name| [u8::try_from(number(&vector[name])).unwrap()]);
        let told = hash("esper/audit/body/v1", &[&body]);
        let parts: [&[u8]; 6] = [&genesis, &sender, &subject, &target, &told, &kind];
        assert_eq!(hash("esper/audit/v1", &parts), sized(&vector["binding"]));
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
