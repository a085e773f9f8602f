//! Embedding rows by Merkle path: BLAKE3-256, tagged, one tree a model. A row's values are packed at the model's width:
//! they are the part of a proof that grows with the vocabulary's use.

use crate::bytes::Reader;
use crate::descriptor::Descriptor;
use crate::error::VerifyError;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

const LEAF: &str = "esper embedding row v2";
const NODE: &str = "esper embedding node v1";
const ROOT: &str = "esper embedding root v1";
const PART: &str = "embedding rows";

/// The least width in bits, 1..=32, of which every value is a two's complement number.
pub fn least_width(values: &[i32]) -> u32 {
    values.iter().map(|&v| 33 - (v ^ (v >> 31)).leading_zeros()).max().unwrap_or(1)
}

/// Bytes of a row of `dim` values of `bits` bits.
pub fn row_bytes(dim: usize, bits: u32) -> usize {
    (dim * bits as usize).div_ceil(8)
}

/// Appends a row: the values' low `bits` bits, 1..=32 of them, one after the other, lowest bit first; the last byte is
/// filled up with zeros.
pub fn encode_row(row: &[i32], bits: u32, out: &mut Vec<u8>) {
    let mask = (1u64 << bits) - 1;
    // Fewer than eight bits wait for more, so 40 are held at most.
    let (mut held, mut count) = (0u64, 0);
    for &v in row {
        held |= (u64::from(v as u32) & mask) << count;
        count += bits;
        while count >= 8 {
            out.push(held as u8);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(held as u8);
    }
}

/// The values of [`row_bytes`] bytes that [`encode_row`] wrote.
///
/// # Errors
/// Bits behind the last value that are not zero.
pub fn decode_row(bytes: &[u8], dim: usize, bits: u32) -> Result<Vec<i32>, VerifyError> {
    let (mut held, mut count, mut bytes) = (0u64, 0, bytes.iter());
    let mut row = Vec::with_capacity(dim);
    for _ in 0..dim {
        while count < bits {
            held |= u64::from(bytes.next().copied().unwrap_or_default()) << count;
            count += 8;
        }
        // The value's top bit moves to the top of the word and comes back as the sign.
        row.push(((held as u32) << (32 - bits)) as i32 >> (32 - bits));
        held >>= bits;
        count -= bits;
    }
    if held == 0 { Ok(row) } else { Err(VerifyError::Encoding(PART)) }
}

/// Hash of row `id`, encoded.
fn leaf_hash(id: u32, row: &[u8]) -> [u8; 32] {
    let mut h = blake3::Hasher::new_derive_key(LEAF);
    h.update(&id.to_le_bytes()).update(row);
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
    /// Tree over `embed`, rows of `dim` values of `bits` bits.
    pub fn new(embed: &[i32], dim: usize, bits: u32) -> Self {
        let mut bytes = Vec::with_capacity(row_bytes(dim, bits));
        let mut hash = |(i, row): (usize, &[i32])| {
            bytes.clear();
            encode_row(row, bits, &mut bytes);
            leaf_hash(i as u32, &bytes)
        };
        let rows = embed.chunks(dim).enumerate().map(&mut hash).collect();
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
#[derive(Default)]
pub struct EmbeddingRows(BTreeMap<u32, Vec<i32>>);

impl EmbeddingRows {
    /// Reads the rows of `ids` (ascending, distinct, below the vocabulary) and the missing siblings.
    ///
    /// # Errors
    /// Bytes of another length, bits behind a row's values, another root than the descriptor's.
    pub fn read(r: &mut Reader<'_>, ids: &[u32], d: &Descriptor) -> Result<Self, VerifyError> {
        let mut rows = BTreeMap::new();
        let mut nodes: Vec<(usize, [u8; 32])> = Vec::with_capacity(ids.len());
        for &id in ids {
            let bytes = r.take(row_bytes(d.dim, d.embed_bits))?;
            nodes.push((id as usize, leaf_hash(id, bytes)));
            rows.insert(id, decode_row(bytes, d.dim, d.embed_bits)?);
        }
        let mut width = d.vocab;
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
            [(0, top)] if root_hash(d.vocab, d.dim, top) == d.embedding_root => Ok(Self(rows)),
            _ => Err(VerifyError::Embedding),
        }
    }

    /// Reads the rows of all distinct `tokens`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_tokens(r: &mut Reader<'_>, tokens: &[u32], d: &Descriptor) -> Result<Self, VerifyError> {
        let mut ids = tokens.to_vec();
        ids.sort_unstable();
        ids.dedup();
        Self::read(r, &ids, d)
    }

    /// The row of a token; every token that was asked for is there.
    pub fn row(&self, id: u32) -> Option<&[i32]> {
        self.0.get(&id).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::CLAMP_CLASSES;
    use esper_commitment::Root;

    /// A descriptor with nothing but the tree.
    fn descriptor(vocab: usize, dim: usize, embed_bits: u32, embedding_root: [u8; 32]) -> Descriptor {
        Descriptor {
            vocab,
            dim,
            hidden: 1,
            heads: 1,
            kv_heads: 1,
            head_dim: 2,
            max_seq: 1,
            bos: 0,
            eos: 0,
            emax: 0,
            eps_term: 1,
            final_shift: 1,
            logit_bound: 1,
            clamp_reach: [1; CLAMP_CLASSES],
            layers: Vec::new(),
            cells: 1,
            embed_bits,
            root: Root([0; 32]),
            embedding_root,
            integers_hash: [0; 64],
            part: None,
        }
    }

    #[test]
    fn rows_are_authenticated() {
        for vocab in [2usize, 3, 5, 8, 13] {
            let embed: Vec<i32> = (0..vocab as i32 * 3).map(|i| i * 7 - 5).collect();
            let bits = least_width(&embed);
            let tree = EmbeddingTree::new(&embed, 3, bits);
            let d = descriptor(vocab, 3, bits, tree.root());
            for mask in 1u32..1 << vocab.min(10) {
                let ids: Vec<u32> = (0..vocab as u32).filter(|i| mask >> i & 1 == 1).collect();
                let mut bytes = Vec::new();
                ids.iter().for_each(|&i| encode_row(&embed[3 * i as usize..][..3], bits, &mut bytes));
                tree.siblings(&ids).iter().for_each(|h| bytes.extend_from_slice(h));
                let mut r = Reader::new(&bytes, "rows");
                let rows = EmbeddingRows::read(&mut r, &ids, &d).unwrap();
                r.finish().unwrap();
                assert_eq!(rows.row(ids[0]), Some(&embed[3 * ids[0] as usize..][..3]));
                bytes[0] ^= 1;
                let forged = EmbeddingRows::read(&mut Reader::new(&bytes, "rows"), &ids, &d);
                assert_eq!(forged.err(), Some(VerifyError::Embedding));
            }
        }
    }

    #[test]
    fn rows_of_any_width_come_back() {
        for bits in 1..=32u32 {
            let (least, most) = ((-1i64 << (bits - 1)) as i32, ((1i64 << (bits - 1)) - 1) as i32);
            for dim in [1usize, 2, 3, 7, 8, 29] {
                let row: Vec<i32> = (0..dim).map(|i| [most, least, 0, -1][i % 4]).collect();
                let mut bytes = Vec::new();
                encode_row(&row, bits, &mut bytes);
                assert_eq!(bytes.len(), row_bytes(dim, bits));
                assert_eq!(decode_row(&bytes, dim, bits).as_deref(), Ok(row.as_slice()), "{bits} {dim}");
            }
            assert_eq!([least_width(&[least]), least_width(&[most])], [bits; 2]);
            assert_eq!(least_width(&[0, most, least]), bits);
        }
        assert_eq!(least_width(&[]), 1);
    }

    #[test]
    fn a_row_has_one_encoding() {
        let mut bytes = Vec::new();
        encode_row(&[3, -4, 1], 3, &mut bytes);
        assert_eq!(bytes, [0b0110_0011, 0]);
        for bit in 9..16 {
            let mut longer = bytes.clone();
            longer[bit / 8] |= 1 << (bit % 8);
            assert_eq!(decode_row(&longer, 3, 3), Err(VerifyError::Encoding(PART)), "bit {bit}");
        }
    }
}
