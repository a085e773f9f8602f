//! The state's root: a binary tree over records by the bits of their paths.
//!
//! A subtree without records is zeros, one of one record is its leaf, any other hashes its halves.

use std::collections::BTreeMap;

use crate::hashing::hash32;
use crate::reading::{list, sized, vectors};

/// The records of a state by their paths.
pub type Records = BTreeMap<[u8; 32], Vec<u8>>;

/// Where the record of this kind and id stands.
pub fn path(kind: u8, id: &[u8]) -> [u8; 32] {
    hash32("esper/state/key/v1", &[&[kind], id])
}

fn top(records: &Records, depth: usize) -> [u8; 32] {
    match records.len() {
        0 => [0; 32],
        1 => {
            let (path, value) = records.first_key_value().unwrap();
            let value = hash32("esper/state/value/v1", &[value]);
            hash32("esper/state/leaf/v1", &[path, &value])
        }
        _ => {
            let is_right = |path: &[u8; 32]| path[depth / 8] >> (7 - depth % 8) & 1 == 1;
            let (right, left): (Records, Records) =
                records.clone().into_iter().partition(|(path, _)| is_right(path));
            hash32("esper/state/node/v1", &[&top(&left, depth + 1), &top(&right, depth + 1)])
        }
    }
}

pub fn root(records: &Records) -> [u8; 32] {
    let count = (records.len() as u64).to_be_bytes();
    hash32("esper/state/root/v1", &[&count, &top(records, 0)])
}

#[test]
fn roots_after_every_change() {
    let mut records = Records::new();
    for step in list(&vectors("state_tree.json")) {
        let place = |name: &str| step[name].as_u64().map(|n| u8::try_from(n).unwrap());
        if let Some(n) = place("put") {
            records.insert(path(1, &[n]), format!("value {n}").into_bytes());
        } else {
            assert!(records.remove(&path(1, &[place("delete").unwrap()])).is_some());
        }
        assert_eq!(root(&records), sized(&step["root"]));
    }
}
