//! Hidden sets: what a curator commits to, what is drawn of it, and what is opened.
//!
//! A leaf is the hash of a salt and an item, the root a Merkle root over the leaves. What is drawn are
//! the first distinct integers that XOF(seed || set) draws below the number of items and that were never
//! drawn before, 64 of a set in all.

use crate::benchmarks::{ANSWER, ITEM};
use crate::fields::Form::{Bytes, List, Number, Record};
use crate::fields::{Fields, Form, checked};
use crate::hashing::{drawn, hash};
use crate::merkle::root;
use crate::reading::{bytes, list, number, sized, vectors};

const SET_BODY: Fields = &[("tokenizer", Bytes), ("root", Bytes), ("count", Number)];
const WITHDRAW_BODY: Fields = &[("set_id", Bytes)];
const OPENING: Form = Record(&[
    ("index", Number),
    ("salt", Bytes),
    ("item", Record(ITEM)),
    ("path", List(&Bytes)),
    ("answer", ANSWER),
]);
const HIDDEN_PROOF: Fields = &[("listed", Number), ("openings", List(&OPENING))];
const MAX_USED: usize = 64;

#[test]
fn sets_and_openings() {
    let vectors = vectors("hidden.json");
    for (name, fields) in [("sets", SET_BODY), ("withdrawals", WITHDRAW_BODY), ("proofs", HIDDEN_PROOF)] {
        for vector in list(&vectors[name]) {
            checked(fields, vector);
        }
    }
}

#[test]
fn leaves_and_their_root() {
    let vectors = vectors("hidden.json");
    let leaves: Vec<_> = list(&vectors["leaves"])
        .iter()
        .map(|vector| {
            let leaf = hash("esper/hidden/v1", &[&bytes(&vector["salt"]), &checked(ITEM, vector)]);
            assert_eq!(leaf, sized(&vector["leaf"]));
            leaf
        })
        .collect();
    let leaves: Vec<_> = leaves.iter().map(|leaf| &leaf[..]).collect();
    assert_eq!(root("esper/hidden/set/v1", &leaves), sized(&vectors["root"]));
}

#[test]
fn draws() {
    for vector in list(&vectors("hidden.json")["draws"]) {
        let [set, seed] = ["set", "seed"].map(|name| bytes(&vector[name]));
        // Lists that may hold nothing.
        let [used, expected] = ["used", "drawn"]
            .map(|name| vector[name].as_array().unwrap().iter().map(number).collect::<Vec<_>>());
        let wanted = usize::try_from(number(&vector["wanted"])).unwrap().min(MAX_USED - used.len());
        let mut found: Vec<u64> = Vec::new();
        for index in drawn("esper/hidden/draw/v1", &[&seed, &set], number(&vector["count"])) {
            if found.len() == wanted {
                break;
            }
            if !used.contains(&index) && !found.contains(&index) {
                found.push(index);
            }
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn rollbacks_that_open_by_themselves() {
    for vector in list(&vectors("hidden.json")["rollbacks"]) {
        let round = [u8::try_from(number(&vector["round"])).unwrap()];
        let id = hash("esper/dao/auto/v1", &[&bytes(&vector["proposal"]), &round]);
        assert_eq!(id, sized(&vector["id"]));
    }
}
