//! The Fiat-Shamir transcript: everything both sides say, in order, and the challenges drawn from it.

use alloc::vec::Vec;

use p3_challenger::{CanObserve, FieldChallenger, HashChallenger, SerializingChallenger64};

use crate::field::{EF, F, PrimeCharacteristicRing};
use crate::hash::{DIGEST_LEN, StepHasher};

/// The sponge under the transcript: a chain of tagged BLAKE3-256 over bytes, read as Goldilocks elements by
/// rejection.
pub(crate) type Sponge = SerializingChallenger64<F, HashChallenger<u8, StepHasher, DIGEST_LEN>>;

/// A commitment to the evaluations of a multilinear polynomial: the root of a Merkle tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root(pub [u8; DIGEST_LEN]);

/// What has been said so far. Cloning forks it.
#[derive(Clone)]
pub struct Transcript {
    pub(crate) sponge: Sponge,
}

/// Bytes that fit into one field element whatever their value.
const BYTES_PER_ELEMENT: usize = 7;

impl Transcript {
    /// An empty transcript of the protocol named `domain`.
    pub fn new(domain: &str) -> Self {
        let mut transcript = Self { sponge: Sponge::from_hasher(Vec::new(), StepHasher) };
        transcript.absorb_bytes(domain.as_bytes());
        transcript
    }

    /// Absorbs a string of bytes: its length as [`Self::absorb_u64`] does, then 7 bytes an element, little-endian,
    /// the last one filled up with zeros.
    pub fn absorb_bytes(&mut self, bytes: &[u8]) {
        self.absorb_u64(bytes.len() as u64);
        for part in bytes.chunks(BYTES_PER_ELEMENT) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.absorb_base(F::from_u64(u64::from_le_bytes(word)));
        }
    }

    /// Absorbs an integer as two elements: its low 32 bits, then its high 32 bits.
    pub fn absorb_u64(&mut self, value: u64) {
        self.absorb_base(F::from_u32(value as u32));
        self.absorb_base(F::from_u32((value >> 32) as u32));
    }

    /// Absorbs a base-field element.
    pub fn absorb_base(&mut self, value: F) {
        CanObserve::<F>::observe(&mut self.sponge, value);
    }

    /// Absorbs an extension element: its three coefficients.
    pub fn absorb(&mut self, value: EF) {
        self.sponge.observe_algebra_element(value);
    }

    /// Absorbs extension elements one after the other. Their number is not absorbed: it must follow from what was
    /// absorbed before.
    pub fn absorb_slice(&mut self, values: &[EF]) {
        for &value in values {
            self.absorb(value);
        }
    }

    /// Absorbs the root of a commitment.
    pub fn absorb_root(&mut self, root: &Root) {
        self.absorb_bytes(&root.0);
    }

    /// Draws an extension element.
    pub fn challenge(&mut self) -> EF {
        self.sponge.sample_algebra_element()
    }

    /// Draws `count` extension elements.
    pub fn challenges(&mut self, count: usize) -> Vec<EF> {
        (0..count).map(|_| self.challenge()).collect()
    }
}
