//! Transactions by their fields: the envelope, and the payload of each kind.
//!
//! txid = H(without the signature), wtxid = H(all of it), digest = H(genesis hash || suite || without).

use serde_json::Value;

use crate::fields::Form::{Bytes, List, Number, Record};
use crate::fields::{Fields, Form, encoded};
use crate::hashing::hash;
use crate::msgpack::array;
use crate::reading::{bytes, list, number, sized, suite, text, vectors};

/// Before the payload; after it stands the signature.
const ENVELOPE: Fields = &[
    ("version", Number),
    ("kind", Number),
    ("suite", Number),
    ("sender", Bytes),
    ("key", Bytes),
    ("nonce", Number),
    ("fee", Number),
    ("not_before", Number),
    ("expiry", Number),
];
const OUTPUT: Form = Record(&[("receiver", Bytes), ("amount", Number)]);
const AMOUNT: Form = Record(&[("amount", Number)]);
const CALL: Form =
    Record(&[("model_id", Bytes), ("prompt", List(&Number)), ("max_tokens", Number), ("price", Number)]);

/// Name and form of the payload of a kind.
fn payload(kind: u64) -> (&'static str, Form) {
    match kind {
        1 => ("Transfer", Record(&[("outputs", List(&OUTPUT))])),
        2 => ("Stake", AMOUNT),
        3 => ("Unstake", AMOUNT),
        4 => ("CreditTransfer", OUTPUT),
        5 => ("LlmCall", CALL),
        6 => ("LlmResult", Record(&[("call_id", Bytes), ("answer", List(&Number))])),
        7 => ("Propose", Record(&[("subject", Number), ("bond", Number), ("body", Bytes)])),
        8 => ("Vote", Record(&[("proposal", Bytes), ("choice", Number)])),
        9 => ("Delegate", Record(&[("to", Bytes)])),
        10 => ("Claim", Record(&[("subject", Number), ("bond", Number), ("body", Bytes)])),
        11 => ("Prove", Record(&[("subject", Number), ("target", Bytes), ("room", Number), ("body", Bytes)])),
        _ => panic!("there is no kind {kind}"),
    }
}

/// The elements of a transaction, the signature last.
fn elements(vector: &Value) -> Vec<Vec<u8>> {
    let fields = &vector["fields"];
    assert_eq!(fields.as_object().unwrap().len(), ENVELOPE.len() + 2);
    let (name, form) = payload(number(&fields["kind"]));
    assert_eq!(name, text(&vector["payload"]));
    let mut found: Vec<_> = ENVELOPE.iter().map(|(name, form)| encoded(form, &fields[name])).collect();
    found.push(encoded(&form, &fields["payload"]));
    found.push(encoded(&Bytes, &fields["signature"]));
    found
}

#[test]
fn bytes_ids_and_digests() {
    let vectors = vectors("envelopes.json");
    let genesis = bytes(&vectors["genesis_hash"]);
    let mut kinds = std::collections::BTreeSet::new();
    for vector in list(&vectors["transactions"]) {
        let elements = elements(vector);
        let (whole, unsigned) = (array(&elements), array(&elements[..elements.len() - 1]));
        assert_eq!(whole, bytes(&vector["bytes"]), "{}", vector["case"]);
        assert_eq!(hash("esper/tx/id/v1", &[&unsigned]), sized(&vector["txid"]));
        assert_eq!(hash("esper/tx/witness-id/v1", &[&whole]), sized(&vector["wtxid"]));
        let suite = [suite(&vector["fields"]["suite"])];
        let digest = hash("esper/tx/sign/v1", &[&genesis, &suite, &unsigned]);
        assert_eq!(digest, sized(&vector["digest"]));
        kinds.insert(number(&vector["fields"]["kind"]));
    }
    assert_eq!(kinds, (1..=11).collect());
}
