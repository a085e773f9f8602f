//! What blocks are made of, field by field, tiers, beacons, and the draw between rivals.

use serde_json::Value;

use crate::blocks::{outputs_hash, proof_hash, transaction_root};
use crate::fields::Form::{Bytes, List, Number, Record, Signed};
use crate::fields::{Fields, Form, checked, encoded};
use crate::hashing::{hash, stretched};
use crate::merkle;
use crate::prompts::PROMPT;
use crate::reading::{bytes, list, number, sized, text, vectors};

const COINBASE: Fields =
    &[("version", Number), ("kind", Number), ("height", Number), ("payee", Bytes), ("amount", Number)];

const CANDIDATE: Form = Record(&[("token", Number), ("logit", Signed)]);
pub const TOP: Form = List(&CANDIDATE);
const ANSWER: Form = Record(&[("tokens", List(&Number)), ("top", List(&TOP))]);
const OPENING: Form = Record(&[("index", Number), ("prompt", Record(PROMPT)), ("path", List(&Bytes))]);
pub const OUTPUTS: Fields = &[("version", Number), ("openings", List(&OPENING)), ("answers", List(&ANSWER))];
const BODY: Fields = &[
    ("version", Number),
    ("transactions", List(&Bytes)),
    ("results", List(&Bytes)),
    ("call_groups", List(&Bytes)),
    ("outputs", Record(OUTPUTS)),
];

const PRE_HEADER: Form = Record(&[
    ("version", Number),
    ("genesis_hash", Bytes),
    ("parent", Bytes),
    ("height", Number),
    ("time_ms", Number),
    ("tx_root", Bytes),
    ("result_root", Bytes),
    ("calls_root", Bytes),
    ("state_root", Bytes),
    ("payee", Bytes),
    ("model_id", Bytes),
    ("tier", Number),
    ("target", Bytes),
    ("omega", Number),
    ("bank_root", Bytes),
    ("vrf_root", Bytes),
    ("vrf_index", Number),
    ("nonce", Number),
]);
const VRF_PROOF: Form = Record(&[("value", Bytes), ("path", List(&Bytes)), ("output", Bytes)]);
const HEADER: Fields = &[
    ("pre", PRE_HEADER),
    ("result", Bytes),
    ("vrf_proof", VRF_PROOF),
    ("outputs_hash", Bytes),
    ("proof_hash", Bytes),
];

const SHAPE: Form = Record(&[
    ("vocab", Number),
    ("dim", Number),
    ("hidden", Number),
    ("layers", Number),
    ("heads", Number),
    ("kv_heads", Number),
    ("head_dim", Number),
    ("max_seq", Number),
]);
pub const MODEL: Form = Record(&[
    ("model_id", Bytes),
    ("tier", Number),
    ("shape", SHAPE),
    ("bos", Number),
    ("eos", Number),
    ("special_ids", List(&Number)),
    ("tokenizer_id", Bytes),
    ("bank_root", Bytes),
    ("bank_size", Number),
]);
pub const PUZZLE: Form =
    Record(&[("sequences", Number), ("rows", Number), ("input_tokens", Number), ("max_answer", Number)]);
const ENTRY: Form = Record(&[("model", MODEL), ("omega", Number), ("puzzle", PUZZLE)]);
pub const TIER: Fields = &[
    ("version", Number),
    ("model", MODEL),
    ("omega", Number),
    ("share", Number),
    ("puzzle", PUZZLE),
    ("previous", List(&ENTRY)),
    ("since", Number),
];
const TALLY: Form = Record(&[("tier", Number), ("multiplier", Number), ("blocks", Number)]);
const TIER_STATE: Fields = &[("version", Number), ("tallies", List(&TALLY))];

/// The byte strings of a list, which may be empty.
fn items(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().expect("a list").iter().map(bytes).collect()
}

fn parts(items: &[Vec<u8>]) -> Vec<&[u8]> {
    items.iter().map(|item| &item[..]).collect()
}

#[test]
fn coinbases_and_their_ids() {
    for vector in list(&vectors("chain.json")["coinbases"]) {
        let data = checked(COINBASE, vector);
        assert_eq!(hash("esper/tx/id/v1", &[&data]), sized(&vector["txid"]));
        assert_eq!(hash("esper/tx/witness-id/v1", &[&data]), sized(&vector["wtxid"]));
    }
}

#[test]
fn outputs_and_their_hash() {
    let vector = &vectors("chain.json")["outputs"];
    assert_eq!(outputs_hash(&checked(OUTPUTS, vector)), sized(&vector["hash"]));
}

#[test]
fn headers_and_their_names() {
    for vector in list(&vectors("chain.json")["headers"]) {
        checked(HEADER, vector);
        let fields = &vector["fields"];
        let pre = encoded(&PRE_HEADER, &fields["pre"]);
        let work_id = hash("esper/work/v1", &[&pre]);
        assert_eq!(work_id, sized(&vector["work_id"]));
        assert_eq!(stretched("esper/work/seed/v1", &[&work_id]), sized(&vector["seed"]));
        let vrf_proof = hash("esper/vrf/proof/v1", &[&encoded(&VRF_PROOF, &fields["vrf_proof"])]);
        let [result, outputs, proof] =
            ["result", "outputs_hash", "proof_hash"].map(|name| bytes(&fields[name]));
        let block_id = hash("esper/header/v1", &[&pre, &result, &vrf_proof, &outputs, &proof]);
        assert_eq!(block_id, sized(&vector["block_id"]));
    }
}

#[test]
fn a_header_commits_to_its_body_and_proof() {
    let vectors = vectors("chain.json");
    let (headers, bodies) = (list(&vectors["headers"]), list(&vectors["bodies"]));
    assert_eq!(headers.len(), bodies.len());
    for (header, body) in headers.iter().zip(bodies) {
        checked(BODY, body);
        let (header, body) = (&header["fields"], &body["fields"]);
        let [transactions, results, groups] =
            ["transactions", "results", "call_groups"].map(|name| items(&body[name]));
        let outputs = encoded(&Record(OUTPUTS), &body["outputs"]);
        let pre = &header["pre"];
        assert_eq!(transaction_root(&parts(&transactions)), sized(&pre["tx_root"]));
        let root = merkle::root("esper/call/results/v1", &parts(&results));
        assert_eq!(root, sized(&pre["result_root"]));
        let root = merkle::root("esper/call/groups/v1", &parts(&groups));
        assert_eq!(root, sized(&pre["calls_root"]));
        assert_eq!(outputs_hash(&outputs), sized(&header["outputs_hash"]));
        assert_eq!(proof_hash(&bytes(&vectors["proof"])), sized(&header["proof_hash"]));
    }
}

#[test]
fn tiers() {
    for vector in list(&vectors("chain.json")["tiers"]) {
        match text(&vector["record"]) {
            "Tier" => checked(TIER, vector),
            "TierState" => checked(TIER_STATE, vector),
            name => panic!("{name} is no record of tiers"),
        };
    }
}

#[test]
fn beacons_take_in_result_and_vrf_output() {
    let vectors = vectors("chain.json");
    let vector = &vectors["beacons"];
    let mut beacon = hash("esper/beacon/v1", &[&bytes(&vector["genesis_hash"])]);
    assert_eq!(beacon, sized(&vector["beacon"]));
    for step in list(&vector["steps"]) {
        let [result, output] = ["result", "vrf_output"].map(|name| bytes(&step[name]));
        beacon = hash("esper/beacon/v1", &[&beacon, &result, &output]);
        assert_eq!(beacon, sized(&step["beacon"]));
    }
}

#[test]
fn the_least_lot_wins_among_rivals() {
    let vectors = vectors("chain.json");
    let vector = &vectors["draws"];
    let secret = bytes(&vector["secret"]);
    let lot = |work_id: &Value| hash("esper/forkchoice/draw/v1", &[&secret, &bytes(work_id)]);
    let lots: Vec<_> = list(&vector["work_ids"]).iter().map(lot).collect();
    assert_eq!(lots, list(&vector["lots"]).iter().map(sized).collect::<Vec<_>>());
    assert_eq!(Some(&lots[number(&vector["winner"]) as usize]), lots.iter().min());
}
