//! Texts of benchmarks, suites, their items, what is reported on a model, and what of it is to be proven.
//!
//! A suite's id is the hash of its bytes, its root a Merkle root over its items. A report's sample are
//! the first distinct integers that XOF(report || beacon) draws below the number of items.

use crate::fields::Form::{Bytes, List, Number, Record, Signed};
use crate::fields::{Fields, Form, checked};
use crate::hashing::{drawn, hash};
use crate::merkle::root;
use crate::reading::{bytes, list, number, sized, vectors};

const IDS: Form = List(&Number);
const SUITE: Fields = &[
    ("form", Number),
    ("judge", Bytes),
    ("joints", List(&IDS)),
    ("tokenizer", Bytes),
    ("count", Number),
    ("items_root", Bytes),
];
pub const ITEM: Fields =
    &[("prompt", IDS), ("limit", Number), ("choices", IDS), ("marker", IDS), ("expected", List(&IDS))];
const REPORT_BODY: Fields = &[("proposal", Bytes), ("suite", Number), ("bits", Bytes)];
pub const CANDIDATE: Form = Record(&[("token", Number), ("logit", Signed)]);
const LISTED: Form = List(&CANDIDATE);
pub const ANSWER: Form = Record(&[("tokens", IDS), ("lists", List(&LISTED))]);
const ITEM_PROOF: Fields = &[
    ("suite", Record(SUITE)),
    ("index", Number),
    ("item", Record(ITEM)),
    ("path", List(&Bytes)),
    ("listed", Number),
    ("answers", List(&ANSWER)),
];

#[test]
fn texts_and_their_hashes() {
    let vectors = vectors("benchmarks.json");
    let texts = list(&vectors["texts"]);
    assert!(!texts.is_empty());
    for vector in texts {
        let text = vector["text"].as_str().unwrap();
        assert_eq!(hash("esper/bench/text/v1", &[text.as_bytes()]), sized(&vector["digest"]));
    }
}

#[test]
fn suites_and_their_ids() {
    for vector in list(&vectors("benchmarks.json")["suites"]) {
        assert_eq!(hash("esper/suite/id/v1", &[&checked(SUITE, vector)]), sized(&vector["id"]));
    }
}

#[test]
fn items_and_their_root() {
    let vectors = vectors("benchmarks.json");
    let items: Vec<_> = list(&vectors["items"]).iter().map(|vector| checked(ITEM, vector)).collect();
    let items: Vec<_> = items.iter().map(Vec::as_slice).collect();
    assert_eq!(root("esper/suite/items/v1", &items), sized(&vectors["items_root"]));
}

#[test]
fn reports_and_proofs_of_items() {
    let vectors = vectors("benchmarks.json");
    for vector in list(&vectors["reports"]) {
        checked(REPORT_BODY, vector);
    }
    for vector in list(&vectors["proofs"]) {
        checked(ITEM_PROOF, vector);
    }
}

#[test]
fn samples() {
    for vector in list(&vectors("benchmarks.json")["samples"]) {
        let [report, beacon] = ["report", "beacon"].map(|name| bytes(&vector[name]));
        let [count, wanted] = ["count", "wanted"].map(|name| number(&vector[name]));
        let wanted = usize::try_from(wanted.min(count)).unwrap();
        let mut sample: Vec<u64> = Vec::new();
        for index in drawn("esper/report/v1", &[&report, &beacon], count) {
            if sample.len() == wanted {
                break;
            }
            if !sample.contains(&index) {
                sample.push(index);
            }
        }
        assert_eq!(sample, list(&vector["sample"]).iter().map(number).collect::<Vec<_>>());
    }
}
