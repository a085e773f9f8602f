//! Places under the roots of the chain's trees, and the state's.

use alloc::vec::Vec;

use esper_digest::{tagged_sha3_256, tagged_sha3_512};

use crate::tags;

type Hash = [u8; 64];

/// Whether `item` is leaf `index` of the Merkle tree of `count` leaves with this root; `purpose` is the root's.
#[must_use]
pub fn under_root(
    purpose: esper_digest::Tag,
    root: &Hash,
    [count, index]: [u64; 2],
    item: &[u8],
    path: &[Hash],
) -> bool {
    if index >= count {
        return false;
    }
    let mut siblings = path.iter();
    let mut current = tagged_sha3_512(tags::MERKLE_LEAF, &[item]);
    let (mut position, mut width) = (index, count);
    while width > 1 {
        if position ^ 1 < width {
            let Some(sibling) = siblings.next() else { return false };
            let pair: [&[u8]; 2] = if position & 1 == 1 { [sibling, &current] } else { [&current, sibling] };
            current = tagged_sha3_512(tags::MERKLE_NODE, &pair);
        }
        position >>= 1;
        width = width.div_ceil(2);
    }
    siblings.next().is_none() && root_of(purpose, count, &current) == *root
}

/// The root of a Merkle tree.
#[must_use]
pub fn merkle_root(purpose: esper_digest::Tag, items: &[&[u8]]) -> Hash {
    let mut level: Vec<Hash> = items.iter().map(|item| tagged_sha3_512(tags::MERKLE_LEAF, &[item])).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => tagged_sha3_512(tags::MERKLE_NODE, &[left, right]),
                // The odd one at the end moves up unchanged.
                other => other.first().copied().unwrap_or([0; 64]),
            })
            .collect();
    }
    root_of(purpose, items.len() as u64, &level.first().copied().unwrap_or([0; 64]))
}

fn root_of(purpose: esper_digest::Tag, count: u64, top: &Hash) -> Hash {
    tagged_sha3_512(tags::MERKLE_ROOT, &[purpose.as_bytes(), &count.to_be_bytes(), top])
}

/// A mountain range: a list that only grows, of which the tops of its perfect trees are kept.
#[derive(Debug)]
pub struct Range {
    /// Items.
    pub count: u64,
    /// Tallest first, one for each 1 in the count.
    pub peaks: Vec<Hash>,
}

impl Range {
    /// Whether `item` is number `index`, by its siblings from the leaf upwards.
    #[must_use]
    pub fn holds(&self, index: u64, item: &[u8], siblings: &[Hash]) -> bool {
        let levels = (0..u64::BITS).rev().filter(|level| self.count >> level & 1 == 1);
        for (peak, level) in self.peaks.iter().zip(levels) {
            if index >> level >= self.count >> level {
                continue;
            }
            if siblings.len() != level as usize {
                return false;
            }
            let (mut current, mut at) = (tagged_sha3_512(tags::MMR_LEAF, &[item]), index);
            for sibling in siblings {
                let pair: [&[u8]; 2] = if at & 1 == 1 { [sibling, &current] } else { [&current, sibling] };
                current = tagged_sha3_512(tags::MMR_NODE, &pair);
                at >>= 1;
            }
            return current == *peak;
        }
        false
    }
}

/// Where the record of a kind and an id stands in the state.
#[must_use]
pub fn state_path(kind: u8, identity: &[u8]) -> [u8; 32] {
    tagged_sha3_256(tags::STATE_KEY, &[&[kind], identity])
}

/// Whether the state with this root has a record at a path, by its siblings from the top down.
#[must_use]
pub fn in_state(root: &[u8; 32], path: &[u8; 32], record: &[u8], count: u64, siblings: &[[u8; 32]]) -> bool {
    let value = tagged_sha3_256(tags::STATE_VALUE, &[record]);
    let mut current = tagged_sha3_256(tags::STATE_LEAF, &[path, &value]);
    for (level, sibling) in siblings.iter().enumerate().rev() {
        let Some(byte) = path.get(level >> 3) else { return false };
        let right = byte >> (7 - (level & 7)) & 1 == 1;
        let pair: [&[u8]; 2] = if right { [sibling, &current] } else { [&current, sibling] };
        current = tagged_sha3_256(tags::STATE_NODE, &pair);
    }
    tagged_sha3_256(tags::STATE_ROOT, &[&count.to_be_bytes(), &current]) == *root
}
