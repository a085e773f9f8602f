//! One walk through the tree that applies all changes and collects the records to write.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use esper_digest::{Tag, tagged_sha3_256};

use crate::Hash;
use crate::node::{Branch, Leaf, Node};

const TAG_VALUE: Tag = tag("esper/state/value/v1");
const TAG_LEAF: Tag = tag("esper/state/leaf/v1");
const TAG_NODE: Tag = tag("esper/state/node/v1");

/// What records of the tree stand under.
const PREFIX: u8 = b'n';

const fn tag(name: &str) -> Tag {
    match Tag::new(name) {
        Ok(tag) => tag,
        Err(_) => panic!("a tag of this file is none"),
    }
}

/// What happens at one place of the state; None where there is no record.
pub struct Change<'a> {
    /// The place.
    pub path: Hash,
    /// The value before.
    pub old: Option<&'a [u8]>,
    /// The value after.
    pub new: Option<&'a [u8]>,
}

/// Where the records of the tree are read.
pub trait Records {
    /// What may go wrong in the store.
    type Error;

    /// The record of a key, None if there is none.
    ///
    /// # Errors
    /// The store's own.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// Why changes were not worked out.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// A record is missing, damaged or of another time.
    Damaged(String),
    /// A value before is not what is there.
    Unfit(String),
    /// The store failed.
    Broken(E),
}

/// A key of the store and its new record, None to delete it.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// What changes do to the tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Update {
    /// Bytes of the uppermost node.
    pub top: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
    /// The records below it that change.
    pub writes: Vec<Write>,
    /// Hashes computed.
    pub hashes: u64,
}

/// Applies changes, by strictly ascending path, to the tree whose uppermost node is `top`.
///
/// A branch has a record of its own exactly if its depth is a multiple of `levels`.
///
/// # Errors
/// [`Failure`] says what.
pub fn update<R: Records>(
    levels: NonZeroUsize,
    top: &[u8],
    changes: &[Change<'_>],
    records: &mut R,
) -> Result<Update, Failure<R::Error>> {
    let mut walk = Walk { levels, changes, records, writes: Vec::new(), hashes: 0 };
    let node = walk.inside(Node::read(top).map_err(Failure::Damaged)?, 0, 0, changes.len())?;
    Ok(Update { top: bytes_of(&node), hash: node.hash(), writes: walk.writes, hashes: walk.hashes })
}

/// `changes[low..high]` are those below the node that a step is at, `depth` its level from the top.
struct Walk<'w, R> {
    levels: NonZeroUsize,
    changes: &'w [Change<'w>],
    records: &'w mut R,
    writes: Vec<Write>,
    hashes: u64,
}

impl<R: Records> Walk<'_, R> {
    /// The node after its changes, seen from above: a stub where it has a record.
    fn below(
        &mut self,
        node: Node,
        depth: usize,
        low: usize,
        high: usize,
    ) -> Result<Node, Failure<R::Error>> {
        if low == high {
            return Ok(node);
        }
        let path = &self.changes[low].path;
        let (node, had_record) = match node {
            Node::Stub(hash) => (self.load(hash, depth, path)?, true),
            node => (node, false),
        };
        let node = self.inside(node, depth, low, high)?;
        if had_record && self.at_border(depth) && !matches!(node, Node::Branch(_)) {
            self.writes.push((record_key(depth, path), None));
        }
        Ok(self.recorded(node, depth, path))
    }

    /// Whether a branch of this depth, which is not the top, has a record of its own.
    fn at_border(&self, depth: usize) -> bool {
        depth % self.levels == 0
    }

    /// A branch at the border of records goes into one of its own.
    fn recorded(&mut self, node: Node, depth: usize, path: &Hash) -> Node {
        if self.at_border(depth)
            && let Node::Branch(branch) = &node
        {
            let hash = branch.hash;
            self.writes.push((record_key(depth, path), Some(bytes_of(&node))));
            return Node::Stub(hash);
        }
        node
    }

    /// The node after its changes, with what is in its own record.
    fn inside(
        &mut self,
        node: Node,
        depth: usize,
        low: usize,
        high: usize,
    ) -> Result<Node, Failure<R::Error>> {
        if low == high {
            return Ok(node);
        }
        let Node::Branch(branch) = node else {
            let leaves = self.leaves(node, low, high)?;
            return Ok(self.grown(leaves, depth));
        };
        let zeros = self.changes[low..high].partition_point(|change| !bit(&change.path, depth));
        let left = self.below(branch.left, depth + 1, low, low + zeros)?;
        let right = self.below(branch.right, depth + 1, low + zeros, high)?;
        Ok(self.joined(left, right))
    }

    /// What stands in a subtree of at most one leaf after its changes, in the order of paths.
    fn leaves(&mut self, node: Node, low: usize, high: usize) -> Result<Vec<Leaf>, Failure<R::Error>> {
        let mut kept = BTreeMap::new();
        if let Node::Leaf(leaf) = node {
            kept.insert(leaf.path, leaf);
        }
        for Change { path, old, new } in &self.changes[low..high] {
            let there = kept.remove(path);
            let found = there.as_ref().map(|leaf| leaf.value.as_slice());
            if found != *old {
                let (path, found, old) = (hex(path), shown(found), shown(*old));
                let reason = format!("at {path} stands {found}, the change expects {old}");
                return Err(Failure::Unfit(reason));
            }
            if let Some(value) = new {
                self.hashes += 2;
                let hash = tagged_sha3_256(TAG_LEAF, &[path, &tagged_sha3_256(TAG_VALUE, &[value])]);
                kept.insert(*path, Leaf { path: *path, hash, value: value.to_vec() });
            }
        }
        Ok(kept.into_values().collect())
    }

    /// The subtree of these leaves, whose paths agree above `depth`; its deeper records are written.
    fn grown(&mut self, mut leaves: Vec<Leaf>, depth: usize) -> Node {
        if leaves.len() <= 1 {
            return leaves.pop().map_or(Node::Empty, Node::Leaf);
        }
        let right = leaves.split_off(leaves.partition_point(|leaf| !bit(&leaf.path, depth)));
        let [left, right] = [leaves, right].map(|half| {
            let Some(path) = half.first().map(|leaf| leaf.path) else { return Node::Empty };
            let node = self.grown(half, depth + 1);
            self.recorded(node, depth + 1, &path)
        });
        self.joined(left, right)
    }

    /// Two halves, collapsed if at most one leaf is left.
    fn joined(&mut self, left: Node, right: Node) -> Node {
        match (left, right) {
            (Node::Empty, right) if !right.is_inner() => right,
            (left, Node::Empty) if !left.is_inner() => left,
            (left, right) => {
                self.hashes += 1;
                let hash = tagged_sha3_256(TAG_NODE, &[&left.hash(), &right.hash()]);
                Node::Branch(Box::new(Branch { hash, left, right }))
            }
        }
    }

    /// The branch that a stub stands for.
    fn load(&mut self, hash: Hash, depth: usize, path: &Hash) -> Result<Node, Failure<R::Error>> {
        let key = record_key(depth, path);
        let Some(data) = self.records.get(&key).map_err(Failure::Broken)? else {
            return Err(Failure::Damaged(format!("state record {} is missing", hex(&key))));
        };
        match Node::read(&data).map_err(Failure::Damaged)? {
            Node::Branch(branch) if branch.hash == hash => Ok(Node::Branch(branch)),
            _ => Err(Failure::Damaged(format!("state record {} is not the one its parent names", hex(&key)))),
        }
    }
}

fn bytes_of(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    node.write(&mut out);
    out
}

/// Whether the bit of a path that decides at `depth` is 1.
fn bit(path: &Hash, depth: usize) -> bool {
    path[depth >> 3] >> (7 - (depth & 7)) & 1 == 1
}

/// The key of the record at `depth` on the way to `path`.
fn record_key(depth: usize, path: &Hash) -> Vec<u8> {
    let (whole, bits) = (depth / 8, depth % 8);
    let mut key = vec![PREFIX, (depth >> 8) as u8, depth as u8];
    key.extend_from_slice(&path[..whole]);
    if bits > 0 {
        key.push(path[whole] & (0xFF << (8 - bits)));
    }
    key
}

fn shown(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "no record".into(), hex)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
