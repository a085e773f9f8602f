//! The sums themselves.

use super::halves::{HALVES, halves, join};
use super::{Eight, TERMS};
use esper_commitment::{EF, F, PrimeCharacteristicRing};
use rayon::prelude::*;

/// Cells a task.
const TASK: usize = 1 << 14;

/// Weights in a row, as halves, eight side by side.
pub struct Halves<'w> {
    weights: &'w [EF],
    /// Of whole eights of weights.
    parts: [Vec<[i64; 8]>; HALVES],
}

impl<'w> Halves<'w> {
    /// Splits all weights.
    pub fn new(weights: &'w [EF]) -> Self {
        let mut parts: [Vec<[i64; 8]>; HALVES] =
            std::array::from_fn(|_| Vec::with_capacity(weights.len() / 8));
        for eight in weights.as_chunks::<8>().0 {
            let split = eight.map(halves);
            for (h, part) in parts.iter_mut().enumerate() {
                part.push(split.map(|s| s[h]));
            }
        }
        Self { weights, parts }
    }

    /// `sum_i weight[i] cells[i]`; as many cells as weights.
    pub fn sum<E: Eight>(&self, cells: &[F]) -> EF {
        assert_eq!(cells.len(), self.weights.len(), "a weight for each cell");
        let mut integers = [E::zero(); TERMS / 8];
        let mut sum = EF::ZERO;
        for (i, (cells, weights)) in cells.chunks(TERMS).zip(self.weights.chunks(TERMS)).enumerate() {
            let (eights, rest) = cells.as_chunks::<8>();
            match integers_of(eights, &mut integers) {
                Cells::Zero => {}
                Cells::Small => sum += self.sum_of(i * TERMS / 8, &integers[..eights.len()]),
                Cells::Large => sum += products(&weights[..8 * eights.len()], eights.as_flattened()),
            }
            sum += products(&weights[8 * eights.len()..], rest);
        }
        sum
    }

    /// The same of small integers beside the weights from eight `first` on; at most TERMS of them.
    #[inline]
    fn sum_of<E: Eight>(&self, first: usize, integers: &[E]) -> EF {
        debug_assert!(8 * integers.len() <= TERMS);
        let mut sums = [E::zero(); HALVES];
        for (i, &x) in integers.iter().enumerate() {
            for (sum, part) in sums.iter_mut().zip(&self.parts) {
                *sum = sum.plus_product(x, E::load(&part[first + i]));
            }
        }
        join(sums.map(|s| s.store().iter().sum()))
    }
}

enum Cells {
    Zero,
    Small,
    Large,
}

/// Cells as integers, and what they are; large ones are left out.
#[inline]
fn integers_of<E: Eight>(cells: &[[F; 8]], out: &mut [E]) -> Cells {
    let mut zero = true;
    for (cells, out) in cells.iter().zip(out) {
        let (integers, small) = E::of_cells(cells);
        if !small {
            return Cells::Large;
        }
        zero &= integers.is_zero();
        *out = integers;
    }
    if zero { Cells::Zero } else { Cells::Small }
}

/// The general path.
fn products(weights: &[EF], cells: &[F]) -> EF {
    weights.iter().zip(cells).map(|(&w, &x)| w * x).sum()
}

/// `out[k][block] = sum_row patterns[k][row] cells[block][row]` for blocks of 2^bits cells, bits >= 3.
pub fn fold_rows<E: Eight>(cells: &[F], bits: usize, patterns: &[&[EF]]) -> Vec<Vec<EF>> {
    let width = 1usize << bits;
    assert!(bits >= 3 && cells.len().is_multiple_of(width), "whole blocks of at least eight cells");
    let tables: Vec<Halves<'_>> = patterns.iter().map(|p| Halves::new(p)).collect();
    let task = (TASK >> bits).max(1);
    let parts: Vec<Vec<EF>> = cells
        .par_chunks(task << bits)
        .map(|cells| {
            let count = cells.len() >> bits;
            let mut out = vec![EF::ZERO; count * tables.len()];
            let mut integers = vec![E::zero(); width / 8];
            for (b, block) in cells.chunks(width).enumerate() {
                match integers_of(block.as_chunks::<8>().0, &mut integers) {
                    Cells::Zero => {}
                    Cells::Small => {
                        for (k, table) in tables.iter().enumerate() {
                            let parts = integers.chunks(TERMS / 8).enumerate();
                            out[k * count + b] = parts.map(|(i, x)| table.sum_of(i * TERMS / 8, x)).sum();
                        }
                    }
                    Cells::Large => {
                        for (k, table) in tables.iter().enumerate() {
                            out[k * count + b] = products(table.weights, block);
                        }
                    }
                }
            }
            out
        })
        .collect();
    let mut out: Vec<Vec<EF>> = patterns.iter().map(|_| Vec::with_capacity(cells.len() >> bits)).collect();
    for part in parts {
        let count = part.len() / tables.len().max(1);
        out.iter_mut().zip(part.chunks(count.max(1))).for_each(|(o, p)| o.extend_from_slice(p));
    }
    out
}

/// `out[row] = sum_block weights[block] cells[block][row]` for blocks of 2^bits cells, bits >= 3.
pub fn fold_blocks<E: Eight>(cells: &[F], bits: usize, weights: &[EF]) -> Vec<EF> {
    let width = 1usize << bits;
    assert!(bits >= 3 && cells.len() == weights.len() << bits, "a weight for each block of at least eight");
    cells
        .par_chunks(TERMS << bits)
        .zip(weights.par_chunks(TERMS))
        .with_min_len(4)
        .fold(
            || vec![EF::ZERO; width],
            |mut out, (cells, weights)| {
                let (cells, split) = (cells.as_chunks::<8>().0, weights.iter().map(|&w| halves(w)));
                let split: Vec<[i64; HALVES]> = split.collect();
                for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                    let column = cells.iter().skip(i).step_by(width / 8);
                    add_scaled::<E>(column, weights, &split, out);
                }
                out
            },
        )
        .reduce(|| vec![EF::ZERO; width], |a, b| a.iter().zip(&b).map(|(&x, &y)| x + y).collect())
}

/// `out[i] = sum_u weights[u] cells[u len + i]` with len cells for each weight, a multiple of eight; at most TERMS
/// weights.
pub fn fold_top<E: Eight>(cells: &[F], weights: &[EF]) -> Vec<EF> {
    let len = cells.len() / weights.len();
    assert!(weights.len() <= TERMS && len.is_multiple_of(8), "few weights of whole eights of cells");
    let split: Vec<[i64; HALVES]> = weights.iter().map(|&w| halves(w)).collect();
    let cells = cells.as_chunks::<8>().0;
    let mut out = vec![EF::ZERO; len];
    out.par_chunks_mut(8).with_min_len(64).enumerate().for_each(|(i, out)| {
        if let Some(out) = out.as_mut_array() {
            add_scaled::<E>(cells.iter().skip(i).step_by(len / 8), weights, &split, out);
        }
    });
    out
}

/// `out[j] += sum_u weights[u] cells[u][j]`; at most TERMS weights, `split` their halves.
#[inline]
fn add_scaled<'c, E: Eight>(
    cells: impl Iterator<Item = &'c [F; 8]>,
    weights: &[EF],
    split: &[[i64; HALVES]],
    out: &mut [EF; 8],
) {
    debug_assert!(weights.len() <= TERMS);
    let mut sums = [E::zero(); HALVES];
    for ((cells, &weight), halves) in cells.zip(weights).zip(split) {
        let (x, small) = E::of_cells(cells);
        if small {
            for (sum, &h) in sums.iter_mut().zip(halves) {
                *sum = sum.plus_product(x, E::splat(h));
            }
        } else {
            out.iter_mut().zip(cells).for_each(|(o, &x)| *o += weight * x);
        }
    }
    let sums = sums.map(E::store);
    for (j, out) in out.iter_mut().enumerate() {
        *out += join(sums.map(|s| s[j]));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Lanes, SMALL};
    use super::*;
    use esper_commitment::{BasedVectorSpace, PrimeField64, Transcript};

    const P: u64 = F::ORDER_U64;

    /// Cells at the borders of what is small and of what is negative, canonical or not.
    fn extreme_cells() -> Vec<F> {
        let small = SMALL as u64;
        let edges = [0, 1, small - 1, P - small, P - small + 1, P - 1];
        // Not canonical: p itself and numbers above it; then what is not small.
        let raw = [P, P + 1, P + small - 1, P + small, u64::MAX];
        let large = [small, small + 1, P - small - 1, P / 2, P / 2 + 1, 1 << 63, (1 << 63) - 1, 1 << 32];
        edges.into_iter().chain(raw).chain(large).map(F::new).collect()
    }

    /// Weights with every half at its extremes.
    fn extreme_weights() -> Vec<EF> {
        let values =
            [0, 1, P - 1, P / 2, P / 2 + 1, P / 2 - 1, 1 << 31, (1 << 31) - 1, P - (1 << 31), 1 << 63];
        let weight = |i: usize| EF::from_basis_coefficients_fn(|c| F::new(values[(i + c) % values.len()]));
        (0..values.len()).map(weight).collect()
    }

    /// Cells and weights of a seed: all small, some large, all extreme.
    fn samples(len: usize, count: usize, seed: u64) -> Vec<(Vec<F>, Vec<EF>)> {
        let mut t = Transcript::new("test");
        t.absorb_u64(seed);
        let mut number = || {
            let x = t.challenge();
            let coefficients: &[F] = x.as_basis_coefficients_slice();
            coefficients[0].as_canonical_u64()
        };
        let small: Vec<F> = (0..len).map(|_| F::from_i64((number() % (1 << 25)) as i64 - SMALL)).collect();
        let mixed = small.iter().map(|&c| if number() % 97 == 0 { F::new(number()) } else { c }).collect();
        let (cells, weights) = (extreme_cells(), extreme_weights());
        let extreme = (0..len).map(|_| cells[number() as usize % cells.len()]).collect();
        let few = (0..len).map(|_| cells[number() as usize % 6]).collect();
        let picked: Vec<EF> = (0..count).map(|_| weights[number() as usize % weights.len()]).collect();
        let random = t.challenges(count);
        vec![
            (small.clone(), random.clone()),
            (small, picked.clone()),
            (mixed, random),
            (extreme, picked.clone()),
            (few, picked),
            (vec![F::ZERO; len], weights.iter().copied().cycle().take(count).collect()),
        ]
    }

    #[test]
    fn sums_of_both_forms_are_those_of_the_field() {
        for len in [1, 7, 8, 63, 64, 65, 200, 1024] {
            for (cells, weights) in samples(len, len, len as u64) {
                let want = products(&weights, &cells);
                let halves = Halves::new(&weights);
                assert_eq!(halves.sum::<[i64; 8]>(&cells), want, "portable, {len}");
                assert_eq!(halves.sum::<Lanes>(&cells), want, "vectors, {len}");
            }
        }
    }

    #[test]
    fn folds_of_both_forms_are_those_of_the_field() {
        for bits in [3, 4, 6, 8] {
            let (width, blocks) = (1usize << bits, 160);
            for (cells, weights) in samples(blocks << bits, blocks, bits as u64) {
                let rows: Vec<EF> =
                    (0..width).map(|r| weights.iter().skip(r).step_by(width).copied().sum()).collect();
                let patterns = [&weights.iter().copied().cycle().take(width).collect::<Vec<EF>>(), &rows];
                let patterns = patterns.map(Vec::as_slice);
                let want: Vec<Vec<EF>> =
                    patterns.map(|p| cells.chunks(width).map(|c| products(p, c)).collect()).to_vec();
                assert_eq!(fold_rows::<[i64; 8]>(&cells, bits, &patterns), want, "portable, 2^{bits}");
                assert_eq!(fold_rows::<Lanes>(&cells, bits, &patterns), want, "vectors, 2^{bits}");
                let want: Vec<EF> = (0..width)
                    .map(|r| weights.iter().zip(cells.chunks(width)).map(|(&w, c)| w * c[r]).sum())
                    .collect();
                assert_eq!(fold_blocks::<[i64; 8]>(&cells, bits, &weights), want, "portable, 2^{bits}");
                assert_eq!(fold_blocks::<Lanes>(&cells, bits, &weights), want, "vectors, 2^{bits}");
                let (cells, top) = (&cells[..TERMS << bits], &weights[..TERMS]);
                let want: Vec<EF> = (0..width)
                    .map(|i| top.iter().zip(cells.chunks(width)).map(|(&w, c)| w * c[i]).sum())
                    .collect();
                assert_eq!(fold_top::<[i64; 8]>(cells, top), want, "portable, 2^{bits}");
                assert_eq!(fold_top::<Lanes>(cells, top), want, "vectors, 2^{bits}");
            }
        }
    }

    #[test]
    fn the_largest_sum_keeps_its_sign() {
        // 64 times -2^24 times the half -2^31 of p / 2: the bound itself, 2^61.
        let cells = vec![F::from_i64(-SMALL); TERMS];
        let weights = vec![EF::from(F::new(P / 2)); TERMS];
        let want = products(&weights, &cells);
        assert_eq!(Halves::new(&weights).sum::<[i64; 8]>(&cells), want);
        assert_eq!(Halves::new(&weights).sum::<Lanes>(&cells), want);
    }
}
