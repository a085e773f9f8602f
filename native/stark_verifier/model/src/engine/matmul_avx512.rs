//! The matrix kernel for AVX-512 with VNNI.
//!
//! `vpdpbusd` multiplies unsigned by signed bytes and adds four products into int32 without saturation. An input x
//! of 16 bits becomes `x + 2^15 = 256 hi + lo`, so two such products per group of four columns, and
//! `Σ w x = 256 Σ w hi + Σ w lo - 2^15 Σ w`. Byte sums stay below 127 * 255 * 2^16 < 2^31.

use std::arch::x86_64::*;

use super::packed::{GROUP, Inputs, Packed, TILE_ROWS, Tile};

/// Tiles fetched ahead of use in decoding, where every weight is used once: 8 KiB.
const AHEAD: usize = 256;

/// What one call of the kernel works on.
struct Job<'a> {
    matrix: &'a Packed,
    inputs: &'a [u32],
    tokens: usize,
    first_block: usize,
    out: *mut i64,
}

pub(super) fn multiply(matrix: &Packed, first_block: usize, inputs: &Inputs, out: &mut [i64]) {
    let tokens = inputs.tokens;
    let blocks = out.len() / (tokens * TILE_ROWS);
    assert!(first_block + blocks <= matrix.blocks(), "blocks beyond the matrix");
    assert_eq!(
        inputs.bytes.len(),
        tokens * matrix.byte_planes() * matrix.column_tiles,
        "inputs of another matrix"
    );
    let job = Job { matrix, inputs: &inputs.bytes, tokens, first_block, out: out.as_mut_ptr() };
    // SAFETY: the level was confirmed on this processor; the two assertions bound every access.
    unsafe {
        if matrix.byte_planes() == 2 {
            if tokens == 1 { blocks_of::<8, 1, 2>(&job, blocks) } else { blocks_of::<4, 3, 2>(&job, blocks) }
        } else {
            blocks_of::<4, 1, 3>(&job, blocks);
        }
    }
}

/// All blocks, group by group; a group is cut into as few runs of 8, 4, 2 and 1 blocks as `RB` allows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn blocks_of<const RB: usize, const NT: usize, const P: usize>(job: &Job<'_>, blocks: usize) {
    let mut block = 0;
    while block < blocks {
        let in_group = GROUP - (job.first_block + block) % GROUP;
        let left = in_group.min(blocks - block);
        // SAFETY: blocks stay below `blocks` and inside one group, tokens below `job.tokens`.
        block += unsafe {
            if left >= RB {
                tokens_of::<RB, NT, P>(job, block)
            } else if left >= 4 {
                tokens_of::<4, NT, P>(job, block)
            } else if left >= 2 {
                tokens_of::<2, NT, P>(job, block)
            } else {
                tokens_of::<1, NT, P>(job, block)
            }
        };
    }
}

/// `RB` blocks of one group for all tokens; returns `RB`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline]
unsafe fn tokens_of<const RB: usize, const NT: usize, const P: usize>(job: &Job<'_>, block: usize) -> usize {
    let mut token = 0;
    // SAFETY: as in `blocks_of`.
    unsafe {
        while token + NT <= job.tokens {
            tile::<RB, NT, P>(job, block, token);
            token += NT;
        }
        while token < job.tokens {
            tile::<RB, 1, P>(job, block, token);
            token += 1;
        }
    }
    RB
}

/// `RB` blocks of rows times `NT` tokens, inputs in `P` byte planes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline]
// Indices keep the three loops over one array of registers alike.
#[allow(clippy::needless_range_loop)]
unsafe fn tile<const RB: usize, const NT: usize, const P: usize>(job: &Job<'_>, block: usize, token: usize) {
    let steps = job.matrix.column_tiles;
    let (first, stride) = job.matrix.place(job.first_block + block);
    let mut sums = [[[_mm512_setzero_si512(); P]; NT]; RB];
    // SAFETY: `block` and `token` are in range, so all tiles and groups read lie inside their vectors.
    unsafe {
        let mut tiles: *const Tile = job.matrix.tiles.as_ptr().add(first);
        let inputs = job.inputs.as_ptr().add(token * P * steps);
        for step in 0..steps {
            let mut weights = [_mm512_setzero_si512(); RB];
            for (row, weight) in weights.iter_mut().enumerate() {
                if NT == 1 {
                    _mm_prefetch::<_MM_HINT_T0>(tiles.wrapping_add(AHEAD + row).cast());
                }
                *weight = _mm512_load_si512(tiles.add(row).cast());
            }
            tiles = tiles.add(stride);
            for t in 0..NT {
                for p in 0..P {
                    let group = _mm512_set1_epi32((*inputs.add((t * P + p) * steps + step)).cast_signed());
                    for row in 0..RB {
                        sums[row][t][p] = _mm512_dpbusd_epi32(sums[row][t][p], group, weights[row]);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (t, planes) in sums.iter().enumerate() {
                finish(job, block + row, token + t, planes);
            }
        }
    }
}

/// Puts the planes together, takes the offset off and applies the multipliers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline]
unsafe fn finish<const P: usize>(job: &Job<'_>, block: usize, token: usize, planes: &[__m512i; P]) {
    let row = (job.first_block + block) * TILE_ROWS;
    let offset = _mm_cvtsi32_si128(8 * P as i32 - 1);
    // SAFETY: multipliers and sums are padded to whole blocks, `out` holds all blocks and tokens of the job.
    unsafe {
        let mult = job.matrix.mult.as_ptr().add(row);
        let row_sum = _mm512_loadu_si512(job.matrix.row_sum.as_ptr().add(row).cast());
        let out = job.out.add((block * job.tokens + token) * TILE_ROWS);
        if job.matrix.fits_i32 {
            // The result fits int32, so arithmetic modulo 2^32 gives it, whatever the terms.
            let mut sum = _mm512_setzero_si512();
            for plane in planes.iter().rev() {
                sum = _mm512_add_epi32(_mm512_slli_epi32::<8>(sum), *plane);
            }
            let sum = _mm512_sub_epi32(sum, _mm512_sll_epi32(row_sum, offset));
            for half in 0..2 {
                let sum = widen(sum, half);
                let mult = _mm512_loadu_si512(mult.add(8 * half).cast());
                _mm512_storeu_si512(out.add(8 * half).cast(), _mm512_mul_epi32(sum, mult));
            }
            return;
        }
        for half in 0..2 {
            let mut sum = _mm512_setzero_si512();
            for plane in planes.iter().rev() {
                sum = _mm512_add_epi64(_mm512_slli_epi64::<8>(sum), widen(*plane, half));
            }
            let sum = _mm512_sub_epi64(sum, _mm512_sll_epi64(widen(row_sum, half), offset));
            let mult = _mm512_loadu_si512(mult.add(8 * half).cast());
            _mm512_storeu_si512(out.add(8 * half).cast(), _mm512_mullo_epi64(sum, mult));
        }
    }
}

/// Half of the int32 lanes as int64.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline]
fn widen(lanes: __m512i, half: usize) -> __m512i {
    let part = if half == 0 { _mm512_castsi512_si256(lanes) } else { _mm512_extracti64x4_epi64::<1>(lanes) };
    _mm512_cvtepi32_epi64(part)
}
