//! Embedding rows by Merkle path: BLAKE3-256, tagged, one tree a model.

use crate::bytes::Reader;
use crate::error::VerifyError;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

const LEAF: &str = "esper embedding row v1";
const NODE: &str = "esper embedding node v1";
const ROOT: &str = "esper embedding root v1";

/// Hash of row `id`: its integers as 32-bit little-endian words.
pub fn leaf_hash(id: u32, row: &[i32]) -> [u8; 32] {
    let mut h = blake3::Hasher::new_derive_key(LEAF);
    h.update(&id.to_le_bytes());
    for v in row {
        h.update(&v.to_le_bytes());
    }
    *h.finalize().as_bytes()
}

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut h = blake3::Hasher::new_derive_key(NODE);
    h.update(left).update(right);
    *h.finalize().as_bytes()
}

fn root_hash(rows: usize, dim: usize, top: &[u8; 32]) -> [u8; 32] {
    let mut h = blake3::Hasher::new_derive_key(ROOT);
    h.update(&(rows as u64).to_le_bytes()).update(&(dim as u64).to_le_bytes()).update(top);
    *h.finalize().as_bytes()
}

/// The whole tree, for who holds the model. A level of odd length passes its last node up unhashed.
pub struct EmbeddingTree {
    levels: Vec<Vec<[u8; 32]>>,
    dim: usize,
}

impl EmbeddingTree {
    /// Tree over `embed`, rows of `dim`.
    pub fn new(embed: &[i32], dim: usize) -> Self {
        let rows = embed.chunks(dim).enumerate().map(|(i, r)| leaf_hash(i as u32, r)).collect();
        let mut levels: Vec<Vec<[u8; 32]>> = alloc::vec![rows];
        while levels[levels.len() - 1].len() > 1 {
            let below = &levels[levels.len() - 1];
            let next =
                below.chunks(2).map(|p| if p.len() == 2 { node_hash(&p[0], &p[1]) } else { p[0] }).collect();
            levels.push(next);
        }
        Self { levels, dim }
    }

    /// Root, bound to the number of rows and their width.
    pub fn root(&self) -> [u8; 32] {
        root_hash(self.levels[0].len(), self.dim, &self.levels[self.levels.len() - 1][0])
    }

    /// Siblings that a verifier with the rows `ids` (ascending, distinct) lacks, level by level.
    pub fn siblings(&self, ids: &[u32]) -> Vec<[u8; 32]> {
        let mut known: Vec<usize> = ids.iter().map(|&i| i as usize).collect();
        let mut out = Vec::new();
        for level in &self.levels[..self.levels.len() - 1] {
            for &i in &known {
                let sibling = i ^ 1;
                if sibling < level.len() && known.binary_search(&sibling).is_err() {
                    out.push(level[sibling]);
                }
            }
            known = known.iter().map(|i| i / 2).collect();
            known.dedup();
        }
        out
    }
}

/// Distinct rows of the proof, authenticated.
pub struct EmbeddingRows(BTreeMap<u32, Vec<i32>>);

impl EmbeddingRows {
    /// Reads the rows of `ids` (ascending, distinct, below `vocab`) and the missing siblings.
    pub fn read(
        r: &mut Reader<'_>,
        ids: &[u32],
        vocab: usize,
        dim: usize,
        root: &[u8; 32],
    ) -> Result<Self, VerifyError> {
        let mut rows = BTreeMap::new();
        let mut nodes: Vec<(usize, [u8; 32])> = Vec::with_capacity(ids.len());
        for &id in ids {
            let bytes = r.take(4 * dim)?;
            let row: Vec<i32> =
                bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            nodes.push((id as usize, leaf_hash(id, &row)));
            rows.insert(id, row);
        }
        let mut width = vocab;
        while width > 1 {
            let mut next: Vec<(usize, [u8; 32])> = Vec::with_capacity(nodes.len());
            let mut i = 0;
            while i < nodes.len() {
                let (index, hash) = nodes[i];
                let parent = if index % 2 == 0 && index + 1 < width {
                    if nodes.get(i + 1).is_some_and(|n| n.0 == index + 1) {
                        i += 1;
                        node_hash(&hash, &nodes[i].1)
                    } else {
                        node_hash(&hash, &r.hash32()?)
                    }
                } else if index % 2 == 1 {
                    // The left sibling was not among the nodes, or it would have taken this one along.
                    node_hash(&r.hash32()?, &hash)
                } else {
                    hash
                };
                next.push((index / 2, parent));
                i += 1;
            }
            nodes = next;
            width = width.div_ceil(2);
        }
        match nodes.as_slice() {
            [(0, top)] if root_hash(vocab, dim, top) == *root => Ok(Self(rows)),
            _ => Err(VerifyError::Embedding),
        }
    }

    /// The row of a token; every token that was asked for is there.
    pub fn row(&self, id: u32) -> Option<&[i32]> {
        self.0.get(&id).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_authenticated() {
        for vocab in [2usize, 3, 5, 8, 13] {
            let embed: Vec<i32> = (0..vocab as i32 * 3).map(|i| i * 7 - 5).collect();
            let tree = EmbeddingTree::new(&embed, 3);
            for mask in 1u32..1 << vocab.min(10) {
                let ids: Vec<u32> = (0..vocab as u32).filter(|i| mask >> i & 1 == 1).collect();
                if ids.is_empty() {
                    continue;
                }
                let mut bytes = Vec::new();
                for &i in &ids {
                    embed[3 * i as usize..][..3]
                        .iter()
                        .for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
                }
                tree.siblings(&ids).iter().for_each(|h| bytes.extend_from_slice(h));
                let mut r = Reader::new(&bytes, "rows");
                let rows = EmbeddingRows::read(&mut r, &ids, vocab, 3, &tree.root()).unwrap();
                r.finish().unwrap();
                assert_eq!(rows.row(ids[0]), Some(&embed[3 * ids[0] as usize..][..3]));
                bytes[0] ^= 1;
                let forged =
                    EmbeddingRows::read(&mut Reader::new(&bytes, "rows"), &ids, vocab, 3, &tree.root());
                assert_eq!(forged.err(), Some(VerifyError::Embedding));
            }
        }
    }
}
