//! Tagged BLAKE3-256: one tag for a leaf of a tree, one for an inner node, one for the transcript.
//!
//! A tagged hash is `BLAKE3-256(tag || message)`. All tags have 24 bytes and differ within their text, so no message
//! under one of them is a message under another. 24 is also the length with which a proof-of-work trial of the
//! transcript (24 bytes of tag, 32 of state, 8 of witness) is exactly one BLAKE3 block.

use alloc::vec::Vec;
use core::marker::PhantomData;

use p3_blake3::Blake3;
use p3_symmetric::{CompressionFunctionFromHasher, CryptographicHasher, SerializingHasher};

use crate::field::{F, PrimeField64};

/// Bytes in a tag.
const TAG_LEN: usize = 24;
/// Bytes in a digest.
pub(crate) const DIGEST_LEN: usize = 32;

/// Tag of a leaf: the row's elements follow, 8 bytes each, little-endian, canonical; of an extension element its
/// three coefficients in turn.
pub const TAG_LEAF: [u8; TAG_LEN] = *b"esper/merkle/leaf/v1\0\0\0\0";
/// Tag of an inner node: the digests of its left and right child follow.
pub const TAG_NODE: [u8; TAG_LEN] = *b"esper/merkle/node/v1\0\0\0\0";
/// Tag of each step of the transcript.
pub const TAG_TRANSCRIPT: [u8; TAG_LEN] = *b"esper/transcript/v1\0\0\0\0\0";

/// Names the tag that a hasher puts before its messages.
pub(crate) trait Tag: Clone + Copy + Send + Sync + 'static {
    const BYTES: [u8; TAG_LEN];
}

macro_rules! tag {
    ($name:ident, $bytes:expr) => {
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;
        impl Tag for $name {
            const BYTES: [u8; TAG_LEN] = $bytes;
        }
    };
}
tag!(Leaf, TAG_LEAF);
tag!(Node, TAG_NODE);
tag!(Step, TAG_TRANSCRIPT);

/// BLAKE3-256 under the tag `T`.
#[derive(Debug)]
pub(crate) struct Tagged<T>(PhantomData<T>);

impl<T> Tagged<T> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for Tagged<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tagged<T> {}

/// Longest message that is joined to its tag on the stack.
const SHORT: usize = 512;

impl<T: Tag> CryptographicHasher<u8, [u8; DIGEST_LEN]> for Tagged<T> {
    const LANES: usize = <Blake3 as CryptographicHasher<u8, [u8; DIGEST_LEN]>>::LANES;

    fn hash_iter<I: IntoIterator<Item = u8>>(&self, input: I) -> [u8; DIGEST_LEN] {
        let message: Vec<u8> = T::BYTES.into_iter().chain(input).collect();
        *blake3::hash(&message).as_bytes()
    }

    fn hash_iter_slices<'a, I: IntoIterator<Item = &'a [u8]>>(&self, input: I) -> [u8; DIGEST_LEN] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&T::BYTES);
        for part in input {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    fn hash_slice(&self, input: &[u8]) -> [u8; DIGEST_LEN] {
        if input.len() > SHORT {
            return self.hash_iter_slices(core::iter::once(input));
        }
        let mut message = [0; TAG_LEN + SHORT];
        message[..TAG_LEN].copy_from_slice(&T::BYTES);
        message[TAG_LEN..TAG_LEN + input.len()].copy_from_slice(input);
        *blake3::hash(&message[..TAG_LEN + input.len()]).as_bytes()
    }

    /// One digest for each of `out.len()` messages of equal length, end to end in `input`.
    ///
    /// The messages are joined to their tags in groups that fill the vector lanes and stay in the first-level cache.
    fn hash_many(&self, input: &[u8], out: &mut [[u8; DIGEST_LEN]]) {
        if out.is_empty() {
            return;
        }
        assert!(input.len().is_multiple_of(out.len()), "messages must have equal lengths");
        let len = input.len() / out.len();
        if len == 0 {
            out.fill(self.hash_slice(&[]));
            return;
        }
        let lanes = <Self as CryptographicHasher<u8, [u8; DIGEST_LEN]>>::LANES.max(1);
        let mut tagged = Vec::with_capacity(lanes.min(out.len()) * (TAG_LEN + len));
        for (messages, digests) in input.chunks(lanes * len).zip(out.chunks_mut(lanes)) {
            tagged.clear();
            for message in messages.chunks_exact(len) {
                tagged.extend_from_slice(&T::BYTES);
                tagged.extend_from_slice(message);
            }
            Blake3.hash_many(&tagged, digests);
        }
    }
}

/// Hashes a row of field elements into a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeafHasher;

impl CryptographicHasher<F, [u8; DIGEST_LEN]> for LeafHasher {
    const LANES: usize = <Tagged<Leaf> as CryptographicHasher<u8, [u8; DIGEST_LEN]>>::LANES;

    /// Writes whole elements; a stream of single bytes would cost the verifier as much as the hash itself.
    fn hash_iter<I: IntoIterator<Item = F>>(&self, input: I) -> [u8; DIGEST_LEN] {
        let mut message = Vec::with_capacity(TAG_LEN + SHORT);
        message.extend_from_slice(&TAG_LEAF);
        for element in input {
            message.extend_from_slice(&element.as_canonical_u64().to_le_bytes());
        }
        *blake3::hash(&message).as_bytes()
    }

    fn hash_many(&self, input: &[F], out: &mut [[u8; DIGEST_LEN]]) {
        SerializingHasher::new(Tagged::<Leaf>::new()).hash_many(input, out);
    }
}

/// Hashes two digests into their parent.
pub(crate) type NodeHasher = CompressionFunctionFromHasher<Tagged<Node>, 2, DIGEST_LEN>;
/// Binary Merkle trees over rows of field elements.
pub(crate) type Trees = p3_merkle_tree::MerkleTreeMmcs<F, u8, LeafHasher, NodeHasher, 2, DIGEST_LEN>;

/// The tree scheme; committing to whole trees, so the cap is the root alone.
pub(crate) fn trees() -> Trees {
    Trees::new(LeafHasher, NodeHasher::new(Tagged::new()), 0)
}
