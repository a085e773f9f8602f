//! The matrix kernel for AVX2: weights widened to int16, `vpmaddwd` adds pairs of products into int32.
//!
//! Exact where the L1 norm of every row keeps a dot product with 16-bit inputs inside int32, which the exporter
//! sees to; other matrices take the portable arithmetic. A wide input is split into `x >> 8` and `x & 255`.

use std::arch::x86_64::*;

use super::packed::{Inputs, Packed, TILE_COLUMNS, TILE_ROWS};

pub(super) fn multiply(matrix: &Packed, first_block: usize, inputs: &Inputs, out: &mut [i64]) {
    let tokens = inputs.tokens;
    let parts = if matrix.input_bits > 16 { 2 } else { 1 };
    let blocks = out.len() / (tokens * TILE_ROWS);
    assert!(first_block + blocks <= matrix.blocks(), "blocks beyond the matrix");
    assert_eq!(inputs.words.len(), tokens * parts * matrix.column_tiles, "inputs of another matrix");
    for (index, block_out) in out.chunks_exact_mut(tokens * TILE_ROWS).enumerate() {
        let block = first_block + index;
        let mult = &matrix.mult[block * TILE_ROWS..][..TILE_ROWS];
        let sections = inputs.words.chunks_exact(parts * matrix.column_tiles);
        for (section, out) in sections.zip(block_out.chunks_exact_mut(TILE_ROWS)) {
            let mut sums = [0_i64; TILE_ROWS];
            for part in section.chunks_exact(matrix.column_tiles) {
                let dot = if matrix.part_fits_i32 {
                    // SAFETY: the level was confirmed on this processor; `part` has one group per tile.
                    unsafe { narrow_dot(matrix, block, part) }
                } else {
                    wide_dot(matrix, block, part)
                };
                for (sum, dot) in sums.iter_mut().zip(dot) {
                    *sum = (*sum << 8) + dot;
                }
            }
            for ((out, sum), mult) in out.iter_mut().zip(sums).zip(mult) {
                *out = sum * mult;
            }
        }
    }
}

/// Dot products of the 16 rows of `block` with int16 inputs, in int32 accumulators.
#[target_feature(enable = "avx2")]
unsafe fn narrow_dot(matrix: &Packed, block: usize, part: &[u64]) -> [i64; TILE_ROWS] {
    let mut sums = [_mm256_setzero_si256(); 4];
    for (tile, &group) in matrix.block_tiles(block).zip(part) {
        let group = _mm256_set1_epi64x(group.cast_signed());
        for (quarter, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a tile has four quarters of 16 bytes and is aligned to 64.
            let weights = unsafe { _mm_load_si128(tile.0.as_ptr().add(16 * quarter).cast()) };
            let product = _mm256_madd_epi16(_mm256_cvtepi8_epi16(weights), group);
            *sum = _mm256_add_epi32(*sum, product);
        }
    }
    let mut out = [0; TILE_ROWS];
    for (quarter, sum) in sums.iter().enumerate() {
        let mut lanes = [0_i32; 8];
        // SAFETY: `lanes` has room for the register.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), *sum) };
        for row in 0..4 {
            out[4 * quarter + row] = i64::from(lanes[2 * row]) + i64::from(lanes[2 * row + 1]);
        }
    }
    out
}

/// The same in int64, for rows whose dot products may leave int32.
fn wide_dot(matrix: &Packed, block: usize, part: &[u64]) -> [i64; TILE_ROWS] {
    let mut sums = [0; TILE_ROWS];
    for (tile, &group) in matrix.block_tiles(block).zip(part) {
        for (sum, weights) in sums.iter_mut().zip(tile.0.as_chunks::<TILE_COLUMNS>().0) {
            for (column, &w) in weights.iter().enumerate() {
                *sum += i64::from(w) * i64::from((group >> (16 * column)) as i16);
            }
        }
    }
    sums
}
