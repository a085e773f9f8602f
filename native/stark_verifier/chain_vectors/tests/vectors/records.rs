//! The records of the state: their bytes, their places and the root over them.
//!
//! A place is H32("esper/state/key/v1", kind || id). The id is an address, the id of a call, a height
//! as u64, a height with an index as u32, or a word for what there is one of.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::chain::TIER;
use crate::fields::Form::{Bytes, List, Number, Record, Wide};
use crate::fields::{Fields, Form, checked};
use crate::reading::{bytes, list, number, sized, text, vectors};
use crate::state::{self, Records, path};

pub const ACCOUNT: Fields = &[
    ("version", Number),
    ("nonce", Number),
    ("balance", Number),
    ("stake", Number),
    ("epoch", Number),
    ("index", Wide),
    ("older_credits", Number),
    ("newer_credits", Number),
    ("epoch_stake", Number),
    ("used", Number),
    ("allowance", Number),
];
const PENDING_REWARD: Fields = &[("version", Number), ("payee", Bytes), ("amount", Number)];
pub const CHAIN_RECORD: Fields = &[
    ("version", Number),
    ("beacon", Bytes),
    ("paid_tokens", Number),
    ("proven_tokens", Number),
    ("issued", Number),
];
const KNOWN_KEY: Fields = &[("version", Number), ("suite", Number), ("key", Bytes)];
const CREDIT_TOTALS: Fields = &[
    ("version", Number),
    ("epoch", Number),
    ("total_stake", Number),
    ("index", Wide),
    ("previous_index", Wide),
    ("issued", Number),
    ("previous_issued", Number),
    ("drawn", Number),
    ("previous_drawn", Number),
];
const DUE_COUNT: Fields = &[("version", Number), ("count", Number)];
const UNBONDING: Fields = &[("version", Number), ("owner", Bytes), ("amount", Number)];
const LANE_DUE: Fields = &[("version", Number), ("call_id", Bytes)];
const LANE: Fields = &[
    ("version", Number),
    ("caller", Bytes),
    ("model_id", Bytes),
    ("prompt", List(&Number)),
    ("max_tokens", Number),
    ("price", Number),
    ("epoch", Number),
    ("older_credits", Number),
    ("newer_credits", Number),
    ("lapse_height", Number),
    ("due_index", Number),
];
/// The range over all receipts, and that over all blocks.
pub const RECEIPTS: Fields = &[("version", Number), ("count", Number), ("peaks", List(&Bytes))];

const LIVE: Form = Record(&[
    ("number", Number),
    ("id", Bytes),
    ("subject", Number),
    ("tier", Number),
    ("step", Number),
    ("next", Number),
]);
const DUE: Form = Record(&[("height", Number), ("op", Number), ("id", Bytes)]);
const GOVERNANCE: Fields = &[
    ("version", Number),
    ("number", Number),
    ("epoch", Number),
    ("stake", Number),
    ("live", List(&LIVE)),
    ("schedule", List(&DUE)),
    ("tiers", List(&Number)),
];
const SETTING: Form = Record(&[("key", Number), ("value", Number), ("changed", Number)]);
const SETTINGS: Fields = &[("version", Number), ("values", List(&SETTING)), ("texts", List(&Bytes))];
const REPORT: Form = Record(&[("id", Bytes), ("suite", Number), ("next", Number)]);
const PROPOSAL: Fields = &[
    ("version", Number),
    ("number", Number),
    ("subject", Number),
    ("tier", Number),
    ("proposer", Bytes),
    ("bond", Number),
    ("fee", Number),
    ("base", Number),
    ("opened", Number),
    ("epoch", Number),
    ("stake", Number),
    ("quorum", Number),
    ("close", Number),
    ("extensions", Number),
    ("ahead", Number),
    ("yes", Number),
    ("no", Number),
    ("abstain", Number),
    ("gate", Number),
    ("seed", Bytes),
    ("final", Number),
    ("active", Number),
    ("postponed", Number),
    ("seen", Number),
    ("ready", Number),
    ("reports", List(&REPORT)),
    ("standing", List(&Number)),
    ("body", Bytes),
];
const NOTED: Form = Record(&[("epoch", Number), ("stake", Number), ("delegate", Bytes), ("pot", Number)]);
const CAST: Form = Record(&[("number", Number), ("choice", Number), ("override", Number)]);
const VOTER: Fields = &[
    ("version", Number),
    ("delegate", Bytes),
    ("pot", Number),
    ("ring", List(&NOTED)),
    ("votes", List(&CAST)),
    ("ready", List(&Number)),
];
const MADE_REPORT: Fields = &[
    ("version", Number),
    ("proposal", Bytes),
    ("reporter", Bytes),
    ("suite", Number),
    ("bond", Number),
    ("bits", Bytes),
    ("sample", List(&Number)),
    ("proven", Number),
    ("standing", Number),
];
const HIDDEN_SET: Fields = &[
    ("version", Number),
    ("curator", Bytes),
    ("tokenizer", Bytes),
    ("root", Bytes),
    ("count", Number),
    ("bond", Number),
    ("since", Number),
    ("used", List(&Number)),
    ("round", List(&Bytes)),
    ("drawn", List(&Number)),
    ("answered", Number),
    ("proven", Number),
    ("right", Number),
];
const TOKENIZER_SETS: Fields = &[("version", Number), ("sets", List(&Bytes))];

fn fields(name: &str) -> Fields {
    match name {
        "Account" => ACCOUNT,
        "PendingReward" => PENDING_REWARD,
        "ChainRecord" => CHAIN_RECORD,
        "KnownKey" => KNOWN_KEY,
        "CreditTotals" => CREDIT_TOTALS,
        "DueCount" => DUE_COUNT,
        "Unbonding" => UNBONDING,
        "LaneDue" => LANE_DUE,
        "Lane" => LANE,
        "Mmr" => RECEIPTS,
        "Governance" => GOVERNANCE,
        "SettingValues" => SETTINGS,
        "Tier" => TIER,
        "Proposal" => PROPOSAL,
        "Voter" => VOTER,
        "Report" => MADE_REPORT,
        "HiddenSet" => HIDDEN_SET,
        "TokenizerSets" => TOKENIZER_SETS,
        _ => panic!("the state has no {name}"),
    }
}

/// Kind and id of the record of this name at a place.
fn key(name: &str, place: &Value) -> (u8, Vec<u8>) {
    let height = || number(&place["height"]).to_be_bytes().to_vec();
    let index = || u32::try_from(number(&place["index"])).unwrap().to_be_bytes();
    match (name, place["of"].as_str()) {
        ("Account", _) => (1, bytes(&place["address"])),
        ("PendingReward", _) => (2, height()),
        ("ChainRecord", _) => (3, b"chain".to_vec()),
        ("KnownKey", _) => (4, bytes(&place["address"])),
        ("CreditTotals", _) => (5, b"credits".to_vec()),
        ("DueCount", Some("unbondings")) => (6, height()),
        ("Unbonding", _) => (7, [&height()[..], &index()].concat()),
        ("DueCount", Some("lanes")) => (8, height()),
        ("LaneDue", _) => (9, [&height()[..], &index()].concat()),
        ("Lane", _) => (10, bytes(&place["call_id"])),
        ("Mmr", Some("blocks")) => (23, b"blocks".to_vec()),
        ("Mmr", None) => (11, b"receipts".to_vec()),
        ("Governance", _) => (12, b"governance".to_vec()),
        ("SettingValues", _) => (13, b"settings".to_vec()),
        ("Tier", _) => (14, vec![u8::try_from(number(&place["tier"])).unwrap()]),
        ("Proposal", _) => (15, bytes(&place["call_id"])),
        ("Voter", _) => (16, bytes(&place["address"])),
        ("Report", _) => (17, bytes(&place["call_id"])),
        ("HiddenSet", _) => (18, bytes(&place["call_id"])),
        ("TokenizerSets", _) => (19, bytes(&place["tokenizer"])),
        _ => panic!("{name} has no place {place}"),
    }
}

#[test]
fn fields_bytes_and_places() {
    let vectors = vectors("records.json");
    let (mut records, mut kinds) = (Records::new(), BTreeSet::new());
    for vector in list(&vectors["records"]) {
        let name = text(&vector["record"]);
        let (kind, id) = key(name, &vector["place"]);
        let place = path(kind, &id);
        assert_eq!(place, sized(&vector["path"]), "{name}: {}", vector["case"]);
        let old = records.insert(place, checked(fields(name), vector));
        assert_eq!(old, None, "{name}: a place of its own");
        kinds.insert(kind);
    }
    assert_eq!(state::root(&records), sized(&vectors["state_root"]));
    assert_eq!(kinds, (1..=19).chain([23]).collect());
}

#[test]
fn least_and_greatest_values() {
    let vectors = vectors("records.json");
    for vector in list(&vectors["edges"]) {
        checked(fields(text(&vector["record"])), vector);
    }
}
