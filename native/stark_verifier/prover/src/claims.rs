//! Sumchecks of the combined claims on a polynomial, and their weights written out over all cells.

use crate::cells::Polynomial;
use crate::packing::pack;
use crate::patterns::Patterns;
use crate::sumcheck::patterned::LEAST_BLOCKS;
use crate::sumcheck::{prove_inner, prove_patterns};
use esper_commitment::{EF, PackedEF, PrimeCharacteristicRing, Transcript};
use esper_verifier::functional::{ColWeight, Functional, Term};
use esper_verifier::mle::eq_table;
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::sumcheck::SumcheckProof;
use rayon::prelude::*;

/// Rows of a block at least, as a power of two: eight cells fill a vector.
pub const LEAST_ROWS: usize = 3;
/// Rows of a block of the model's cells at most: longer ones save little more.
const MOST_ROWS: usize = 6;
/// Patterns at most. Each costs a product with every cell; with so many, weights written out are no slower.
const MOST_PATTERNS: usize = 24;

/// Proves that `f` of the polynomial is `claim`, with blocks of 2^bits cells if `f` has such a form: the bytes are the
/// same either way. Returns the proof, the point, and the polynomial at it.
pub fn prove(
    polynomial: Polynomial<'_>,
    f: &Functional,
    bits: usize,
    claim: EF,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, EF) {
    let blocks = bits >= LEAST_ROWS && polynomial.num_vars >= bits + LEAST_BLOCKS;
    let size = 1 << polynomial.num_vars;
    let patterns = blocks.then(|| Patterns::new(f, size, bits, MOST_PATTERNS)).flatten();
    prove_with(polynomial, f, patterns, claim, t)
}

fn prove_with(
    polynomial: Polynomial<'_>,
    f: &Functional,
    patterns: Option<Patterns>,
    claim: EF,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, EF) {
    match patterns {
        Some(patterns) => prove_patterns(polynomial, &patterns, claim, t),
        None => prove_inner(&polynomial.padded(), dense(f, 1 << polynomial.num_vars), claim, t),
    }
}

/// Rows of a block of the model's cells, as a power of two: as many as nearly all pieces of its matrices are made of.
pub fn model_block_bits(layout: &ModelLayout) -> usize {
    let matrices = layout.layers.iter().flat_map(|l| &l.linear).chain(layout.head.iter().map(|h| &h.lm_head));
    let pieces: Vec<(usize, usize)> =
        matrices.flat_map(|m| m.pieces.iter().map(|p| (p.bits, m.outputs << p.bits))).collect();
    let below = |bits: usize| pieces.iter().filter(|p| p.0 < bits).map(|p| p.1).sum::<usize>();
    (LEAST_ROWS..=MOST_ROWS).rev().find(|&bits| below(bits) <= layout.cells / 64).unwrap_or(LEAST_ROWS)
}

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
    use crate::packing::unpack;
    use esper_commitment::{BasedVectorSpace, F, PrimeField64};
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
        assert!(unpack(dense(&f, 1 << 16)) == want);
    }

    /// Numbers of a seed.
    struct Numbers(Transcript);

    impl Numbers {
        fn below(&mut self, n: usize) -> usize {
            let x = self.0.challenge();
            let coefficients: &[F] = x.as_basis_coefficients_slice();
            (coefficients[0].as_canonical_u64() % n as u64) as usize
        }
    }

    /// A functional over `size` cells: rows of many lengths at a few points, columns aligned or not, single cells, long
    /// runs across blocks.
    fn functional(size: usize, n: &mut Numbers) -> Functional {
        let mut f = Functional::default();
        let points: Vec<usize> = [3, 6, 9, 12].map(|len| f.point(&n.0.challenges(len))).to_vec();
        // Of 2^0 to 2^8 rows, those longer than a block at a point; low coordinates are shared or not.
        let long = n.0.challenges(8);
        let mut rows: Vec<usize> =
            (0..=8).map(|bits| f.row(RowWeight::Eq(long[8 - bits..].to_vec()))).collect();
        rows.extend((0..=8).map(|bits| f.row(RowWeight::Eq(n.0.challenges(bits)))));
        rows.extend((0..=3).map(|bits| f.row(RowWeight::Dense(n.0.challenges(1 << bits)))));
        for _ in 0..5 + n.below(25) {
            let row = (n.below(4) > 0).then(|| rows[n.below(rows.len())]);
            let width = 1 << row.map_or(0, |r| f.rows[r].bits());
            let most = (size / width).min(1 << (3 + n.below(10)));
            let cols = 1 + n.below(most);
            let start = if n.below(2) == 0 { 0 } else { n.below(size / width - cols + 1) };
            let point = n.below(points.len());
            let room = 1usize << f.points[points[point]].len();
            let fits = cols <= room && n.below(4) > 0;
            let col = if fits {
                let any = n.below(room - cols + 1);
                ColWeight::Eq(points[point], if n.below(2) == 0 { 0 } else { any })
            } else {
                ColWeight::Ones
            };
            f.push(n.0.challenge(), start * width, cols, col, row);
        }
        f
    }

    #[test]
    fn patterns_and_dense_weights_prove_alike() {
        for seed in 0..40 {
            let mut n = Numbers(Transcript::new("test"));
            n.0.absorb_u64(seed);
            let bits = 3 + seed as usize % 4;
            let num_vars = bits + LEAST_BLOCKS + usize::from(seed % 3 == 0);
            let size = 1usize << num_vars;
            // All columns, or fewer of them: the cells behind weigh nothing.
            let columns = [32, 17, 24, 31][n.below(4)];
            let f = functional(size, &mut n);
            // Small cells, a few that are not, many zeros.
            let mut cell = || match n.below(300) {
                0 => F::from_u64(n.below(1 << 62) as u64),
                i if i < 150 => F::ZERO,
                _ => F::from_i64(n.below(1 << 17) as i64 - (1 << 16)),
            };
            let cells: Vec<F> = (0..columns * (size / 32)).map(|_| cell()).collect();
            let polynomial = Polynomial::new(&cells, num_vars);
            let weights = unpack(dense(&f, size));
            let claim: EF = weights.iter().zip(&cells).map(|(&w, &x)| w * x).sum();
            let prove = |most: Option<usize>| {
                let mut t = Transcript::new("rounds");
                let patterns = most.and_then(|most| Patterns::new(&f, size, bits, most));
                assert_eq!(patterns.is_some(), most.is_some(), "patterns of seed {seed}");
                (prove_with(polynomial, &f, patterns, claim, &mut t), t.challenge())
            };
            let [(slow, slow_next), (fast, fast_next)] = [prove(None), prove(Some(100))];
            assert!(slow == fast && slow_next == fast_next, "seed {seed}");
            let mut t = Transcript::new("rounds");
            let (end, value) = fast.0.verify(claim, 2, &mut t).unwrap();
            assert_eq!((end.clone(), value), (fast.1, f.at(&end) * fast.2), "seed {seed}");
        }
    }

    #[test]
    fn what_has_no_form_in_patterns_is_proven_all_the_same() {
        let mut t = Transcript::new("test");
        let cells: Vec<F> = (0..1u64 << 14).map(F::from_u64).collect();
        let mut f = Functional::default();
        // Rows of two blocks without a point, and more patterns than are worth it.
        let long = f.row(RowWeight::Dense(t.challenges(32)));
        f.push(t.challenge(), 64, 2, ColWeight::Ones, Some(long));
        assert!(Patterns::new(&f, 1 << 14, 4, MOST_PATTERNS).is_none());
        let mut g = Functional::default();
        for _ in 0..=MOST_PATTERNS {
            let row = g.row(RowWeight::Eq(t.challenges(4)));
            g.push(t.challenge(), 0, 9, ColWeight::Ones, Some(row));
        }
        assert!(Patterns::new(&g, 1 << 14, 4, MOST_PATTERNS).is_none());
        for f in [f, g] {
            let claim: EF = unpack(dense(&f, 1 << 14)).iter().zip(&cells).map(|(&w, &x)| w * x).sum();
            let polynomial = Polynomial::new(&cells, 14);
            let (proof, point, at) = prove(polynomial, &f, 4, claim, &mut Transcript::new("rounds"));
            let (end, value) = proof.verify(claim, 2, &mut Transcript::new("rounds")).unwrap();
            assert_eq!((end, value), (point.clone(), at * f.at(&point)));
        }
    }
}
