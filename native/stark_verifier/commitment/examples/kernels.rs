//! Rates of the kernels that a proof is made of, beside the machine's own: what a roofline needs.
//!
//! ```text
//! RAYON_NUM_THREADS=N kernels
//! ```
//!
//! Each kernel runs once on data that stays in the first caches, which is its arithmetic bound, and once on data as
//! large as a proof's.

use std::hint::black_box;
use std::time::Instant;

use esper_commitment::{EF, F, PrimeCharacteristicRing};
use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_field::{ExtensionField, Field};
use p3_matrix::dense::RowMajorMatrix;

/// Columns of a codeword.
const WIDTH: usize = 16;
/// Bytes of a block of BLAKE3, and of sixteen elements: a leaf of two.
const LEAF: usize = 8 * WIDTH;

type PackedF = <F as Field>::Packing;
type PackedEF = <EF as ExtensionField<F>>::ExtensionPacking;

/// Seconds of one run: the least of some.
fn seconds(runs: usize, mut work: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..runs).map(|_| time(&mut work)).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds of one butterfly of a transform of `2^log_len` rows, `repeats` times over.
fn butterfly(log_len: usize, repeats: usize) -> f64 {
    let dft = Radix2DFTSmallBatch::<F>::new(1 << log_len);
    let mut values: Vec<F> = (0..WIDTH << log_len).map(F::from_usize).collect();
    let spent = seconds(5, || {
        for _ in 0..repeats {
            let matrix = RowMajorMatrix::new(std::mem::take(&mut values), WIDTH);
            values = black_box(dft.dft_batch(matrix).values);
        }
    });
    spent * 1e9 / (repeats * log_len * (WIDTH << log_len) / 2) as f64
}

/// Nanoseconds of one product in the cubic extension, `len` of them in a row, `repeats` times over.
fn product(len: usize, repeats: usize) -> f64 {
    let factor: Vec<PackedEF> = (0..len).map(|i| PackedEF::from(PackedF::from_usize(i + 3))).collect();
    let mut values = factor.clone();
    let spent = seconds(5, || {
        for _ in 0..repeats {
            values.iter_mut().zip(&factor).for_each(|(value, &factor)| *value *= factor);
            black_box(&mut values);
        }
    });
    let lanes = size_of::<PackedF>() / size_of::<F>();
    spent * 1e9 / (repeats * len * lanes) as f64
}

/// Gigabytes a second hashed as leaves, one after the other.
fn hashing(leaves: usize, repeats: usize) -> f64 {
    let data = vec![7u8; leaves * LEAF];
    let spent = seconds(5, || {
        for _ in 0..repeats {
            for leaf in data.chunks_exact(LEAF) {
                black_box(blake3::hash(leaf));
            }
        }
    });
    (repeats * data.len()) as f64 / spent / 1e9
}

/// Gigabytes a second of one long message, as fast as the hash goes.
fn long_message(bytes: usize) -> f64 {
    let data = vec![7u8; bytes];
    let spent = seconds(5, || {
        black_box(blake3::hash(&data));
    });
    bytes as f64 / spent / 1e9
}

/// Gigabytes a second copied, and cleared for the first time.
fn memory(bytes: usize) -> (f64, f64) {
    let source = vec![1u8; bytes];
    let mut target = vec![0u8; bytes];
    let copied = seconds(5, || {
        target.copy_from_slice(&source);
        black_box(&mut target);
    });
    let touched = seconds(3, || {
        let mut fresh = vec![0u8; bytes];
        fresh.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        black_box(&mut fresh);
    });
    (2.0 * bytes as f64 / copied / 1e9, bytes as f64 / touched / 1e9)
}

fn main() {
    println!("butterfly, ns: {:.2} in 2^7 rows, {:.2} in 2^20", butterfly(7, 2000), butterfly(20, 1));
    println!("extension product, ns: {:.2} of 2^8, {:.2} of 2^21", product(64, 100_000), product(1 << 19, 2));
    println!("leaves hashed one by one, GB/s: {:.2}", hashing(1 << 16, 1));
    println!("one long message, GB/s: {:.2}", long_message(1 << 27));
    let (copied, touched) = memory(1 << 30);
    println!("memory, GB/s: {copied:.1} read and written by a copy, {touched:.1} touched for the first time");
}
