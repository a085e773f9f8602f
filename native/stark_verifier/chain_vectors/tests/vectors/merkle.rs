//! Merkle trees over lists, cut in halves from the top.
//!
//! The left half has the greatest power of two of leaves that leaves one for the right: the same
//! tree as pairing neighbours and moving an odd last one up. root = H(use || count || top).

use crate::hashing::{hash, padded};
use crate::reading::{bytes, list, number, sized, vectors};

pub type Hash = [u8; 64];

fn halves(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash("esper/merkle/node/v1", &[left, right])
}

pub fn leaf(item: &[u8]) -> Hash {
    hash("esper/merkle/leaf/v1", &[item])
}

fn top(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => [0; 64],
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(halves(leaves.len()));
            node(&top(left), &top(right))
        }
    }
}

/// The siblings of a leaf, from its own upwards.
fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return vec![];
    }
    let (left, right) = leaves.split_at(halves(leaves.len()));
    let (mut siblings, other) = match index.checked_sub(left.len()) {
        None => (path(left, index), right),
        Some(index) => (path(right, index), left),
    };
    siblings.push(top(other));
    siblings
}

/// The top that a leaf and its siblings give; None if a tree of `count` has more or fewer of them.
pub fn climbed(count: usize, index: usize, leaf: Hash, siblings: &[Hash]) -> Option<Hash> {
    if count == 1 {
        return siblings.is_empty().then_some(leaf);
    }
    let (other, below) = siblings.split_last()?;
    match index.checked_sub(halves(count)) {
        None => Some(node(&climbed(halves(count), index, leaf, below)?, other)),
        Some(index) => Some(node(other, &climbed(count - halves(count), index, leaf, below)?)),
    }
}

pub fn root_of_top(used_for: &str, count: usize, top: &Hash) -> Hash {
    hash("esper/merkle/root/v1", &[&padded(used_for), &(count as u64).to_be_bytes(), top])
}

pub fn root(used_for: &str, items: &[&[u8]]) -> Hash {
    let leaves: Vec<Hash> = items.iter().map(|item| leaf(item)).collect();
    root_of_top(used_for, leaves.len(), &top(&leaves))
}

/// Calls `check` with every list of the vectors, as leaves, its root and its paths.
fn for_each_tree(mut check: impl FnMut(&[Hash], Hash, &[Vec<Hash>])) {
    let vectors = vectors("merkle.json");
    for vector in list(&vectors) {
        let items = (0..number(&vector["count"])).map(|i| vec![i as u8; i as usize]);
        let leaves: Vec<Hash> = items.map(|item| leaf(&item)).collect();
        let path = |path: &serde_json::Value| path.as_array().unwrap().iter().map(sized).collect();
        let paths: Vec<_> = vector["paths"].as_array().unwrap().iter().map(path).collect();
        assert_eq!(paths.len(), leaves.len(), "a path for every leaf");
        assert_eq!(bytes(&vector["root"]).len(), 64);
        check(&leaves, sized(&vector["root"]), &paths);
    }
}

#[test]
fn roots() {
    for_each_tree(|leaves, root, _| {
        assert_eq!(root_of_top("esper/test/v1", leaves.len(), &top(leaves)), root);
    });
}

#[test]
fn inclusion_paths() {
    let mut lengths = std::collections::BTreeSet::new();
    for_each_tree(|leaves, _, paths| {
        for (index, found) in paths.iter().enumerate() {
            assert_eq!(path(leaves, index), *found, "leaf {index} of {}", leaves.len());
        }
        lengths.extend(paths.iter().map(|path| (leaves.len(), path.len())));
    });
    assert!(lengths.contains(&(5, 1)) && lengths.contains(&(5, 3)), "one moves up in a list of five");
}

#[test]
fn a_path_leads_to_the_root_from_its_own_leaf_alone() {
    for_each_tree(|leaves, root, paths| {
        let count = leaves.len();
        for (index, path) in paths.iter().enumerate() {
            for (place, leaf) in leaves.iter().enumerate() {
                let top = climbed(count, index, *leaf, path).unwrap();
                assert_eq!(root_of_top("esper/test/v1", count, &top) == root, place == index);
            }
            assert_eq!(climbed(count, index, leaves[index], &[&path[..], &[root]].concat()), None);
            let shorter = path.split_last().map(|(_, shorter)| shorter);
            assert!(shorter.is_none_or(|path| climbed(count, index, leaves[index], path).is_none()));
        }
    });
}
