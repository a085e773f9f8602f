//! Attention kernels for x86-64.
//!
//! `vpmaddwd` adds two products of int16 into int32 exactly (2 * 32767² < 2^31). Sums of many may leave int32, so
//! each is split, `p = 2^16 (p >> 16) + (p & 0xffff)`, and the halves are added up in int32 lanes: exact for up to
//! 2^15 of them, that is for head widths and sequences up to 2^16.

use std::arch::x86_64::*;

use super::cache::{CHANNEL_BLOCK, KEY_BLOCK};

/// Adds up split products and joins them at the end.
macro_rules! split_sum {
    ($high:ident, $low:ident, $product:expr, $add:ident, $shift:ident, $and:ident, $mask:expr) => {{
        let product = $product;
        $high = $add($high, $shift::<16>(product));
        $low = $add($low, $and(product, $mask));
    }};
}

/// Scores of whole blocks of keys.
///
/// # Safety
/// The processor has the features; `keys` holds as many blocks as `out`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn scores_avx512(keys: &[i16], pairs: &[i32], out: &mut [i64]) {
    let mask = _mm512_set1_epi32(0xffff);
    for (block, out) in out.chunks_exact_mut(KEY_BLOCK).enumerate() {
        let (mut high, mut low) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        // SAFETY: the caller guarantees the block; a pair of channels of 16 keys is one register.
        unsafe {
            let base = keys.as_ptr().add(block * pairs.len() * 2 * KEY_BLOCK);
            for (index, &pair) in pairs.iter().enumerate() {
                let keys = _mm512_loadu_si512(base.add(index * 2 * KEY_BLOCK).cast());
                let product = _mm512_madd_epi16(keys, _mm512_set1_epi32(pair));
                split_sum!(high, low, product, _mm512_add_epi32, _mm512_srai_epi32, _mm512_and_si512, mask);
            }
            join_avx512(high, low, out.as_mut_ptr());
        }
    }
}

/// Weighted sums of values.
///
/// # Safety
/// The processor has the features; `values` holds a row for every pair of `exps`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn mix_avx512(values: &[i16], exps: &[i16], out: &mut [i64]) {
    let mask = _mm512_set1_epi32(0xffff);
    let row = 2 * out.len();
    for (unit, out) in out.chunks_exact_mut(CHANNEL_BLOCK).enumerate() {
        let (mut high, mut low) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        // SAFETY: the caller guarantees the rows; two positions of 16 channels are one register.
        unsafe {
            for pair in 0..exps.len() / 2 {
                let weights = exps.as_ptr().add(2 * pair).cast::<i32>().read_unaligned();
                let values =
                    _mm512_loadu_si512(values.as_ptr().add(pair * row + unit * 2 * CHANNEL_BLOCK).cast());
                let product = _mm512_madd_epi16(values, _mm512_set1_epi32(weights));
                split_sum!(high, low, product, _mm512_add_epi32, _mm512_srai_epi32, _mm512_and_si512, mask);
            }
            join_avx512(high, low, out.as_mut_ptr());
        }
    }
}

/// Writes `2^16 high + low`, 16 lanes.
///
/// # Safety
/// `out` has room for 16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[inline]
unsafe fn join_avx512(high: __m512i, low: __m512i, out: *mut i64) {
    let join = |high, low| {
        let high = _mm512_slli_epi64::<16>(_mm512_cvtepi32_epi64(high));
        _mm512_add_epi64(high, _mm512_cvtepi32_epi64(low))
    };
    // SAFETY: the caller guarantees 16 places.
    unsafe {
        let first = join(_mm512_castsi512_si256(high), _mm512_castsi512_si256(low));
        _mm512_storeu_si512(out.cast(), first);
        let second = join(_mm512_extracti64x4_epi64::<1>(high), _mm512_extracti64x4_epi64::<1>(low));
        _mm512_storeu_si512(out.add(8).cast(), second);
    }
}

/// Scores of whole blocks of keys.
///
/// # Safety
/// The processor has AVX2; `keys` holds as many blocks as `out`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn scores_avx2(keys: &[i16], pairs: &[i32], out: &mut [i64]) {
    let mask = _mm256_set1_epi32(0xffff);
    for (half_block, out) in out.chunks_exact_mut(KEY_BLOCK / 2).enumerate() {
        let (mut high, mut low) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        // SAFETY: the caller guarantees the block; a pair of channels of 8 keys is one register.
        unsafe {
            let base =
                keys.as_ptr().add(half_block / 2 * pairs.len() * 2 * KEY_BLOCK + half_block % 2 * KEY_BLOCK);
            for (index, &pair) in pairs.iter().enumerate() {
                let keys = _mm256_loadu_si256(base.add(index * 2 * KEY_BLOCK).cast());
                let product = _mm256_madd_epi16(keys, _mm256_set1_epi32(pair));
                split_sum!(high, low, product, _mm256_add_epi32, _mm256_srai_epi32, _mm256_and_si256, mask);
            }
            join_avx2(high, low, out.as_mut_ptr());
        }
    }
}

/// Weighted sums of values.
///
/// # Safety
/// The processor has AVX2; `values` holds a row for every pair of `exps`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn mix_avx2(values: &[i16], exps: &[i16], out: &mut [i64]) {
    let mask = _mm256_set1_epi32(0xffff);
    let row = 2 * out.len();
    for (unit, out) in out.chunks_exact_mut(CHANNEL_BLOCK / 2).enumerate() {
        let (mut high, mut low) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        // SAFETY: the caller guarantees the rows; two positions of 8 channels are one register.
        unsafe {
            for pair in 0..exps.len() / 2 {
                let weights = exps.as_ptr().add(2 * pair).cast::<i32>().read_unaligned();
                let values =
                    _mm256_loadu_si256(values.as_ptr().add(pair * row + unit * CHANNEL_BLOCK).cast());
                let product = _mm256_madd_epi16(values, _mm256_set1_epi32(weights));
                split_sum!(high, low, product, _mm256_add_epi32, _mm256_srai_epi32, _mm256_and_si256, mask);
            }
            join_avx2(high, low, out.as_mut_ptr());
        }
    }
}

/// Writes `2^16 high + low`, 8 lanes.
///
/// # Safety
/// `out` has room for 8.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn join_avx2(high: __m256i, low: __m256i, out: *mut i64) {
    let join = |high, low| {
        let high = _mm256_slli_epi64::<16>(_mm256_cvtepi32_epi64(high));
        _mm256_add_epi64(high, _mm256_cvtepi32_epi64(low))
    };
    // SAFETY: the caller guarantees 8 places.
    unsafe {
        let first = join(_mm256_castsi256_si128(high), _mm256_castsi256_si128(low));
        _mm256_storeu_si256(out.cast(), first);
        let second = join(_mm256_extracti128_si256::<1>(high), _mm256_extracti128_si256::<1>(low));
        _mm256_storeu_si256(out.add(4).cast(), second);
    }
}
