//! Tagged SHA3 of many messages at once: one message in each lane of the processor's vectors.
//!
//! A lane that is done takes the next message, so lengths may differ; the digests are those of [`crate::tagged`].

use alloc::vec;
use alloc::vec::Vec;

use p3_keccak::{KeccakF, VECTOR_LEN};
use p3_symmetric::Permutation;

use crate::tagged::Tag;

/// Bytes that SHA3-512 takes per permutation.
const RATE_512: usize = 72;
/// Bytes that SHA3-256 takes per permutation.
const RATE_256: usize = 136;

const TAG_BYTES: usize = 32;
const WORD: usize = 8;

/// `H(tag, message)` of each message, in their order.
#[must_use]
pub fn tagged_sha3_512_many(tag: Tag, messages: &[&[u8]]) -> Vec<[u8; 64]> {
    many::<RATE_512, 64>(tag, messages)
}

/// `H32(tag, message)` of each message, in their order.
#[must_use]
pub fn tagged_sha3_256_many(tag: Tag, messages: &[&[u8]]) -> Vec<[u8; 32]> {
    many::<RATE_256, 32>(tag, messages)
}

/// A message that is being hashed.
struct Lane {
    message: usize,
    /// Bytes of tag and message that were absorbed.
    absorbed: usize,
}

fn many<const RATE: usize, const DIGEST: usize>(tag: Tag, messages: &[&[u8]]) -> Vec<[u8; DIGEST]> {
    let mut digests = vec![[0; DIGEST]; messages.len()];
    let mut state = [[0; VECTOR_LEN]; 25];
    let mut lanes: [Option<Lane>; VECTOR_LEN] = core::array::from_fn(|_| None);
    let mut waiting = 0..messages.len();
    loop {
        for (place, lane) in lanes.iter_mut().enumerate() {
            if lane.is_none()
                && let Some(message) = waiting.next()
            {
                state.iter_mut().for_each(|words| words[place] = 0);
                *lane = Some(Lane { message, absorbed: 0 });
            }
            if let Some(lane) = lane {
                let block = block::<RATE>(tag, messages[lane.message], lane.absorbed);
                for (words, bytes) in state.iter_mut().zip(block.as_chunks::<WORD>().0) {
                    words[place] ^= u64::from_le_bytes(*bytes);
                }
                lane.absorbed += RATE;
            }
        }
        if lanes.iter().all(Option::is_none) {
            return digests;
        }
        KeccakF.permute_mut(&mut state);
        for (place, slot) in lanes.iter_mut().enumerate() {
            // The padding takes a byte at least, so a message that fills its last block has one more.
            if let Some(lane) = slot
                && lane.absorbed > TAG_BYTES + messages[lane.message].len()
            {
                for (bytes, words) in digests[lane.message].as_chunks_mut::<WORD>().0.iter_mut().zip(&state) {
                    *bytes = words[place].to_le_bytes();
                }
                *slot = None;
            }
        }
    }
}

/// The padded bytes of tag and message from `start` on.
fn block<const RATE: usize>(tag: Tag, message: &[u8], start: usize) -> [u8; RATE] {
    let mut block = [0; RATE];
    let (tagged, rest) = if start == 0 {
        block[..TAG_BYTES].copy_from_slice(tag.as_bytes());
        (TAG_BYTES, message)
    } else {
        (0, &message[start - TAG_BYTES..])
    };
    let taken = rest.len().min(RATE - tagged);
    block[tagged..tagged + taken].copy_from_slice(&rest[..taken]);
    if taken < RATE - tagged {
        block[tagged + taken] ^= 0x06;
        block[RATE - 1] ^= 0x80;
    }
    block
}
