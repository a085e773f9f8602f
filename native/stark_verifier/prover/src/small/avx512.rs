//! Eight integers in one AVX-512 register.
//!
//! Which build of the extension holds this is decided when it is compiled, as for the field's own vectors:
//! `docs/decisions/wheel.md`.

use super::SMALL;
use super::eight::Eight;
use core::arch::x86_64::*;
use esper_commitment::{F, PrimeField64};

// Cells are read as the integers that they wrap.
const _: () = assert!(size_of::<F>() == size_of::<u64>() && align_of::<F>() == align_of::<u64>());

/// A register.
#[derive(Clone, Copy)]
pub struct Register(__m512i);

// Every `unsafe` below calls instructions of AVX-512 F, and this module is compiled only where the build may use them.
impl Eight for Register {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    fn splat(x: i64) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_epi64(x) })
    }

    #[inline(always)]
    fn load(x: &[i64; 8]) -> Self {
        // SAFETY: see above; 64 bytes are read, those of the array.
        Self(unsafe { _mm512_loadu_si512(x.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self) -> [i64; 8] {
        let mut out = [0; 8];
        // SAFETY: see above; 64 bytes are written, those of the array.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), self.0) };
        out
    }

    #[inline(always)]
    fn of_cells(cells: &[F; 8]) -> (Self, bool) {
        // SAFETY: see above; 64 bytes are read, those of the array, whose elements are transparent over u64.
        unsafe {
            let x = _mm512_loadu_si512(cells.as_ptr().cast());
            // A cell need not be canonical. Both sides of the comparison keep the class modulo p: x at most
            // 2^63 - 1 as it is, x - p from -(2^63 - 2^32 + 1) to 2^32 - 2 above.
            let above = _mm512_cmpgt_epu64_mask(x, _mm512_set1_epi64(i64::MAX));
            let signed = _mm512_mask_sub_epi64(x, above, x, _mm512_set1_epi64(F::ORDER_U64.cast_signed()));
            // signed + SMALL may pass 2^63: without a sign it is far from 2 SMALL then.
            let shifted = _mm512_add_epi64(signed, _mm512_set1_epi64(SMALL));
            let small = _mm512_cmplt_epu64_mask(shifted, _mm512_set1_epi64(2 * SMALL));
            (Self(signed), small == 0xff)
        }
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: see above.
        unsafe { _mm512_test_epi64_mask(self.0, self.0) == 0 }
    }

    #[inline(always)]
    fn plus_product(self, a: Self, b: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_epi64(self.0, _mm512_mul_epi32(a.0, b.0)) })
    }
}
