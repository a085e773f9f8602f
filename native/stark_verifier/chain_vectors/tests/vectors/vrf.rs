//! The VRF: a key is a tree over one value for every height, all of them drawn from a secret.
//!
//! key = start || depth || payee, x_i = H32(secret || start || i),
//! leaf_i = H32(key || i || H32(key || i || x_i)), root = H(key || top), output = XOF(root || i ||
//! parent's work_id || x_i).

use crate::hashing::{hash, hash32, stretched};
use crate::reading::{bytes, list, number, sized, vectors};

type Node = [u8; 32];

/// What separates one key from all others.
pub fn key(start: u64, depth: usize, payee: &[u8]) -> Vec<u8> {
    [&start.to_be_bytes()[..], &[u8::try_from(depth).unwrap()], payee].concat()
}

fn leaf(key: &[u8], index: u64, value: &Node) -> Node {
    let index = index.to_be_bytes();
    let inner = hash32("esper/vrf/inner/v1", &[key, &index, value]);
    hash32("esper/vrf/leaf/v1", &[key, &index, &inner])
}

fn node(left: &Node, right: &Node) -> Node {
    hash32("esper/vrf/node/v1", &[left, right])
}

fn top(leaves: &[Node]) -> Node {
    match leaves {
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            node(&top(left), &top(right))
        }
    }
}

/// The root that a value and its siblings, from the leaf upwards, give.
pub fn climbed(key: &[u8], index: u64, value: &Node, siblings: &[Node]) -> [u8; 64] {
    let mut current = leaf(key, index, value);
    for (level, sibling) in siblings.iter().enumerate() {
        let is_right = index >> level & 1 == 1;
        current = if is_right { node(sibling, &current) } else { node(&current, sibling) };
    }
    hash("esper/vrf/key/v1", &[key, &current])
}

pub fn output(root: &[u8; 64], index: u64, parent_work_id: &[u8], value: &Node) -> [u8; 64] {
    stretched("esper/vrf/output/v1", &[root, &index.to_be_bytes(), parent_work_id, value])
}

#[test]
fn a_secret_gives_the_root_and_every_proof() {
    let vectors = vectors("vrf.json");
    let (start, depth) = (number(&vectors["start"]), number(&vectors["depth"]) as usize);
    let key = key(start, depth, &bytes(&vectors["payee"]));
    let secret: [u8; 32] = sized(&vectors["secret"]);
    let value = |i: u64| hash32("esper/vrf/prf/v1", &[&secret, &start.to_be_bytes(), &i.to_be_bytes()]);
    let leaves: Vec<Node> = (0..1 << depth).map(|i| leaf(&key, i, &value(i))).collect();
    assert_eq!(hash("esper/vrf/key/v1", &[&key, &top(&leaves)]), sized(&vectors["root"]));
    for proof in list(&vectors["proofs"]) {
        let index = number(&proof["height"]) - start;
        assert_eq!(value(index), sized(&proof["value"]));
        let siblings = list(&proof["path"]);
        assert_eq!(siblings.len(), depth);
        for (level, sibling) in siblings.iter().enumerate() {
            let first = ((index as usize >> level) ^ 1) << level;
            assert_eq!(top(&leaves[first..first + (1 << level)]), sized(sibling), "{index}, {level}");
        }
    }
}

#[test]
fn a_proof_leads_to_the_root_and_the_output() {
    let vectors = vectors("vrf.json");
    let (start, root) = (number(&vectors["start"]), sized(&vectors["root"]));
    for proof in list(&vectors["proofs"]) {
        let siblings: Vec<Node> = list(&proof["path"]).iter().map(sized).collect();
        let key = key(start, siblings.len(), &bytes(&vectors["payee"]));
        let (index, value) = (number(&proof["height"]) - start, sized(&proof["value"]));
        assert_eq!(climbed(&key, index, &value, &siblings), root);
        assert_ne!(climbed(&key, index ^ 1, &value, &siblings), root);
        let parent = bytes(&proof["parent_work_id"]);
        assert_eq!(output(&root, index, &parent, &value), sized(&proof["output"]));
    }
}
