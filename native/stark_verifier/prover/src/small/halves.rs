//! Weights as signed 32-bit halves of their coefficients.
//!
//! A coefficient x of the field, p = 2^64 - 2^32 + 1, stands for the signed integer s that is x below (p - 1) / 2 and
//! x - p from there on, so that
//!
//! ```text
//! -(2^63 - 2^31 + 1) <= s <= 2^63 - 2^31 - 1,      s = low + 2^32 high,      -2^31 <= low, high < 2^31.
//! ```
//!
//! The border must be where it is: (p - 1) / 2 = 2^63 - 2^31 itself has the low half -2^31, and its high half would be
//! 2^31, which no signed 32 bits hold. As x - p it has the halves 2^31 - 1 and -2^31.

use esper_commitment::{BasedVectorSpace, EF, F, PrimeCharacteristicRing, PrimeField64};

/// Halves of an extension element: low and high of each of three coefficients.
pub const HALVES: usize = 6;

/// The least coefficient that stands for a negative integer.
const FIRST_NEGATIVE: u64 = F::ORDER_U64 / 2;

fn signed(x: F) -> i64 {
    let x = x.as_canonical_u64();
    // Both differ from x by a multiple of p and fit: see above.
    if x < FIRST_NEGATIVE { x.cast_signed() } else { x.wrapping_sub(F::ORDER_U64).cast_signed() }
}

/// Halves of a weight, low before high, each within 32 bits.
pub fn halves(weight: EF) -> [i64; HALVES] {
    let mut out = [0; HALVES];
    let coefficients: &[F] = weight.as_basis_coefficients_slice();
    for (out, &c) in out.as_chunks_mut::<2>().0.iter_mut().zip(coefficients) {
        let s = signed(c);
        let low = i64::from(s as i32);
        // No overflow: s - low is a multiple of 2^32 between -2^63 and 2^63 - 2^32.
        *out = [low, (s - low) >> 32];
    }
    out
}

/// The element whose coefficients are `low + 2^32 high`.
pub fn join(sums: [i64; HALVES]) -> EF {
    let high = F::from_u64(1 << 32);
    EF::from_basis_coefficients_fn(|i| F::from_i64(sums[2 * i]) + F::from_i64(sums[2 * i + 1]) * high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_fits_and_they_join_to_the_weight() {
        let p = F::ORDER_U64;
        let borders = [0, 1 << 31, 1 << 32, (1 << 63) - (1 << 31), 1 << 63, p / 2, p - (1 << 31), p - 1];
        let around =
            borders.into_iter().flat_map(|x| (0..=4).map(move |d| x.wrapping_add(d).wrapping_sub(2) % p));
        for x in around {
            let weight = EF::from_basis_coefficients_fn(|i| F::from_u64(x) + F::from_u64(i as u64));
            let parts = halves(weight);
            assert!(parts.iter().all(|&h| i32::try_from(h).is_ok()), "{x}: {parts:?}");
            assert_eq!(join(parts), weight, "{x}");
        }
    }

    #[test]
    fn the_edge_has_the_least_half() {
        // The worst case of the bounds: 2^31 in magnitude, in either half.
        let at = |x: u64| halves(EF::from(F::from_u64(x)));
        assert_eq!(at(F::ORDER_U64 / 2)[..2], [(1 << 31) - 1, -1 << 31]);
        assert_eq!(at(1 << 31)[..2], [-1 << 31, 1]);
    }
}
