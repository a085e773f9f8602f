//! Poseidon2-512: a sponge over the Goldilocks field, for digests of token and logit lists.
//!
//! Permutation: Poseidon2 of width 16 with the constants that p3-goldilocks ships (Grain LFSR, S-box x^7,
//! 8 full and 22 partial rounds). Rate 8, capacity 8, output 8 elements = 512 bits; the capacity of 8
//! elements bounds generic attacks at 256 bits.
//!
//! The state starts as
//!
//! ```text
//! [0; 8] || tag bytes, 7 to an element, little-endian (5 elements) || number of inputs || 8 (outputs) || 1 (version)
//! ```
//!
//! Inputs are *added* into the rate, eight at a time, a permutation after each eight; a last group that is
//! short is filled with zeros. The number of inputs sits in the capacity from the start, so no two lists of
//! different length share a padded form. An empty list still costs one permutation. The digest is the rate
//! after the last permutation.

use p3_field::{PrimeCharacteristicRing, PrimeField64};
use p3_goldilocks::{Goldilocks, default_goldilocks_poseidon2_16};
use p3_symmetric::Permutation;

use crate::tagged::Tag;

/// Elements absorbed per permutation.
pub const RATE: usize = 8;
/// Elements of the state.
pub const WIDTH: usize = 16;
/// The order of the field, 2^64 - 2^32 + 1: inputs are below it.
pub const ORDER: u64 = Goldilocks::ORDER_U64;

/// Eight canonical field elements, each below [`ORDER`].
pub type Limbs = [u64; RATE];

/// An input that is not below the order of the field: it would be another name of a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonCanonical {
    /// Its place in the list.
    pub index: usize,
    /// Its value.
    pub value: u64,
}

impl core::fmt::Display for NonCanonical {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "element {} is {}, reduce it below 2^64 - 2^32 + 1 first", self.index, self.value)
    }
}

impl core::error::Error for NonCanonical {}

/// The bare permutation, for test vectors.
///
/// # Errors
/// [`NonCanonical`] names the first element that is not below [`ORDER`].
pub fn permute(state: [u64; WIDTH]) -> Result<[u64; WIDTH], NonCanonical> {
    require_canonical(&state)?;
    let mut elements = state.map(Goldilocks::new);
    default_goldilocks_poseidon2_16().permute_mut(&mut elements);
    Ok(elements.map(|e| e.as_canonical_u64()))
}

/// The 512-bit digest of a list of field elements under a domain tag.
///
/// # Errors
/// [`NonCanonical`] names the first element that is not below [`ORDER`].
pub fn poseidon2_digest(tag: Tag, input: &[u64]) -> Result<Limbs, NonCanonical> {
    require_canonical(input)?;
    let permutation = default_goldilocks_poseidon2_16();
    let mut state = initial_state(tag, input.len() as u64);
    for group in input.chunks(RATE) {
        for (slot, &value) in state.iter_mut().zip(group) {
            *slot += Goldilocks::new(value);
        }
        permutation.permute_mut(&mut state);
    }
    if input.is_empty() {
        permutation.permute_mut(&mut state);
    }
    Ok(core::array::from_fn(|i| state[i].as_canonical_u64()))
}

fn require_canonical(values: &[u64]) -> Result<(), NonCanonical> {
    match values.iter().position(|&value| value >= ORDER) {
        Some(index) => Err(NonCanonical { index, value: values[index] }),
        None => Ok(()),
    }
}

fn initial_state(tag: Tag, inputs: u64) -> [Goldilocks; WIDTH] {
    let mut state = [Goldilocks::ZERO; WIDTH];
    for (slot, bytes) in state[RATE..].iter_mut().zip(tag.as_bytes().chunks(7)) {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        *slot = Goldilocks::new(u64::from_le_bytes(word));
    }
    state[RATE + 5] = Goldilocks::new(inputs);
    state[RATE + 6] = Goldilocks::new(RATE as u64);
    state[RATE + 7] = Goldilocks::ONE;
    state
}
