//! Nodes of the tree and their bytes; see `esper/storage/state/state_records.py` for the layout.

use crate::Hash;

const EMPTY: u8 = 0;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;
const STUB: u8 = 3;

const HASH_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;
/// A path has as many bits: no branch lies deeper.
const MAX_NESTING: usize = 256;

/// One state record.
pub(crate) struct Leaf {
    pub path: Hash,
    pub hash: Hash,
    pub value: Vec<u8>,
}

/// Two halves with at least two leaves below.
pub(crate) struct Branch {
    pub hash: Hash,
    pub left: Node,
    pub right: Node,
}

/// What stands at a place of the tree.
pub(crate) enum Node {
    /// Nothing.
    Empty,
    Leaf(Leaf),
    Branch(Box<Branch>),
    /// A branch of this hash that has a record of its own.
    Stub(Hash),
}

impl Node {
    /// The hash that the node above takes in, zeros for nothing.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Empty => [0; HASH_BYTES],
            Self::Leaf(leaf) => leaf.hash,
            Self::Branch(branch) => branch.hash,
            Self::Stub(hash) => *hash,
        }
    }

    /// Whether at least two leaves are below.
    pub fn is_inner(&self) -> bool {
        matches!(self, Self::Branch(_) | Self::Stub(_))
    }

    /// Appends the node with all that is in its record.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Empty => out.push(EMPTY),
            Self::Leaf(Leaf { path, hash, value }) => {
                let length = u32::try_from(value.len()).expect("a record has at most 8192 bytes");
                out.push(LEAF);
                out.extend_from_slice(path);
                out.extend_from_slice(hash);
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(value);
            }
            Self::Branch(branch) => {
                out.push(BRANCH);
                out.extend_from_slice(&branch.hash);
                branch.left.write(out);
                branch.right.write(out);
            }
            Self::Stub(hash) => {
                out.push(STUB);
                out.extend_from_slice(hash);
            }
        }
    }

    /// The node that is the whole of `data`, or why there is none.
    pub fn read(data: &[u8]) -> Result<Self, String> {
        let (node, end) = read(data, 0, MAX_NESTING)?;
        if end != data.len() {
            return Err(format!("{} bytes left over", data.len() - end));
        }
        Ok(node)
    }
}

fn read(data: &[u8], at: usize, nesting: usize) -> Result<(Node, usize), String> {
    let refused = || format!("no node begins at byte {at} of {}", data.len());
    let kind = *data.get(at).ok_or_else(refused)?;
    if kind == EMPTY {
        return Ok((Node::Empty, at + 1));
    }
    let (first, end) = hash_at(data, at + 1).ok_or_else(refused)?;
    match kind {
        STUB => Ok((Node::Stub(first), end)),
        BRANCH if nesting > 0 => {
            let (left, middle) = read(data, end, nesting - 1)?;
            let (right, last) = read(data, middle, nesting - 1)?;
            Ok((Node::Branch(Box::new(Branch { hash: first, left, right })), last))
        }
        LEAF => {
            let (hash, end) = hash_at(data, end).ok_or_else(refused)?;
            let rest = data.get(end..).and_then(|rest| rest.split_first_chunk::<LENGTH_BYTES>());
            let (length, rest) = rest.ok_or_else(refused)?;
            let length = u32::from_be_bytes(*length) as usize;
            let value = rest.get(..length).ok_or_else(refused)?.to_vec();
            Ok((Node::Leaf(Leaf { path: first, hash, value }), end + LENGTH_BYTES + length))
        }
        _ => Err(refused()),
    }
}

fn hash_at(data: &[u8], at: usize) -> Option<(Hash, usize)> {
    data.get(at..)?.first_chunk::<HASH_BYTES>().map(|hash| (*hash, at + HASH_BYTES))
}
