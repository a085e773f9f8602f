//! Eight integers side by side: what the sums of small cells need of a vector register, and its portable form.

use super::SMALL;
use esper_commitment::{F, PrimeField64};

/// Eight signed integers of 64 bits.
pub trait Eight: Copy + Send + Sync {
    /// Eight zeros.
    fn zero() -> Self;
    /// Eight times `x`.
    fn splat(x: i64) -> Self;
    /// Those of an array.
    fn load(x: &[i64; 8]) -> Self;
    /// As an array.
    fn store(self) -> [i64; 8];
    /// The integers of least magnitude that eight cells stand for, and whether all are small. If not, they mean
    /// nothing.
    fn of_cells(cells: &[F; 8]) -> (Self, bool);
    /// Whether all are zero.
    fn is_zero(self) -> bool;
    /// Adds the products of the low 32 bits, as signed numbers, of two vectors.
    fn plus_product(self, a: Self, b: Self) -> Self;
}

/// Plain Rust, on any processor.
impl Eight for [i64; 8] {
    fn zero() -> Self {
        [0; 8]
    }

    fn splat(x: i64) -> Self {
        [x; 8]
    }

    fn load(x: &[i64; 8]) -> Self {
        *x
    }

    fn store(self) -> [i64; 8] {
        self
    }

    fn of_cells(cells: &[F; 8]) -> (Self, bool) {
        let signed = cells.map(|c| {
            let x = c.as_canonical_u64();
            if x > i64::MAX as u64 { x.wrapping_sub(F::ORDER_U64).cast_signed() } else { x.cast_signed() }
        });
        (signed, signed.iter().all(|s| (-SMALL..SMALL).contains(s)))
    }

    fn is_zero(self) -> bool {
        self == [0; 8]
    }

    fn plus_product(mut self, a: Self, b: Self) -> Self {
        for ((sum, a), b) in self.iter_mut().zip(a).zip(b) {
            *sum += i64::from(a as i32) * i64::from(b as i32);
        }
        self
    }
}
