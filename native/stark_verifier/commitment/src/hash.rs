//! BLAKE3-256 in three domains: leaves of a tree, its inner nodes, and steps of the transcript.
//!
//! Leaves and nodes are hashed in the key-derivation mode of BLAKE3, each under a context of its own: the context
//! enters through the key, so it costs no bytes of the message, and a node's two digests fill one block exactly. A
//! step of the transcript is `BLAKE3-256(tag || message)` with a tag of 24 bytes: a trial of proof of work (24 bytes
//! of tag, 32 of state, 8 of witness) is one block as well.
//!
//! The three modes never meet: key derivation sets a flag in every compression that plain hashing leaves unset.

use alloc::vec::Vec;

use blake3::IncrementCounter;
use blake3::platform::Platform;
use p3_blake3::Blake3;
use p3_symmetric::CryptographicHasher;

/// Bytes in a digest.
pub(crate) const DIGEST_LEN: usize = 32;
/// A digest.
pub(crate) type Digest = [u8; DIGEST_LEN];

/// Context of a leaf: the row's elements follow, 8 bytes each, little-endian, canonical; of an extension element its
/// three coefficients in turn. Zeros fill the last block of 64 bytes: the tree fixes how many elements a row has.
pub const CONTEXT_LEAF: &str = "esper/merkle/leaf/v2";
/// Context of an inner node: the digests of its left and right child follow.
pub const CONTEXT_NODE: &str = "esper/merkle/node/v2";
/// Bytes in the transcript's tag.
const TAG_LEN: usize = 24;
/// Tag of each step of the transcript.
pub const TAG_TRANSCRIPT: [u8; TAG_LEN] = *b"esper/transcript/v1\0\0\0\0\0";

/// Bytes of a block.
pub(crate) const BLOCK_LEN: usize = 64;
/// Blocks of the longest message under a context: a row of 16 extension elements.
const MAX_BLOCKS: usize = 6;
/// Messages that are handed over at once: as many as the widest vectors have lanes.
const GROUP: usize = 16;

/// Flags of a compression, as the BLAKE3 paper numbers them (table 3).
mod flag {
    pub(super) const CHUNK_START: u8 = 1 << 0;
    pub(super) const CHUNK_END: u8 = 1 << 1;
    pub(super) const ROOT: u8 = 1 << 3;
    pub(super) const DERIVE_KEY_MATERIAL: u8 = 1 << 6;
}

/// BLAKE3-256 in key-derivation mode under one context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// The hash of the context string, as words: a constant, since it cannot be computed at compile time.
    key: [u32; 8],
}

/// The domain of leaves, [`CONTEXT_LEAF`].
pub(crate) const LEAF: Context = Context {
    key: [
        0xde70_647a,
        0x5c51_d69c,
        0x7073_a537,
        0xa121_f7ff,
        0x7288_671f,
        0x4598_4a09,
        0xe7b2_7a9d,
        0xff34_a930,
    ],
};
/// The domain of inner nodes, [`CONTEXT_NODE`].
pub(crate) const NODE: Context = Context {
    key: [
        0xa4c7_b6d3,
        0x5c36_7a0f,
        0xa100_8cf3,
        0x9e90_e317,
        0xbf74_9b25,
        0x9559_627b,
        0x0e23_0e99,
        0x3a57_2e3e,
    ],
};

impl Context {
    /// One digest for each of `out.len()` messages of equal length, end to end in `messages`; a message has 1 to
    /// [`MAX_BLOCKS`] whole blocks, and so is a single chunk whose every block is compressed under the context's key.
    pub(crate) fn digests(&self, messages: &[u8], out: &mut [Digest]) {
        let blocks = messages.len() / BLOCK_LEN / out.len().max(1);
        assert_eq!(messages.len(), blocks * BLOCK_LEN * out.len(), "messages of equal numbers of blocks");
        match blocks {
            0 => assert!(out.is_empty(), "messages of at least a block"),
            1 => self.lanes::<BLOCK_LEN>(messages, out),
            2 => self.lanes::<{ 2 * BLOCK_LEN }>(messages, out),
            3 => self.lanes::<{ 3 * BLOCK_LEN }>(messages, out),
            4 => self.lanes::<{ 4 * BLOCK_LEN }>(messages, out),
            5 => self.lanes::<{ 5 * BLOCK_LEN }>(messages, out),
            MAX_BLOCKS => self.lanes::<{ MAX_BLOCKS * BLOCK_LEN }>(messages, out),
            _ => panic!("messages: {blocks} blocks; rows have up to {MAX_BLOCKS}"),
        }
    }

    fn lanes<const LEN: usize>(&self, messages: &[u8], out: &mut [Digest]) {
        let platform = Platform::detect();
        let messages = messages.as_chunks::<LEN>().0;
        for (messages, digests) in messages.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
            let mut inputs = [&messages[0]; GROUP];
            for (input, message) in inputs.iter_mut().zip(messages) {
                *input = message;
            }
            platform.hash_many(
                &inputs[..messages.len()],
                &self.key,
                0,
                IncrementCounter::No,
                flag::DERIVE_KEY_MATERIAL,
                flag::CHUNK_START,
                flag::CHUNK_END | flag::ROOT,
                digests.as_flattened_mut(),
            );
        }
    }
}

/// Hashes a step of the transcript.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepHasher;

/// Longest message that is joined to its tag on the stack.
const SHORT: usize = 512;

impl CryptographicHasher<u8, Digest> for StepHasher {
    const LANES: usize = <Blake3 as CryptographicHasher<u8, Digest>>::LANES;

    fn hash_iter<I: IntoIterator<Item = u8>>(&self, input: I) -> Digest {
        let message: Vec<u8> = TAG_TRANSCRIPT.into_iter().chain(input).collect();
        *blake3::hash(&message).as_bytes()
    }

    fn hash_iter_slices<'a, I: IntoIterator<Item = &'a [u8]>>(&self, input: I) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&TAG_TRANSCRIPT);
        for part in input {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    fn hash_slice(&self, input: &[u8]) -> Digest {
        if input.len() > SHORT {
            return self.hash_iter_slices(core::iter::once(input));
        }
        let mut message = [0; TAG_LEN + SHORT];
        message[..TAG_LEN].copy_from_slice(&TAG_TRANSCRIPT);
        message[TAG_LEN..TAG_LEN + input.len()].copy_from_slice(input);
        *blake3::hash(&message[..TAG_LEN + input.len()]).as_bytes()
    }

    /// One digest for each of `out.len()` messages of equal length, end to end in `input`: trials of proof of work.
    ///
    /// The messages are joined to their tags in groups that fill the vector lanes and stay in the first-level cache.
    fn hash_many(&self, input: &[u8], out: &mut [Digest]) {
        if out.is_empty() {
            return;
        }
        assert!(input.len().is_multiple_of(out.len()), "messages must have equal lengths");
        let len = input.len() / out.len();
        if len == 0 {
            out.fill(self.hash_slice(&[]));
            return;
        }
        let lanes = <Self as CryptographicHasher<u8, Digest>>::LANES.max(1);
        let mut tagged = Vec::with_capacity(lanes.min(out.len()) * (TAG_LEN + len));
        for (messages, digests) in input.chunks(lanes * len).zip(out.chunks_mut(lanes)) {
            tagged.clear();
            for message in messages.chunks_exact(len) {
                tagged.extend_from_slice(&TAG_TRANSCRIPT);
                tagged.extend_from_slice(message);
            }
            Blake3.hash_many(&tagged, digests);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn keys_are_those_of_the_contexts() {
        for (context, text) in [(LEAF, CONTEXT_LEAF), (NODE, CONTEXT_NODE)] {
            let key = blake3::hazmat::hash_derive_key_context(text);
            let words: Vec<u32> = key.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
            assert_eq!(context.key[..], words[..], "{text}");
        }
    }

    /// The crate's hidden interface against its public one, for every number of lanes and blocks in use.
    #[test]
    fn a_batch_is_what_key_derivation_gives_message_by_message() {
        for blocks in 1..=MAX_BLOCKS {
            for count in 0..=2 * GROUP + 1 {
                let len = blocks * BLOCK_LEN;
                let messages: Vec<u8> = (0..count * len).map(|i| (i * i + 7 * i + count) as u8).collect();
                for (context, text) in [(LEAF, CONTEXT_LEAF), (NODE, CONTEXT_NODE)] {
                    let mut digests = alloc::vec![[0; DIGEST_LEN]; count];
                    context.digests(&messages, &mut digests);
                    let single = messages.chunks(len).map(|message| blake3::derive_key(text, message));
                    assert_eq!(digests, single.collect::<Vec<_>>(), "{count} messages of {blocks} blocks");
                }
            }
        }
    }
}
