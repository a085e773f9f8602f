//! Tensors that are not committed, recomputed from the cells. Whatever the cells hold, honest or not,
//! is what the proof then speaks of.

use crate::key::ModelKey;
use crate::matrix::{cell_product, fold_outputs};
use crate::witness::Witness;
use esper_commitment::{EF, F, PrimeCharacteristicRing};
use esper_verifier::layout::{Site, TensorId};
use esper_verifier::mle::eq_index;
use rayon::prelude::*;

/// Value of a linear form of tensors, cell by cell.
pub fn form(w: &Witness, form: &(Vec<(TensorId, i64)>, i64)) -> Vec<F> {
    if let ([(id, 1)], 0) = (form.0.as_slice(), form.1) {
        return w.tensor(*id).to_vec();
    }
    let cells = w.layout.tensors[form.0[0].0].cells();
    let mut out = vec![F::from_i64(form.1); cells];
    for &(id, k) in &form.0 {
        let k = F::from_i64(k);
        out.par_iter_mut().zip(w.tensor(id)).for_each(|(o, &x)| *o += k * x);
    }
    out
}

/// Output y of a rounding site.
pub fn output(w: &Witness, site: &Site) -> Vec<F> {
    form(w, &site.output())
}

/// The residual before each norm: site 2l before attention of layer l, 2l + 1 before its MLP, then the one behind the last
/// layer.
pub fn residuals(key: &ModelKey, w: &Witness, tokens: &[u32]) -> Vec<Vec<F>> {
    let (dim, rows) = (key.descriptor.dim, w.instance.rows());
    let mut x = F::zero_vec(dim * rows);
    let mut put = |r: usize, row: &[i32]| {
        row.iter().enumerate().for_each(|(i, &v)| x[i * rows + r] = F::from_i64(i64::from(v)));
    };
    match &w.ends.taken {
        Some(taken) => taken.rows().enumerate().for_each(|(r, row)| put(r, row)),
        None => {
            tokens.iter().enumerate().for_each(|(r, &t)| put(r, &key.model.embed[t as usize * dim..][..dim]))
        }
    }
    let mut out = vec![x];
    for site in w.layout.layers.iter().flat_map(|l| [&l.update_o, &l.update_down]) {
        let mut next = out[out.len() - 1].clone();
        next.par_iter_mut().zip(output(w, site)).for_each(|(x, u)| *x += u);
        out.push(next);
    }
    out
}

/// Up projection of the second normed input, unshifted.
pub fn up(key: &ModelKey, w: &Witness, layer: usize) -> Vec<F> {
    let h = output(w, &w.layout.layers[layer].norms[1].site);
    cell_product(&key.model.layers[layer].up, &h, w.instance.rows())
}

/// Scores u, columns (head, key), rows (sequence, position): `sum_c q k`, key position in the row's sequence.
pub fn scores(key: &ModelKey, w: &Witness, layer: usize) -> Vec<F> {
    let d = &key.descriptor;
    let (rows, positions, hd) = (w.instance.rows(), w.instance.positions, d.head_dim);
    let cells = &w.layout.layers[layer];
    let (q, k) = (output(w, &cells.q), output(w, &cells.k));
    let mut out = F::zero_vec(d.heads * positions * rows);
    out.par_chunks_mut(rows).enumerate().for_each(|(col, out)| {
        let (h, j) = (col / positions, col % positions);
        for c in 0..hd {
            let (q, k) = (&q[(h * hd + c) * rows..][..rows], &k[(h / d.group() * hd + c) * rows..][..rows]);
            for ((out, q), k) in out.chunks_mut(positions).zip(q.chunks(positions)).zip(k.chunks(positions)) {
                out.iter_mut().zip(q).for_each(|(o, &q)| *o += q * k[j]);
            }
        }
    });
    out
}

/// W = 2^(s-1) (D' + O) + r - 2^(s-1).
pub fn gaps(key: &ModelKey, w: &Witness, layer: usize) -> Vec<F> {
    let cells = &w.layout.layers[layer];
    let unit = 1i64 << (key.descriptor.layers[layer].score_shift - 1);
    let mut parts = vec![(cells.diff, unit)];
    parts.extend(cells.diff_rem.map(|r| (r, 1)));
    parts.extend(cells.overflow.iter().enumerate().map(|(i, &id)| (id, unit << (16 * i))));
    form(w, &(parts, -unit))
}

/// O.
pub fn overflow(w: &Witness, layer: usize) -> Vec<F> {
    let limbs = w.layout.layers[layer].overflow.iter().enumerate();
    form(w, &(limbs.map(|(i, &id)| (id, 1 << (16 * i))).collect(), 0))
}

/// Z = sum of exp values, columns (head).
pub fn exp_sums(w: &Witness, layer: usize) -> Vec<F> {
    let (rows, positions) = (w.instance.rows(), w.instance.positions);
    let exp = w.tensor(w.layout.layers[layer].exp);
    exp.par_chunks(rows * positions)
        .flat_map_iter(|head| {
            let mut z = F::zero_vec(rows);
            head.chunks(rows).for_each(|col| z.iter_mut().zip(col).for_each(|(z, &e)| *z += e));
            z
        })
        .collect()
}

/// N = sum_j E v, columns (head, channel).
pub fn weighted(key: &ModelKey, w: &Witness, layer: usize) -> Vec<F> {
    let d = &key.descriptor;
    let (rows, positions, hd) = (w.instance.rows(), w.instance.positions, d.head_dim);
    let cells = &w.layout.layers[layer];
    let (exp, v) = (w.tensor(cells.exp), output(w, &cells.v));
    let mut out = F::zero_vec(d.q_dim() * rows);
    out.par_chunks_mut(rows).enumerate().for_each(|(col, out)| {
        let (h, c) = (col / hd, col % hd);
        let v = &v[(h / d.group() * hd + c) * rows..][..rows];
        for j in 0..positions {
            let e = &exp[(h * positions + j) * rows..][..rows];
            for ((out, e), v) in out.chunks_mut(positions).zip(e.chunks(positions)).zip(v.chunks(positions)) {
                out.iter_mut().zip(e).for_each(|(o, &e)| *o += e * v[j]);
            }
        }
    });
    out
}

/// `sum_h weight[h] A[h, channel, row]` of a projection before rotation: outputs are (head, channel).
pub fn folded_heads(
    linear: &esper_model::Linear,
    heads: &[EF],
    head_dim: usize,
    h: &[F],
    rows: usize,
) -> Vec<EF> {
    (0..head_dim)
        .into_par_iter()
        .flat_map_iter(|c| {
            let folded: Vec<EF> = (0..linear.inp)
                .map(|k| {
                    heads
                        .iter()
                        .enumerate()
                        .map(|(i, &w)| {
                            let o = i * head_dim + c;
                            let eff =
                                i64::from(linear.weight[o * linear.inp + k]) * i64::from(linear.mult[o]);
                            w * F::from_i64(eff)
                        })
                        .sum()
                })
                .collect();
            let mut out = vec![EF::ZERO; rows];
            for (k, &f) in folded.iter().enumerate() {
                out.iter_mut().zip(&h[k * rows..][..rows]).for_each(|(o, &x)| *o += f * x);
            }
            out
        })
        .collect()
}

/// Folded weights of a matrix under column weights given by `weight(o)`.
pub fn folded_matrix(linear: &esper_model::Linear, weight: impl Fn(usize) -> EF) -> Vec<EF> {
    let e: Vec<EF> = (0..linear.out).map(weight).collect();
    fold_outputs(linear, &e)
}

/// eq(point, .) of the first `n` indices.
pub fn eq_prefix(point: &[EF], n: usize) -> Vec<EF> {
    let mut table = esper_verifier::mle::eq_table(point, EF::ONE);
    table.truncate(n);
    debug_assert!(n == 0 || table[0] == eq_index(point, 0));
    table
}
