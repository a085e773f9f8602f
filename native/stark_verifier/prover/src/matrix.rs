//! Products of the model's matrices with activations, columns of rows: `[k][row]`.

use esper_commitment::{EF, F, PrimeCharacteristicRing};
use esper_model::Linear;
use rayon::prelude::*;

/// `out[o][row] = mult[o] * sum_k w[o][k] h[k][row]`, exact in i64 by the model's bounds.
pub fn integer_product(linear: &Linear, h: &[i32], rows: usize) -> Vec<i64> {
    let mut out = vec![0i64; linear.out * rows];
    out.par_chunks_mut(rows).zip(linear.weight.par_chunks(linear.inp)).zip(&linear.mult).for_each(
        |((out, w), &m)| {
            let l1: i64 = w.iter().map(|&x| i64::from(x).abs()).sum();
            if l1 * (1 << 15) < 1 << 31 {
                // int16 inputs and this L1 norm keep every partial sum in 32 bits.
                let mut acc = vec![0i32; rows];
                for (&w, h) in w.iter().zip(h.chunks(rows)) {
                    acc.iter_mut().zip(h).for_each(|(a, &x)| *a += i32::from(w) * x);
                }
                out.iter_mut().zip(acc).for_each(|(o, a)| *o = i64::from(a) * i64::from(m));
            } else {
                for (&w, h) in w.iter().zip(h.chunks(rows)) {
                    out.iter_mut().zip(h).for_each(|(a, &x)| *a += i64::from(w) * i64::from(x));
                }
                out.iter_mut().for_each(|o| *o *= i64::from(m));
            }
        },
    );
    out
}

/// The same product over the field, for cells that need not be an honest prover's.
pub fn field_product(linear: &Linear, h: &[F], rows: usize) -> Vec<F> {
    let mut out = F::zero_vec(linear.out * rows);
    out.par_chunks_mut(rows).zip(linear.weight.par_chunks(linear.inp)).zip(&linear.mult).for_each(
        |((out, w), &m)| {
            for (&w, h) in w.iter().zip(h.chunks(rows)) {
                let w = F::from_i64(i64::from(w) * i64::from(m));
                out.iter_mut().zip(h).for_each(|(a, &x)| *a += w * x);
            }
        },
    );
    out
}

/// `out[k] = sum_o e[o] mult[o] w[o][k]`.
pub fn fold_outputs(linear: &Linear, e: &[EF]) -> Vec<EF> {
    let inp = linear.inp;
    let rows: Vec<usize> = (0..linear.out).collect();
    rows.par_chunks(linear.out.div_ceil(4 * rayon::current_num_threads()).max(16))
        .map(|part| {
            let mut out = vec![EF::ZERO; inp];
            for &o in part {
                let e = e[o] * F::from_i64(i64::from(linear.mult[o]));
                let row = &linear.weight[o * inp..][..inp];
                out.iter_mut().zip(row).for_each(|(out, &w)| *out += e * F::from_i64(i64::from(w)));
            }
            out
        })
        .reduce(|| vec![EF::ZERO; inp], |a, b| a.iter().zip(&b).map(|(&x, &y)| x + y).collect())
}

/// `out[c] = sum_row e[row] cells[c][row]`.
pub fn fold_rows(cells: &[F], e: &[EF]) -> Vec<EF> {
    cells.par_chunks(e.len()).map(|col| e.iter().zip(col).map(|(&e, &x)| e * x).sum()).collect()
}
