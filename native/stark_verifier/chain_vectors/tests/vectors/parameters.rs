//! A network's parameters, their bytes, and the genesis that follows from them.
//!
//! Records are arrays of their fields, texts ASCII bytes, truth values 0 or 1, and integers from 2^63
//! on 64 big-endian bytes. The state begins with the coins that are allotted and the chain's record.

use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::fields::{Form, encoded, record};
use crate::hashing::hash;
use crate::msgpack::{array, bytes, number};
use crate::reading::{self, list, sized, text, vectors};
use crate::records::{ACCOUNT, CHAIN_RECORD};
use crate::state::{Records, path, root};

fn wide(digits: &Value) -> Vec<u8> {
    let found = text(digits).parse::<BigUint>().unwrap().to_bytes_be();
    [vec![0; 64 - found.len()], found].concat()
}

fn parameter(value: &Value) -> Vec<u8> {
    let Value::Object(tagged) = value else {
        return match value {
            Value::Bool(truth) => number(u64::from(*truth)),
            Value::String(text) => bytes(text.as_bytes()),
            Value::Array(items) => array(&items.iter().map(parameter).collect::<Vec<_>>()),
            _ => number(reading::number(value)),
        };
    };
    let (form, inner) = tagged.iter().next().unwrap();
    match form.as_str() {
        "record" => array(&list(inner).iter().map(|field| parameter(&field[1])).collect::<Vec<_>>()),
        "bytes" => bytes(&reading::bytes(inner)),
        "wide" => bytes(&wide(inner)),
        "number" => encoded(&Form::Number, inner),
        _ => panic!("a parameter cannot be a {form}"),
    }
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The field of this name.
fn field<'a>(within: &'a Value, name: &str) -> &'a Value {
    let fields = list(&within["record"]);
    &fields.iter().find(|field| field[0] == name).unwrap_or_else(|| panic!("no {name}"))[1]
}

#[test]
fn the_genesis_hash_is_over_the_bytes_of_the_parameters() {
    let vectors = vectors("chain.json");
    let data = parameter(&vectors["parameters"]);
    assert_eq!(data, reading::bytes(&vectors["parameter_bytes"]));
    assert_eq!(hash("esper/genesis/v1", &[&data]), sized(&vectors["genesis_hash"]));
}

#[test]
fn the_genesis_state_holds_the_allotted_coins() {
    let vectors = vectors("chain.json");
    let (mut records, mut issued) = (Records::new(), 0);
    let zeros: serde_json::Map<_, _> = ACCOUNT.iter().map(|(name, _)| (name.to_string(), json!(0))).collect();
    for entry in list(field(field(&vectors["parameters"], "reward"), "genesis_allocation")) {
        let (address, amount) = (reading::bytes(&entry[0]["bytes"]), reading::number(&entry[1]));
        let mut account = Value::from(zeros.clone());
        account["version"] = json!(1);
        account["balance"] = json!(amount);
        records.insert(path(1, &address), record(ACCOUNT, &account));
        issued += amount;
    }
    assert_eq!(records.len(), 2);
    let beacon = hash("esper/beacon/v1", &[&reading::bytes(&vectors["genesis_hash"])]);
    let chain =
        json!({"version": 1, "beacon": hex(&beacon), "paid_tokens": 0, "proven_tokens": 0, "issued": issued});
    records.insert(path(3, b"chain"), record(CHAIN_RECORD, &chain));
    assert_eq!(root(&records), sized(&vectors["genesis_state_root"]));
}
