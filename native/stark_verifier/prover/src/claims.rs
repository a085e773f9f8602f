//! Weights of a combined claim, written out over all cells.

use esper_commitment::{EF, PackedEF, PrimeCharacteristicRing};
use esper_verifier::functional::{ColWeight, Functional, Term};
use esper_verifier::mle::eq_table;
use rayon::prelude::*;

use crate::sumcheck::pack;

/// Cells a task; at least the rows of any tensor.
const TASK: usize = 1 << 14;

/// Weights of `f` over the cells 0..size, packed.
pub fn dense(f: &Functional, size: usize) -> Vec<PackedEF> {
    // Equal points share a table: the leaf point's is as long as the witness.
    let mut tables: Vec<Vec<EF>> = Vec::new();
    let mut owner: Vec<usize> = Vec::new();
    for (i, p) in f.points.iter().enumerate() {
        match f.points[..i].iter().position(|q| q == p) {
            Some(first) => owner.push(owner[first]),
            None => {
                tables.push(eq_table(p, EF::ONE));
                owner.push(tables.len() - 1);
            }
        }
    }
    let rows: Vec<Vec<EF>> = f.rows.iter().map(|r| r.table()).collect();
    let col = |t: &Term, c: usize| match t.col {
        ColWeight::Ones => EF::ONE,
        ColWeight::Eq(p, first) => tables[owner[p]][first + c],
    };
    let task = TASK.min(size);
    let mut parts: Vec<Vec<&Term>> = vec![Vec::new(); size.div_ceil(task)];
    for t in &f.terms {
        let end = t.offset + (t.cols << t.row.map_or(0, |r| f.rows[r].bits()));
        for part in &mut parts[t.offset / task..end.div_ceil(task)] {
            part.push(t);
        }
    }
    let mut out = vec![EF::ZERO; size];
    out.par_chunks_mut(task).zip(&parts).enumerate().for_each(|(i, (out, terms))| {
        let start = i * task;
        for t in terms {
            let row = t.row.map(|r| rows[r].as_slice());
            let width = row.map_or(1, <[EF]>::len);
            let first = start.saturating_sub(t.offset) / width;
            let last = t.cols.min((start + out.len() - t.offset.min(start + out.len())).div_ceil(width));
            for c in first..last {
                let at = t.offset + c * width;
                let weight = t.coef * col(t, c);
                match row {
                    None => out[at - start] += weight,
                    Some(row) => {
                        // A column starts inside its task or, if longer than what is left, never crosses: see TASK.
                        out[at - start..at - start + width]
                            .iter_mut()
                            .zip(row)
                            .for_each(|(o, &r)| *o += weight * r);
                    }
                }
            }
        }
    });
    pack(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use esper_commitment::{F, PackedFieldExtension, Transcript};
    use esper_verifier::functional::RowWeight;

    #[test]
    fn dense_weights_are_the_functional() {
        let mut t = Transcript::new("test");
        let mut f = Functional::default();
        let (p, q) = (f.point(&t.challenges(12)), f.point(&t.challenges(16)));
        let r = f.row(RowWeight::Eq(t.challenges(5)));
        let s = f.row(RowWeight::Dense(t.challenges(8)));
        f.push(t.challenge(), 32 * 11, 2000, ColWeight::Eq(p, 3), Some(r));
        f.push(t.challenge(), 16384 - 64, 3, ColWeight::Ones, Some(r));
        f.push(t.challenge(), 256 * 200, 8, ColWeight::Ones, Some(s));
        f.push(t.challenge(), 777, 40_000, ColWeight::Eq(q, 5000), None);
        f.push(t.challenge(), 65_535, 1, ColWeight::Ones, None);
        let mut want = vec![EF::ZERO; 1 << 16];
        f.add_dense(EF::ONE, &mut want);
        let got: Vec<EF> =
            <PackedEF as PackedFieldExtension<F, EF>>::to_ext_iter(dense(&f, 1 << 16)).collect();
        assert!(got == want);
    }
}
