//! A network's parameters, their bytes, and the genesis that follows from them.
//!
//! Records are arrays of their fields, texts ASCII bytes, truth values 0 or 1, and integers from 2^63
//! on 64 big-endian bytes. The state begins with the coins that are allotted, the chain's record, and
//! what the DAO begins with.

use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::beginnings::{self, Tier};
use crate::cost::{Puzzle, Shape};
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

fn size(within: &Value, name: &str) -> u64 {
    reading::number(field(within, name))
}

fn shape(model: &Value) -> Shape {
    let shape = field(model, "shape");
    Shape {
        vocab: size(shape, "vocab"),
        dim: size(shape, "dim"),
        hidden: size(shape, "hidden"),
        layers: size(shape, "layers"),
        heads: size(shape, "heads"),
        kv_heads: size(shape, "kv_heads"),
        head_dim: size(shape, "head_dim"),
    }
}

fn ticket(parameters: &Value) -> Puzzle {
    let puzzle = field(parameters, "puzzle");
    Puzzle {
        sequences: size(puzzle, "sequences"),
        rows: size(puzzle, "rows"),
        input_tokens: size(puzzle, "input_tokens"),
        max_answer: size(puzzle, "max_answer"),
        top_k: size(puzzle, "top_k"),
        salt_bits: u32::try_from(size(puzzle, "salt_bits")).unwrap(),
    }
}

fn tier(model: &Value, share: Option<u64>) -> Tier {
    let id = u8::try_from(size(model, "tier")).unwrap();
    Tier { id, model: parameter(model), shape: shape(model), share }
}

/// The items of a list, which may be empty.
fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

#[test]
fn the_genesis_hash_is_over_the_bytes_of_the_parameters() {
    for vector in list(&vectors("chain.json")["networks"]) {
        let data = parameter(&vector["parameters"]);
        assert_eq!(data, reading::bytes(&vector["parameter_bytes"]));
        assert_eq!(hash("esper/genesis/v1", &[&data]), sized(&vector["genesis_hash"]));
    }
}

#[test]
fn the_genesis_state_holds_the_allotted_coins_and_the_tiers() {
    let zeros: serde_json::Map<_, _> = ACCOUNT.iter().map(|(name, _)| (name.to_string(), json!(0))).collect();
    let mut numbers = vec![];
    for vector in list(&vectors("chain.json")["networks"]) {
        let parameters = &vector["parameters"];
        let (mut records, mut issued) = (Records::new(), 0);
        for entry in items(field(field(parameters, "reward"), "genesis_allocation")) {
            let (address, amount) = (reading::bytes(&entry[0]["bytes"]), reading::number(&entry[1]));
            let mut account = Value::from(zeros.clone());
            account["version"] = json!(1);
            account["balance"] = json!(amount);
            records.insert(path(1, &address), record(ACCOUNT, &account));
            issued += amount;
        }
        let beacon = hash("esper/beacon/v1", &[&reading::bytes(&vector["genesis_hash"])]);
        let chain = json!({
            "version": 1, "beacon": hex(&beacon), "paid_tokens": 0, "proven_tokens": 0, "issued": issued,
        });
        records.insert(path(3, b"chain"), record(CHAIN_RECORD, &chain));

        let first = tier(field(parameters, "model"), None);
        let others = items(field(parameters, "further_tiers")).iter();
        let others = others.map(|other| tier(field(other, "model"), Some(size(other, "share"))));
        let tiers: Vec<_> = std::iter::once(first).chain(others).collect();
        let texts = items(field(field(parameters, "governance"), "texts")).iter();
        let texts: Vec<_> = texts.map(|text| reading::bytes(&text["bytes"])).collect();
        beginnings::put(&mut records, &tiers, &ticket(parameters), &texts);
        assert_eq!(root(&records), sized(&vector["genesis_state_root"]));
        numbers.push((records.len(), tiers.len()));
    }
    // Beside the tiers: coins of two, the chain, governance, settings and blocks.
    assert_eq!(numbers, [(2 + 4 + 2, 2), (4 + 3, 3)]);
}
