//! Products of the model's matrices with activations, columns of rows: `[k][row]`.

use esper_commitment::{EF, F, PrimeCharacteristicRing, PrimeField64};
use esper_model::Linear;
use rayon::prelude::*;

/// `out[o][row] = mult[o] * sum_k w[o][k] h[k][row]`, exact in i64 by the model's bounds, which hold for inputs of the
/// width that the layer has.
pub fn integer_product(linear: &Linear, h: &[i32], rows: usize) -> Vec<i64> {
    let mut out = vec![0i64; linear.out * rows];
    let greatest = h.par_iter().map(|x| i64::from(x.unsigned_abs())).max().unwrap_or(0);
    out.par_chunks_mut(rows).zip(linear.weight.par_chunks(linear.inp)).zip(&linear.mult).for_each(
        |((out, w), &m)| {
            let l1: i64 = w.iter().map(|&x| i64::from(x).abs()).sum();
            if l1 * greatest < 1 << 31 {
                // Inputs so small and this L1 norm keep every partial sum in 32 bits.
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

/// The same product for cells that need not be an honest prover's: those of 16 bits are multiplied as integers.
pub fn cell_product(linear: &Linear, h: &[F], rows: usize) -> Vec<F> {
    let narrow: Option<Vec<i32>> = h.iter().map(|&x| narrow(x)).collect();
    match narrow {
        Some(h) => integer_product(linear, &h, rows).into_par_iter().map(F::from_i64).collect(),
        None => field_product(linear, h, rows),
    }
}

/// The integer that a cell stands for, if its magnitude is below 2^15 as that of every activation.
fn narrow(x: F) -> Option<i32> {
    let shifted = (x + F::from_u32(1 << 15)).as_canonical_u64();
    (1..1 << 16).contains(&shifted).then(|| shifted as i32 - (1 << 15))
}

/// The same product over the field.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_the_field_have_one_product() {
        // The second output passes 32 bits on its way; the greatest activations are within the integers' reach, the
        // next ones are not.
        let weight: Vec<i8> = (0..600).map(|i| if i < 300 { (i % 7) as i8 - 3 } else { -127 }).collect();
        let linear = Linear { out: 2, inp: 300, weight, mult: vec![3, 70_000], shift: 0 };
        let rows = 4;
        for edge in [32_767, 32_768] {
            let h: Vec<F> =
                (0..300 * rows).map(|i| F::from_i64(if i % 3 == 0 { -edge } else { edge })).collect();
            assert_eq!(narrow(h[0]).is_some(), edge < 1 << 15);
            assert_eq!(narrow(h[1]).is_some(), edge < 1 << 15);
            assert_eq!(cell_product(&linear, &h, rows), field_product(&linear, &h, rows));
        }
    }
}
