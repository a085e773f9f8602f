//! Receipts and the mountain range over them.
//!
//! Leaves pair into perfect trees, one for each 1 in the binary form of the count, the largest first.
//! root = H("esper/mmr/root/v1", use || count || tops of the trees).

use crate::fields::Form::{Bytes, Number};
use crate::fields::{Fields, checked, record};
use crate::hashing::{hash, padded};
use crate::reading::{bytes, list, number, sized, vectors};
use crate::records::RECEIPTS;

type Hash = [u8; 64];

const RECEIPT: Fields = &[
    ("version", Number),
    ("kind", Number),
    ("txid", Bytes),
    ("sender", Bytes),
    ("fee", Number),
    ("burned", Number),
    ("locked", Number),
    ("paid_tokens", Number),
    ("own", Number),
];

pub fn leaf(item: &[u8]) -> Hash {
    hash("esper/mmr/leaf/v1", &[item])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash("esper/mmr/node/v1", &[left, right])
}

/// The top of a perfect tree.
fn top(leaves: &[Hash]) -> Hash {
    match leaves {
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            node(&top(left), &top(right))
        }
    }
}

/// Sizes of the trees of a list, the largest first.
fn trees(count: usize) -> impl Iterator<Item = usize> {
    (0..usize::BITS).rev().map(|bit| 1 << bit).filter(move |size| count & size != 0)
}

pub fn peaks(leaves: &[Hash]) -> Vec<Hash> {
    let mut left = leaves;
    trees(leaves.len()).map(|size| top(left.split_off(..size).unwrap())).collect()
}

/// The root of a range over what a name says.
pub fn root_for(used_for: &str, count: usize, peaks: &[Hash]) -> Hash {
    hash("esper/mmr/root/v1", &[&padded(used_for), &(count as u64).to_be_bytes(), &peaks.concat()])
}

fn root(count: usize, peaks: &[Hash]) -> Hash {
    root_for("esper/receipts/v1", count, peaks)
}

/// The peaks that a leaf, its siblings and the other peaks give.
pub fn climbed(count: usize, index: usize, leaf: Hash, siblings: &[Hash], others: &[Hash]) -> Vec<Hash> {
    let (mut first, mut tree) = (0, 0);
    for size in trees(count) {
        if index < first + size {
            assert_eq!(1 << siblings.len(), size, "a sibling for every level of its tree");
            break;
        }
        (first, tree) = (first + size, tree + 1);
    }
    let climb = |(level, below): (usize, Hash), sibling: &Hash| {
        let is_right = (index - first) >> level & 1 == 1;
        (level + 1, if is_right { node(sibling, &below) } else { node(&below, sibling) })
    };
    let (_, peak) = siblings.iter().fold((0, leaf), climb);
    [&others[..tree], &[peak], &others[tree..]].concat()
}

fn hashes(value: &serde_json::Value) -> Vec<Hash> {
    value.as_array().expect("hashes").iter().map(sized).collect()
}

/// The leaves of all receipts, whose fields and bytes are checked.
fn leaves(vectors: &serde_json::Value) -> Vec<Hash> {
    list(&vectors["receipts"]).iter().map(|vector| leaf(&checked(RECEIPT, vector))).collect()
}

#[test]
fn receipts_and_the_ranges_over_them() {
    let vectors = vectors("receipts.json");
    let leaves = leaves(&vectors);
    let mut counts = vec![];
    for vector in list(&vectors["ranges"]) {
        let count = number(&vector["count"]) as usize;
        let peaks = peaks(&leaves[..count]);
        assert_eq!(peaks, hashes(&vector["peaks"]));
        assert_eq!(root(count, &peaks), sized(&vector["root"]));
        let state = serde_json::json!({"version": 1, "count": vector["count"], "peaks": vector["peaks"]});
        assert_eq!(record(RECEIPTS, &state), bytes(&vector["record"]));
        counts.push(count);
    }
    assert_eq!(counts, [0, 1, 2, 3, 7, 8]);
}

#[test]
fn a_proof_leads_to_the_root_from_its_own_receipt_alone() {
    let vectors = vectors("receipts.json");
    let leaves = leaves(&vectors);
    for vector in list(&vectors["proofs"]) {
        let [index, count] = ["index", "count"].map(|name| number(&vector[name]) as usize);
        let [siblings, others] = ["siblings", "other_peaks"].map(|name| hashes(&vector[name]));
        let expected = root(count, &peaks(&leaves[..count]));
        for (place, leaf) in leaves.iter().enumerate() {
            let found = root(count, &climbed(count, index, *leaf, &siblings, &others));
            assert_eq!(found == expected, place == index, "receipt {place} at {index} of {count}");
        }
    }
}
