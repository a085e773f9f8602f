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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Linear;

    /// Numbers that look like chance, of so many bits with their sign.
    fn numbers(seed: u64, bits: u32) -> impl Iterator<Item = i32> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state.cast_signed() >> (64 - bits)) as i32
        })
    }

    fn linear(out: usize, inp: usize, weight: i8) -> Linear {
        let weights = numbers(out as u64, 8).map(|w| if weight == 0 { w.max(-127) as i8 } else { weight });
        let mult = numbers(inp as u64, 16).map(|m| m.unsigned_abs() as i32 + 1);
        Linear {
            out,
            inp,
            weight: weights.take(out * inp).collect(),
            mult: mult.take(out).collect(),
            shift: 1,
        }
    }

    #[test]
    fn every_level_multiplies_any_number_of_tokens_and_blocks() {
        // 2,064 columns of 127 leave int32 with inputs of 16 bits, and take the wide sums.
        for (out, inp, weight) in [(1, 1, 0), (16, 4, 0), (70, 42, 0), (290, 33, 0), (33, 2064, 127)] {
            let linear = linear(out, inp, weight);
            for bits in [16, 20, 24] {
                for tokens in 1..=9 {
                    let largest = (1 << (bits - 1)) - 1;
                    let values = numbers(7, bits).map(|x| if weight == 0 { x } else { largest });
                    let values: Vec<i32> = values.take(tokens * inp).collect();
                    for level in Level::available() {
                        let packed = Packed::new(level, &[&linear], bits);
                        let mut inputs = Inputs::default();
                        inputs.set(level, &packed, &values);
                        let mut blocks = vec![0; packed.blocks() * tokens * TILE_ROWS];
                        multiply(level, &packed, 0, &inputs, &mut blocks);
                        let mut line = vec![0; out];
                        for (token, x) in values.chunks(inp).enumerate() {
                            token_rows(&blocks, tokens, token, 0, &mut line);
                            for (row, &got) in line.iter().enumerate() {
                                let weights = &linear.weight[row * inp..][..inp];
                                let dot: i64 =
                                    weights.iter().zip(x).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
                                let expected = dot * i64::from(linear.mult[row]);
                                assert_eq!(got, expected, "{level:?} {out}x{inp} {bits} {tokens} {row}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_may_begin_anywhere() {
        let linear = linear(200, 40, 0);
        let sizes = |level| [(1, 16), (3, 16), (1, 20), (3, 20)].map(|(tokens, bits)| (level, tokens, bits));
        for (level, tokens, bits) in Level::available().into_iter().flat_map(sizes) {
            let values: Vec<i32> = numbers(3, bits).take(tokens * 40).collect();
            let packed = Packed::new(level, &[&linear], bits);
            let mut inputs = Inputs::default();
            inputs.set(level, &packed, &values);
            let mut all = vec![0; packed.blocks() * tokens * TILE_ROWS];
            multiply(level, &packed, 0, &inputs, &mut all);
            for first in 0..packed.blocks() {
                for count in 1..=packed.blocks() - first {
                    let mut some = vec![0; count * tokens * TILE_ROWS];
                    multiply(level, &packed, first, &inputs, &mut some);
                    let same = some == all[first * tokens * TILE_ROWS..][..some.len()];
                    assert!(same, "{level:?} {tokens} {bits} {first} {count}");
                }
            }
        }
    }
}
