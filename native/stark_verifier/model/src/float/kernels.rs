//! Matrix and attention kernels in float32.

use crate::engine::{Level, Pages};

/// Rows of one block of a matrix, keys of one block of a cache, channels of one block of a value.
pub(crate) const BLOCK: usize = 16;

/// A matrix, or several with the same input stacked: `[block of 16 rows][column][16]`.
pub(crate) struct FloatPacked {
    pub rows: usize,
    pub columns: usize,
    pub weights: Pages<f32>,
}

impl FloatPacked {
    /// Stacks matrices `[out][columns]`.
    pub fn new(matrices: &[&[f32]], columns: usize) -> Self {
        let rows: usize = matrices.iter().map(|m| m.len() / columns).sum();
        let mut weights = Pages::zeroed(rows.next_multiple_of(BLOCK) * columns);
        for (index, row) in matrices.iter().flat_map(|m| m.chunks_exact(columns)).enumerate() {
            let block = &mut weights[index / BLOCK * BLOCK * columns..];
            for (column, &w) in row.iter().enumerate() {
                block[column * BLOCK + index % BLOCK] = w;
            }
        }
        Self { rows, columns, weights }
    }

    pub fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK)
    }
}

/// `W h` for block `first` and those after it, as many as `out` (`[block][token][16]`) holds.
pub(crate) fn multiply(level: Level, matrix: &FloatPacked, first: usize, inputs: &[f32], out: &mut [f32]) {
    let tokens = inputs.len() / matrix.columns;
    let weights = &matrix.weights[first * BLOCK * matrix.columns..][..out.len() / tokens * matrix.columns];
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was confirmed on this processor; the slices have the lengths the kernel derives.
        Level::Avx512 => unsafe { avx512::multiply(weights, matrix.columns, inputs, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { avx2::multiply(weights, matrix.columns, inputs, out) },
        _ => {
            let blocks =
                weights.chunks_exact(BLOCK * matrix.columns).zip(out.chunks_exact_mut(tokens * BLOCK));
            for (weights, out) in blocks {
                for (input, out) in inputs.chunks_exact(matrix.columns).zip(out.as_chunks_mut::<BLOCK>().0) {
                    *out = weighted_sum(weights, input);
                }
            }
        }
    }
}

/// `out[j] = Σ q[c] k[j][c]` for whole blocks of keys `[block][channel][16]`.
pub(crate) fn scores(level: Level, keys: &[f32], query: &[f32], out: &mut [f32]) {
    // A block of keys is a block of a matrix whose columns are the channels.
    let keys = &keys[..out.len() * query.len()];
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was confirmed on this processor; `keys` has a block for each of `out`.
        Level::Avx512 => unsafe { avx512::multiply(keys, query.len(), query, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { avx2::multiply(keys, query.len(), query, out) },
        _ => {
            let blocks = keys.chunks_exact(BLOCK * query.len()).zip(out.as_chunks_mut::<BLOCK>().0);
            blocks.for_each(|(keys, out)| *out = weighted_sum(keys, query));
        }
    }
}

/// `out[c] = Σ weights[j] v[j][c]`, values `[block of 16 channels]`, each `[position][16]`.
pub(crate) fn mix(level: Level, values: &[Vec<f32>], weights: &[f32], out: &mut [f32]) {
    for (values, out) in values.iter().zip(out.chunks_exact_mut(BLOCK)) {
        let values = &values[..BLOCK * weights.len()];
        match level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level was confirmed on this processor; `values` has 16 channels for each weight.
            Level::Avx512 => unsafe { avx512::multiply(values, weights.len(), weights, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2 => unsafe { avx2::multiply(values, weights.len(), weights, out) },
            _ => out.copy_from_slice(&weighted_sum(values, weights)),
        }
    }
}

/// `Σ_k input[k] columns[k][..]`.
fn weighted_sum(columns: &[f32], input: &[f32]) -> [f32; BLOCK] {
    let mut sums = [0.0; BLOCK];
    for (weights, &x) in columns.as_chunks::<BLOCK>().0.iter().zip(input) {
        for (sum, &w) in sums.iter_mut().zip(weights) {
            *sum += w * x;
        }
    }
    sums
}

/// The same kernel for two widths of register.
#[cfg(target_arch = "x86_64")]
macro_rules! vector_kernels {
    ($name:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $set:ident, $fma:ident, $store:ident) => {
        mod $name {
            use std::arch::x86_64::*;

            use super::BLOCK;

            /// `weights` is `[block][column][16]`, `inputs` `[token][column]`, `out` `[block][token][16]`.
            ///
            /// # Safety
            /// The processor has the features; the lengths agree.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn multiply(weights: &[f32], columns: usize, inputs: &[f32], out: &mut [f32]) {
                let tokens = inputs.len() / columns;
                // Registers of 16 rows are counted, two to a block where they hold eight.
                let vectors = weights.len() / columns / $lanes;
                let (weights, inputs, out) = (weights.as_ptr(), inputs.as_ptr(), out.as_mut_ptr());
                let mut vector = 0;
                // SAFETY: vectors and tokens stay within the counts above.
                unsafe {
                    while vector < vectors {
                        let left = vectors - vector;
                        let mut token = 0;
                        let count = if left >= 8 && tokens == 1 {
                            8
                        } else if left >= 4 {
                            4
                        } else {
                            1
                        };
                        while token < tokens {
                            let many = tokens - token >= 3;
                            match (count, many) {
                                (8, _) => tile::<8, 1>(weights, columns, inputs, out, tokens, vector, token),
                                (4, true) => {
                                    tile::<4, 3>(weights, columns, inputs, out, tokens, vector, token)
                                }
                                (4, false) => {
                                    tile::<4, 1>(weights, columns, inputs, out, tokens, vector, token)
                                }
                                (_, true) => {
                                    tile::<1, 3>(weights, columns, inputs, out, tokens, vector, token)
                                }
                                _ => tile::<1, 1>(weights, columns, inputs, out, tokens, vector, token),
                            }
                            token += if many && count < 8 { 3 } else { 1 };
                        }
                        vector += count;
                    }
                }
            }

            /// `RB` registers of rows times `NT` tokens; a lone pair takes several sums to hide the latency.
            #[target_feature(enable = $features)]
            #[inline]
            unsafe fn tile<const RB: usize, const NT: usize>(
                weights: *const f32,
                columns: usize,
                inputs: *const f32,
                out: *mut f32,
                tokens: usize,
                vector: usize,
                token: usize,
            ) {
                let offset = |row: usize| {
                    let lane = (vector + row) * $lanes;
                    (lane / BLOCK, lane % BLOCK)
                };
                // SAFETY: the caller keeps rows and tokens in range.
                unsafe {
                    let start = |row: usize| {
                        let (block, lane) = offset(row);
                        weights.add(block * columns * BLOCK + lane)
                    };
                    let mut sums = [[$zero(); NT]; RB];
                    let inputs = inputs.add(token * columns);
                    if RB * NT == 1 {
                        let mut parts = [$zero(); 4];
                        for column in 0..columns {
                            let w = $load(start(0).add(column * BLOCK));
                            parts[column % 4] = $fma(w, $set(*inputs.add(column)), parts[column % 4]);
                        }
                        let one = $set(1.0);
                        sums[0][0] = $fma($fma(parts[0], one, parts[1]), one, $fma(parts[2], one, parts[3]));
                    } else {
                        for column in 0..columns {
                            for row in 0..RB {
                                let w = $load(start(row).add(column * BLOCK));
                                for t in 0..NT {
                                    let x = $set(*inputs.add(t * columns + column));
                                    sums[row][t] = $fma(w, x, sums[row][t]);
                                }
                            }
                        }
                    }
                    for (row, sums) in sums.iter().enumerate() {
                        let (block, lane) = offset(row);
                        for (t, &sum) in sums.iter().enumerate() {
                            $store(out.add((block * tokens + token + t) * BLOCK + lane), sum);
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_kernels!(
    avx512,
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    _mm512_storeu_ps
);
#[cfg(target_arch = "x86_64")]
vector_kernels!(
    avx2,
    "avx2,fma",
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_storeu_ps
);
