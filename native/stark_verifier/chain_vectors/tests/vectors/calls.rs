//! Answers and call groups of a block, and what their proofs are bound to.
//!
//! A block's own calls: H(genesis hash || payee || model_id || Merkle root over the call ids). The
//! answer to a lane: H(genesis hash || call id || sender).

use std::collections::BTreeSet;

use crate::fields::Form::{Bytes, List, Number, Record, Signed};
use crate::fields::{Fields, checked, encoded};
use crate::hashing::hash;
use crate::merkle;
use crate::reading::{bytes, list, number, sized, vectors};

const GROUP_VERSION: u64 = 2;
const CALL_GROUP: Fields = &[
    ("version", Number),
    ("kind", Number),
    ("model_id", Bytes),
    ("calls", List(&Record(&[("call_id", Bytes), ("logits", List(&Signed))]))),
    ("proof", Bytes),
];

fn root(used_for: &str, items: &[Vec<u8>]) -> [u8; 64] {
    merkle::root(used_for, &items.iter().map(|item| &item[..]).collect::<Vec<_>>())
}

#[test]
fn results_and_their_root() {
    let vectors = vectors("calls.json");
    let result = |vector: &serde_json::Value| {
        let found = encoded(&List(&Number), &vector["tokens"]);
        assert_eq!(found, bytes(&vector["bytes"]), "{}", vector["case"]);
        found
    };
    let results: Vec<_> = list(&vectors["results"]).iter().map(result).collect();
    assert_eq!(root("esper/call/results/v1", &results), sized(&vectors["result_root"]));
}

#[test]
fn groups_and_their_root() {
    let vectors = vectors("calls.json");
    let group = |vector: &serde_json::Value| {
        assert_eq!(number(&vector["fields"]["version"]), GROUP_VERSION);
        checked(CALL_GROUP, vector)
    };
    let groups: Vec<_> = list(&vectors["groups"]).iter().map(group).collect();
    assert_eq!(root("esper/call/groups/v1", &groups), sized(&vectors["calls_root"]));
}

#[test]
fn groups_of_every_kind() {
    let vectors = vectors("calls.json");
    let kinds: BTreeSet<_> =
        list(&vectors["groups"]).iter().map(|vector| number(&vector["fields"]["kind"])).collect();
    // A block's own calls, an answer to a lane, and the proof of a transaction.
    assert_eq!(kinds, [0, 1, 2].into());
}

#[test]
fn what_proofs_are_bound_to() {
    let vectors = vectors("calls.json");
    let [genesis, payee, model_id] = ["genesis_hash", "payee", "model_id"].map(|name| bytes(&vectors[name]));
    for vector in list(&vectors["own_bindings"]) {
        let call_ids: Vec<_> = list(&vector["call_ids"]).iter().map(bytes).collect();
        let root = root("esper/call/list/v1", &call_ids);
        assert_eq!(root, sized(&vector["list_root"]));
        let binding = hash("esper/call/group/v1", &[&genesis, &payee, &model_id, &root]);
        assert_eq!(binding, sized(&vector["binding"]));
    }
    let lane = &vectors["lane_binding"];
    let [call_id, sender] = ["call_id", "sender"].map(|name| bytes(&lane[name]));
    let binding = hash("esper/call/lane/v1", &[&genesis, &call_id, &sender]);
    assert_eq!(binding, sized(&lane["binding"]));
}
