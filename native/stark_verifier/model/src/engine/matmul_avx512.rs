//! The matrix kernel for AVX-512 with VNNI.
//!
//! `vpdpbusd` multiplies unsigned by signed bytes and adds four products into int32 without saturation. An input x
//! of 16 bits becomes `x + 2^15 = 256 hi + lo`, so two such products per group of four columns, and
//! `Σ w x = 256 Σ w hi + Σ w lo - 2^15 Σ w`. Byte sums stay below 127 * 255 * 2^16 < 2^31.

use std::arch::x86_64::*;

use super::packed::{Inputs, Packed, TILE_ROWS, Tile};

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
    assert_eq!(inputs.bytes.len(), tokens * matrix.byte_planes() * matrix.column_tiles, "inputs of another matrix");
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

/// All blocks, `RB` at a time, the rest 4, 2 and 1 at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn blocks_of<const RB: usize, const NT: usize, const P: usize>(job: &Job<'_>, blocks: usize) {
    let mut block = 0;
    // SAFETY: blocks stay below `blocks`, tokens below `job.tokens`.
    unsafe {
        while block + RB <= blocks {
            tokens_of::<RB, NT, P>(job, block);
            block += RB;
        }
        while block + 4 <= blocks {
            tokens_of::<4, NT, P>(job, block);
            block += 4;
        }
        if block + 2 <= blocks {
            tokens_of::<2, NT, P>(job, block);
            block += 2;
        }
        if block < blocks {
            tokens_of::<1, NT, P>(job, block);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline]
unsafe fn tokens_of<const RB: usize, const NT: usize, const P: usize>(job: &Job<'_>, block: usize) {
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
}

/// `RB` blocks of rows times `NT` tokens, inputs in `P` byte planes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
#[inline]
unsafe fn tile<const RB: usize, const NT: usize, const P: usize>(job: &Job<'_>, block: usize, token: usize) {
    let steps = job.matrix.column_tiles;
    let mut sums = [[[_mm512_setzero_si512(); P]; NT]; RB];
    // SAFETY: `block` and `token` are in range, so all tiles and groups read lie inside their vectors.
    unsafe {
        let tiles: *const Tile = job.matrix.tiles.as_ptr().add((job.first_block + block) * steps);
        let inputs = job.inputs.as_ptr().add(token * P * steps);
        for step in 0..steps {
            let mut weights = [_mm512_setzero_si512(); RB];
            for (row, weight) in weights.iter_mut().enumerate() {
                *weight = _mm512_load_si512(tiles.add(row * steps + step).cast());
            }
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
    // SAFETY: multipliers and sums are padded to whole blocks, `out` holds all blocks and tokens of the job.
    unsafe {
        let mult = job.matrix.mult.as_ptr().add(row);
        let row_sum = job.matrix.row_sum.as_ptr().add(row);
        let out = job.out.add((block * job.tokens + token) * TILE_ROWS);
        for half in 0..2 {
            let mut sum = _mm512_setzero_si512();
            for plane in planes.iter().rev() {
                let part = if half == 0 {
                    _mm512_castsi512_si256(*plane)
                } else {
                    _mm512_extracti64x4_epi64::<1>(*plane)
                };
                sum = _mm512_add_epi64(_mm512_slli_epi64::<8>(sum), _mm512_cvtepi32_epi64(part));
            }
            let row_sum = _mm512_loadu_si512(row_sum.add(8 * half).cast());
            let offset = _mm512_sll_epi64(row_sum, _mm_cvtsi32_si128(8 * P as i32 - 1));
            let sum = _mm512_sub_epi64(sum, offset);
            let mult = _mm512_loadu_si512(mult.add(8 * half).cast());
            let product = if job.matrix.fits_i32 {
                _mm512_mul_epi32(sum, mult)
            } else {
                _mm512_mullo_epi64(sum, mult)
            };
            _mm512_storeu_si512(out.add(8 * half).cast(), product);
        }
    }
}
