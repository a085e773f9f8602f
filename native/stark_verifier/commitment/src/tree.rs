//! Binary trees over the rows of a codeword, and several of its rows against the root at once.
//!
//! Siblings are sent level by level from the leaves up, in each level by ascending index: for each known node the one
//! that is neither known nor can be computed.

use alloc::vec::Vec;

use crate::field::{BasedVectorSpace, EF, F, PrimeField64};
use crate::hash::{BLOCK_LEN, Digest, LEAF, NODE};

/// What rows hold: elements of the field or of its extension.
pub(crate) trait Element: Copy + Send + Sync {
    /// Appends its bytes.
    fn append(&self, out: &mut Vec<u8>);
}

impl Element for F {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.as_canonical_u64().to_le_bytes());
    }
}

impl Element for EF {
    fn append(&self, out: &mut Vec<u8>) {
        let coefficients: &[F] = self.as_basis_coefficients_slice();
        coefficients.iter().for_each(|c| c.append(out));
    }
}

/// Appends a row as it is hashed: its elements, and zeros up to the end of a block.
fn append_row<T: Element>(row: &[T], out: &mut Vec<u8>) {
    let start = out.len();
    row.iter().for_each(|element| element.append(out));
    out.resize(start + (out.len() - start).next_multiple_of(BLOCK_LEN), 0);
}

/// Why rows do not stand under a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TreeError {
    /// A row of the codeword is opened twice, with different values.
    #[error("rows: one row of a codeword is opened as two; open equal indices alike")]
    TwoRows,
    /// The number of siblings is not the one that the indices ask for.
    #[error("siblings: {given} of them; the indices ask for another number")]
    Siblings {
        /// How many there are.
        given: usize,
    },
    /// The rows and siblings lead to another root.
    #[error("rows: they do not stand under their root")]
    Root,
}

/// Checks that `rows[i]` stands at `indices[i]`, below `2^depth`, of the tree under `root`; rows of equal length, as
/// many as indices, at least one.
pub(crate) fn check_rows<T: Element>(
    root: &Digest,
    depth: usize,
    indices: &[usize],
    rows: &[Vec<T>],
    siblings: &[Digest],
) -> Result<(), TreeError> {
    let mut messages = Vec::new();
    rows.iter().for_each(|row| append_row(row, &mut messages));
    let mut leaves = alloc::vec![Digest::default(); rows.len()];
    LEAF.digests(&messages, &mut leaves);
    let mut nodes: Vec<(usize, Digest)> = indices.iter().copied().zip(leaves).collect();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(TreeError::TwoRows);
    }
    let wrong = TreeError::Siblings { given: siblings.len() };
    let mut left = siblings.iter();
    for _ in 0..depth {
        let mut pairs: Vec<[Digest; 2]> = Vec::with_capacity(nodes.len());
        let mut parents: Vec<usize> = Vec::with_capacity(nodes.len());
        let mut known = nodes.iter().peekable();
        while let Some(&(index, digest)) = known.next() {
            // Nodes ascend: the right sibling, if it is known, comes next.
            let both = match known.next_if(|(next, _)| *next == index ^ 1) {
                Some(&(_, right)) => [digest, right],
                None => {
                    let sibling = *left.next().ok_or(wrong)?;
                    if index & 1 == 0 { [digest, sibling] } else { [sibling, digest] }
                }
            };
            pairs.push(both);
            parents.push(index >> 1);
        }
        let mut digests = alloc::vec![Digest::default(); pairs.len()];
        NODE.digests(pairs.as_flattened().as_flattened(), &mut digests);
        nodes = parents.into_iter().zip(digests).collect();
    }
    if left.next().is_some() {
        return Err(wrong);
    }
    if nodes.len() == 1 && nodes[0].1 == *root { Ok(()) } else { Err(TreeError::Root) }
}

#[cfg(feature = "prover")]
pub(crate) use prover::Tree;

#[cfg(feature = "prover")]
mod prover {
    use super::*;
    use crate::field::parallel::*;

    /// Rows that a task hashes; a multiple of what fills the vectors.
    const ROWS: usize = 64;
    /// Nodes that a task hashes.
    const NODES: usize = 256;

    /// All nodes over the rows of a codeword.
    pub(crate) struct Tree {
        /// Leaves first, the root last.
        levels: Vec<Vec<Digest>>,
    }

    impl Tree {
        /// The tree over rows of `width` elements, end to end, a power of two of them.
        pub(crate) fn new<T: Element>(rows: &[T], width: usize) -> Self {
            let count = rows.len() / width;
            assert!(count.is_power_of_two() && rows.len() == count * width, "whole rows, a power of two");
            let mut leaves = alloc::vec![Digest::default(); count];
            leaves.par_chunks_mut(ROWS).zip(rows.par_chunks(ROWS * width)).for_each(|(leaves, rows)| {
                let mut messages = Vec::new();
                rows.chunks(width).for_each(|row| append_row(row, &mut messages));
                LEAF.digests(&messages, leaves);
            });
            let mut levels = alloc::vec![leaves];
            while let Some(below) = levels.last().filter(|level| level.len() > 1) {
                let mut level = alloc::vec![Digest::default(); below.len() / 2];
                level.par_chunks_mut(NODES).zip(below.par_chunks(2 * NODES)).for_each(|(level, below)| {
                    NODE.digests(below.as_flattened(), level);
                });
                levels.push(level);
            }
            Self { levels }
        }

        pub(crate) fn root(&self) -> Digest {
            self.levels[self.levels.len() - 1][0]
        }

        /// What [`check_rows`] wants beside the rows at these indices.
        pub(crate) fn siblings(&self, indices: &[usize]) -> Vec<Digest> {
            let mut known = indices.to_vec();
            let mut out = Vec::new();
            for level in &self.levels[..self.levels.len() - 1] {
                known.sort_unstable();
                known.dedup();
                let missing = known.iter().map(|index| index ^ 1).filter(|i| known.binary_search(i).is_err());
                out.extend(missing.map(|index| level[index]));
                known.iter_mut().for_each(|index| *index >>= 1);
            }
            out
        }
    }
}

#[cfg(all(test, feature = "prover"))]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::field::PrimeCharacteristicRing;

    fn rows(width: usize) -> Vec<Vec<F>> {
        (0..64).map(|i| (0..width).map(|c| F::from_usize(1000 * i + c)).collect()).collect()
    }

    #[test]
    fn rows_stand_at_their_indices_and_nowhere_else() {
        for width in [1, 5, 8, 17, 32] {
            let all = rows(width);
            let tree = Tree::new(&all.concat(), width);
            for indices in [vec![0], vec![63, 0, 63], vec![5, 4, 7, 40], (0..64).collect::<Vec<_>>()] {
                let opened: Vec<Vec<F>> = indices.iter().map(|&i| all[i].clone()).collect();
                let siblings = tree.siblings(&indices);
                let check = |indices: &[usize], rows: &[Vec<F>], siblings: &[Digest]| {
                    check_rows(&tree.root(), 6, indices, rows, siblings)
                };
                assert_eq!(check(&indices, &opened, &siblings), Ok(()));
                let mut changed = opened.clone();
                changed[0][width - 1] += F::ONE;
                assert!(check(&indices, &changed, &siblings).is_err());
                let mut elsewhere = indices.clone();
                elsewhere[0] ^= 1;
                assert!(check(&elsewhere, &opened, &siblings).is_err());
                let mut more = siblings.clone();
                more.push(Digest::default());
                let wrong = Err(TreeError::Siblings { given: more.len() });
                assert_eq!(check(&indices, &opened, &more), wrong);
                if let Some((_, fewer)) = siblings.split_last() {
                    let wrong = Err(TreeError::Siblings { given: fewer.len() });
                    assert_eq!(check(&indices, &opened, fewer), wrong);
                    let mut other = siblings.clone();
                    other[0][7] ^= 1;
                    assert_eq!(check(&indices, &opened, &other), Err(TreeError::Root));
                }
            }
        }
    }

    #[test]
    fn equal_indices_have_equal_rows() {
        let all = rows(4);
        let tree = Tree::new(&all.concat(), 4);
        let siblings = tree.siblings(&[9, 9]);
        let twice = [all[9].clone(), all[9].clone()];
        assert_eq!(check_rows(&tree.root(), 6, &[9, 9], &twice, &siblings), Ok(()));
        let other = [all[9].clone(), all[8].clone()];
        assert_eq!(check_rows(&tree.root(), 6, &[9, 9], &other, &siblings), Err(TreeError::TwoRows));
    }
}
