//! Integers of 512 bits and more, as far as a ticket needs them; words from the lowest upwards.

use alloc::string::String;
use alloc::vec::Vec;

const WORDS: usize = 8;

/// The integer that 64 big-endian bytes stand for.
#[must_use]
pub fn from_bytes(bytes: &[u8; 64]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*chunk);
    }
    words
}

/// A product, low word first, two words longer than the first factor.
#[must_use]
pub fn product(value: &[u64; WORDS], factor: u128) -> [u64; WORDS + 2] {
    let mut out = [0u64; WORDS + 2];
    for (shift, half) in [factor as u64, (factor >> 64) as u64].into_iter().enumerate() {
        let mut carry = 0u128;
        for (slot, word) in out.iter_mut().skip(shift).zip(value.iter().chain([&0])) {
            let sum = u128::from(*slot) + u128::from(*word) * u128::from(half) + carry;
            *slot = sum as u64;
            carry = sum >> 64;
        }
    }
    out
}

/// Whether one is less than the other.
#[must_use]
pub fn less<const N: usize>(one: &[u64; N], other: &[u64; N]) -> bool {
    one.iter().rev().lt(other.iter().rev())
}

/// floor(2^512 / max(1, value)) in decimal digits.
#[must_use]
pub fn attempts(value: &[u64; WORDS]) -> String {
    let mut value = *value;
    if value == [0; WORDS] {
        value[0] = 1;
    }
    // Long division, bit by bit: the remainder stays below the value, so its double has a bit more at most.
    let (mut quotient, mut remainder) = ([0u64; WORDS + 1], [0u64; WORDS]);
    for bit in (0..=512usize).rev() {
        let carried = shift_in(&mut remainder, u64::from(bit == 512));
        if carried == 1 || !less(&remainder, &value) {
            subtract(&mut remainder, &value);
            if let Some(word) = quotient.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
    }
    decimal(quotient)
}

/// Doubles, adds a bit, and gives the bit that is carried out.
fn shift_in(value: &mut [u64; WORDS], mut bit: u64) -> u64 {
    for word in value {
        let next = *word >> 63;
        *word = *word << 1 | bit;
        bit = next;
    }
    bit
}

fn subtract(value: &mut [u64; WORDS], less: &[u64; WORDS]) {
    let mut borrow = false;
    for (word, less) in value.iter_mut().zip(less) {
        let (first, one) = word.overflowing_sub(*less);
        let (second, two) = first.overflowing_sub(u64::from(borrow));
        (*word, borrow) = (second, one || two);
    }
}

fn decimal(mut value: [u64; WORDS + 1]) -> String {
    let mut digits = Vec::new();
    while value.iter().any(|&word| word != 0) || digits.is_empty() {
        let mut rest = 0u128;
        for word in value.iter_mut().rev() {
            let part = rest << 64 | u128::from(*word);
            *word = (part / 10) as u64;
            rest = part % 10;
        }
        digits.push(b'0' + rest as u8);
    }
    digits.iter().rev().map(|&digit| char::from(digit)).collect()
}
