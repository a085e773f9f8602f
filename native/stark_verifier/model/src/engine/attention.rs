//! Exact attention of one query head over the keys of its own sequence.

use super::Level;
use super::cache::{CHANNEL_BLOCK, HeadCache, KEY_BLOCK, padded_channels};
use super::level::per_level;

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct AttentionScratch {
    /// Scores of all keys, whole blocks.
    pub scores: Vec<i64>,
    /// Exponentials, padded with zeros to a whole pair.
    pub exps: Vec<i16>,
    /// Numerators, padded channels.
    pub sums: Vec<i64>,
    /// The query as pairs of channels.
    pub query: Vec<i32>,
}

/// `out[c] = floor((2 N[c] + Z) / (2 Z))` over the first `len` keys: one exact division for each channel.
pub(crate) fn attend(
    level: Level,
    cache: &HeadCache,
    query: &[i16],
    len: usize,
    score_shift: u32,
    exp: &[i32],
    scratch: &mut AttentionScratch,
    out: &mut [i32],
) {
    let AttentionScratch { scores: all_scores, exps, sums, query: pairs } = scratch;
    pairs.clear();
    pairs.extend(query.as_chunks::<2>().0.iter().map(|&[a, b]| i32::from(b) << 16 | i32::from(a as u16)));
    all_scores.resize(len.next_multiple_of(KEY_BLOCK), 0);
    scores(level, &cache.keys, pairs, all_scores);
    exps.resize(len.next_multiple_of(2), 0);
    let total = exponentials(level, &all_scores[..len], score_shift, exp, &mut exps[..len]);
    exps[len..].fill(0);
    sums.resize(padded_channels(query.len()), 0);
    mix(level, &cache.values, exps, sums);
    for (out, &sum) in out.iter_mut().zip(sums.iter()) {
        *out = (2 * sum + total).div_euclid(2 * total) as i32;
    }
}

/// `u[j] = Σ q k[j]` for whole blocks of keys; positions beyond the newest hold zeros or later keys.
fn scores(level: Level, keys: &[i16], pairs: &[i32], out: &mut [i64]) {
    let block = pairs.len() * 2 * KEY_BLOCK;
    assert!(keys.len() >= out.len() / KEY_BLOCK * block, "scores of keys that are not there");
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was confirmed on this processor; the assertion bounds every access.
        Level::Avx512 => unsafe { super::attention_simd::scores_avx512(keys, pairs, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { super::attention_simd::scores_avx2(keys, pairs, out) },
        _ => {
            for (keys, out) in keys.chunks_exact(block).zip(out.chunks_exact_mut(KEY_BLOCK)) {
                out.fill(0);
                for (keys, &pair) in keys.chunks_exact(2 * KEY_BLOCK).zip(pairs) {
                    let (a, b) = (i64::from(pair as i16), i64::from(pair >> 16));
                    for (out, key) in out.iter_mut().zip(keys.as_chunks::<2>().0) {
                        *out += a * i64::from(key[0]) + b * i64::from(key[1]);
                    }
                }
            }
        }
    }
}

per_level! {
    /// `E[j] = exp[min(RS(M - u[j], shift), 4095)]`; returns their sum Z.
    fn exponentials(scores: &[i64], shift: u32, exp: &[i32], out: &mut [i16]) -> i64 {
        let exp: &[i32; 4096] = exp.try_into().expect("the table of exponentials has 4096 entries");
        let top = scores.iter().copied().fold(i64::MIN, i64::max);
        let half = 1_i64 << (shift - 1);
        let mut total = 0_i64;
        for (out, &score) in out.iter_mut().zip(scores) {
            let distance = ((top - score + half) >> shift).min(4095) as usize & 4095;
            let value = exp[distance];
            total += i64::from(value);
            *out = value as i16;
        }
        total
    }
}

/// `N[c] = Σ E[j] v[j][c]`.
fn mix(level: Level, values: &[i16], exps: &[i16], out: &mut [i64]) {
    let row = 2 * out.len();
    assert!(values.len() >= exps.len() / 2 * row, "sum over values that are not there");
    debug_assert!(out.len().is_multiple_of(CHANNEL_BLOCK));
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was confirmed on this processor; the assertion bounds every access.
        Level::Avx512 => unsafe { super::attention_simd::mix_avx512(values, exps, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { super::attention_simd::mix_avx2(values, exps, out) },
        _ => {
            out.fill(0);
            for (values, &[a, b]) in values.chunks_exact(row).zip(exps.as_chunks::<2>().0) {
                for (out, value) in out.iter_mut().zip(values.as_chunks::<2>().0) {
                    *out += i64::from(a) * i64::from(value[0]) + i64::from(b) * i64::from(value[1]);
                }
            }
        }
    }
}
