//! The matrix kernel for AVX2: weights widened to int16, `vpmaddwd` adds pairs of products into int32.
//!
//! Exact where the L1 norm of every row keeps a dot product with 16-bit inputs inside int32, which the exporter
//! sees to; other matrices take the portable arithmetic. A wide input is split into `x >> 8` and `x & 255`.
//!
//! Each input vector, a token or a part of one, is a lane of the kernel. Two blocks lie interleaved, so a single
//! lane reads memory in one straight line; with several lanes every widened weight is used for all of them.

use std::arch::x86_64::*;

use super::packed::{Inputs, Packed, TILE_COLUMNS, TILE_ROWS, Tile};

/// Rows of one register of int32 sums, which holds two for each row.
const QUARTER_ROWS: usize = 4;
/// Quarters of one tile.
const QUARTERS: usize = TILE_ROWS / QUARTER_ROWS;
/// Bytes of a quarter: one register of int16 once they are widened.
const QUARTER_BYTES: usize = QUARTER_ROWS * TILE_COLUMNS;
/// Bytes of weights fetched ahead of use in decoding, where every weight is used once.
const AHEAD: usize = 4096;

/// What one call of the kernel works on.
struct Job<'a> {
    matrix: &'a Packed,
    inputs: &'a [u64],
    tokens: usize,
    parts: usize,
    first_block: usize,
    out: *mut i64,
}

pub(super) fn multiply(matrix: &Packed, first_block: usize, inputs: &Inputs, out: &mut [i64]) {
    let tokens = inputs.tokens;
    let parts = if matrix.input_bits > 16 { 2 } else { 1 };
    let blocks = out.len() / (tokens * TILE_ROWS);
    assert!(first_block + blocks <= matrix.blocks(), "blocks beyond the matrix");
    assert_eq!(inputs.words.len(), tokens * parts * matrix.column_tiles, "inputs of another matrix");
    if matrix.part_fits_i32 {
        let out = out.as_mut_ptr();
        let job = Job { matrix, inputs: &inputs.words, tokens, parts, first_block, out };
        // SAFETY: the level was confirmed on this processor; the two assertions bound every access.
        unsafe { blocks_of(&job, blocks) }
    } else {
        wide(matrix, first_block, inputs, parts, out);
    }
}

/// All blocks, two at once where they lie interleaved.
#[target_feature(enable = "avx2")]
unsafe fn blocks_of(job: &Job<'_>, blocks: usize) {
    let mut block = 0;
    while block < blocks {
        let in_group = job.matrix.group - (job.first_block + block) % job.matrix.group;
        let pair = in_group.min(blocks - block) >= 2;
        // SAFETY: the blocks stay below `blocks` and inside one group.
        block += unsafe { if pair { lanes_of::<2>(job, block) } else { lanes_of::<1>(job, block) } };
    }
}

/// `RB` neighbouring blocks of one group, all lanes: four, two or one at a time. Returns `RB`.
#[target_feature(enable = "avx2")]
unsafe fn lanes_of<const RB: usize>(job: &Job<'_>, block: usize) -> usize {
    let lanes = job.tokens * job.parts;
    let mut lane = 0;
    // SAFETY: lanes stay below `lanes`, quarters within the `RB` blocks. A token's two parts are never torn apart:
    // their count is even, so a single lane is left only where a token has one.
    unsafe {
        while lane + 4 <= lanes {
            for quarter in (0..RB * QUARTERS).step_by(2) {
                quarters_of::<2, 4>(job, block, quarter, lane);
            }
            lane += 4;
        }
        if lane + 2 <= lanes {
            for quarter in (0..RB * QUARTERS).step_by(4) {
                quarters_of::<4, 2>(job, block, quarter, lane);
            }
            lane += 2;
        }
        if lane < lanes {
            if RB == 2 {
                quarters_of::<8, 1>(job, block, 0, lane);
            } else {
                quarters_of::<4, 1>(job, block, 0, lane);
            }
        }
    }
    RB
}

/// `Q` quarters from the `quarter`-th on of the blocks at `block`, for `NL` lanes.
#[target_feature(enable = "avx2")]
#[inline]
// Indices keep the loops over one array of registers alike.
#[allow(clippy::needless_range_loop)]
unsafe fn quarters_of<const Q: usize, const NL: usize>(
    job: &Job<'_>,
    block: usize,
    quarter: usize,
    lane: usize,
) {
    let steps = job.matrix.column_tiles;
    let (first, stride) = job.matrix.place(job.first_block + block);
    let mut sums = [[_mm256_setzero_si256(); NL]; Q];
    // SAFETY: the caller keeps blocks, quarters and lanes in range, so all that is read lies inside its vector;
    // a tile has four quarters, and is followed by its neighbour in the group.
    unsafe {
        let tiles = job.matrix.tiles.as_ptr().add(first).cast::<u8>().add(quarter * QUARTER_BYTES);
        let inputs = job.inputs.as_ptr().add(lane * steps);
        for step in 0..steps {
            let weights = tiles.add(step * stride * size_of::<Tile>());
            if NL == 1 {
                for line in (0..Q * QUARTER_BYTES).step_by(64) {
                    _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_add(AHEAD + line).cast());
                }
            }
            let groups: [__m256i; NL] =
                std::array::from_fn(|l| _mm256_set1_epi64x((*inputs.add(l * steps + step)).cast_signed()));
            for q in 0..Q {
                let weights = _mm_load_si128(weights.add(q * QUARTER_BYTES).cast());
                let weights = _mm256_cvtepi8_epi16(weights);
                for l in 0..NL {
                    sums[q][l] = _mm256_add_epi32(sums[q][l], _mm256_madd_epi16(weights, groups[l]));
                }
            }
        }
        for (q, sums) in sums.iter().enumerate() {
            for token in 0..NL / job.parts {
                finish(job, block, quarter + q, lane / job.parts + token, &sums[token * job.parts..]);
            }
        }
    }
}

/// Adds the two sums of every row, puts the parts together and applies the multipliers.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn finish(job: &Job<'_>, block: usize, quarter: usize, token: usize, parts: &[__m256i]) {
    let block = block + quarter / QUARTERS;
    let row = quarter % QUARTERS * QUARTER_ROWS;
    // The dot product of a row fits int32: the low half of each 64 bits holds it.
    let row_sums = |pairs: __m256i| _mm256_add_epi32(pairs, _mm256_srli_epi64::<32>(pairs));
    // SAFETY: multipliers are padded to whole blocks, `out` holds all blocks and tokens of the job.
    unsafe {
        let mult = job.matrix.mult.as_ptr().add((job.first_block + block) * TILE_ROWS + row);
        let out = job.out.add((block * job.tokens + token) * TILE_ROWS + row);
        if job.parts == 1 {
            let product = _mm256_mul_epi32(row_sums(parts[0]), _mm256_loadu_si256(mult.cast()));
            _mm256_storeu_si256(out.cast(), product);
            return;
        }
        // Signed multiplication by 1 extends int32 to int64.
        let one = _mm256_set1_epi64x(1);
        let high = _mm256_mul_epi32(row_sums(parts[0]), one);
        let low = _mm256_mul_epi32(row_sums(parts[1]), one);
        let mut sums = [0_i64; QUARTER_ROWS];
        let total = _mm256_add_epi64(_mm256_slli_epi64::<8>(high), low);
        _mm256_storeu_si256(sums.as_mut_ptr().cast(), total);
        for (index, sum) in sums.into_iter().enumerate() {
            *out.add(index) = sum * *mult.add(index);
        }
    }
}

/// The same in int64, for matrices with rows whose dot products may leave int32.
fn wide(matrix: &Packed, first_block: usize, inputs: &Inputs, parts: usize, out: &mut [i64]) {
    for (index, block_out) in out.chunks_exact_mut(inputs.tokens * TILE_ROWS).enumerate() {
        let block = first_block + index;
        let mult = &matrix.mult[block * TILE_ROWS..][..TILE_ROWS];
        let sections = inputs.words.chunks_exact(parts * matrix.column_tiles);
        for (section, out) in sections.zip(block_out.chunks_exact_mut(TILE_ROWS)) {
            let mut sums = [0_i64; TILE_ROWS];
            for part in section.chunks_exact(matrix.column_tiles) {
                for (sum, dot) in sums.iter_mut().zip(wide_dot(matrix, block, part)) {
                    *sum = (*sum << 8) + dot;
                }
            }
            for ((out, sum), mult) in out.iter_mut().zip(sums).zip(mult) {
                *out = sum * mult;
            }
        }
    }
}

/// Dot products of the 16 rows of `block` with int16 inputs.
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
