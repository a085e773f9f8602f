//! `A[o] = mult[o] * Σ_k W[o][k] h[k]` for a few tokens at once, exact in int64 on every path.

use super::Level;
use super::packed::{Inputs, Packed, TILE_COLUMNS, TILE_ROWS};

/// Multiplies block `first_block` and those after it, as many as `out` holds.
///
/// `out` is `[block][token][16]`.
pub(crate) fn multiply(level: Level, matrix: &Packed, first_block: usize, inputs: &Inputs, out: &mut [i64]) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => super::matmul_avx512::multiply(matrix, first_block, inputs, out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => super::matmul_avx2::multiply(matrix, first_block, inputs, out),
        _ => portable(matrix, first_block, inputs, out),
    }
}

fn portable(matrix: &Packed, first_block: usize, inputs: &Inputs, out: &mut [i64]) {
    let width = matrix.column_tiles * TILE_COLUMNS;
    for (index, block_out) in out.chunks_exact_mut(inputs.tokens * TILE_ROWS).enumerate() {
        let block = first_block + index;
        let mult = &matrix.mult[block * TILE_ROWS..][..TILE_ROWS];
        for (row, out) in inputs.plain.chunks_exact(width).zip(block_out.chunks_exact_mut(TILE_ROWS)) {
            let mut sums = [0_i64; TILE_ROWS];
            if matrix.fits_i32 {
                let mut narrow = [0_i32; TILE_ROWS];
                for (tile, &[a, b, c, d]) in matrix.block_tiles(block).zip(row.as_chunks::<TILE_COLUMNS>().0)
                {
                    for (sum, w) in narrow.iter_mut().zip(tile.0.as_chunks::<TILE_COLUMNS>().0) {
                        let [w0, w1, w2, w3] = w.map(i32::from);
                        *sum += w0 * a + w1 * b + w2 * c + w3 * d;
                    }
                }
                sums = narrow.map(i64::from);
            } else {
                for (tile, quad) in matrix.block_tiles(block).zip(row.as_chunks::<TILE_COLUMNS>().0) {
                    for (sum, w) in sums.iter_mut().zip(tile.0.as_chunks::<TILE_COLUMNS>().0) {
                        *sum += w.iter().zip(quad).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum::<i64>();
                    }
                }
            }
            for ((out, sum), mult) in out.iter_mut().zip(sums).zip(mult) {
                *out = sum * mult;
            }
        }
    }
}

/// Copies the results of one token, rows `start..start + out.len()`, out of the blocks.
pub(crate) fn token_rows(blocks: &[i64], tokens: usize, token: usize, start: usize, out: &mut [i64]) {
    if tokens == 1 {
        out.copy_from_slice(&blocks[start..start + out.len()]);
        return;
    }
    let mut row = start;
    let mut rest = out;
    while !rest.is_empty() {
        let lane = row % TILE_ROWS;
        let count = rest.len().min(TILE_ROWS - lane);
        let source = (row / TILE_ROWS * tokens + token) * TILE_ROWS + lane;
        let (piece, tail) = rest.split_at_mut(count);
        piece.copy_from_slice(&blocks[source..source + count]);
        rest = tail;
        row += count;
    }
}
