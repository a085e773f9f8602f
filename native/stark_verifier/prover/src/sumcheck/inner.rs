//! Sumchecks of degree 2: the inner product of cells with weights.

use super::GRAIN;
use crate::packing::{lane_sum, unpack};
use esper_commitment::{EF, F, PackedEF, PackedF, PackedValue, PrimeCharacteristicRing, Transcript};
use esper_verifier::sumcheck::{SumcheckProof, interpolate};
use rayon::prelude::*;

/// The rounds of an inner product so far.
pub(super) struct Rounds<'t> {
    transcript: &'t mut Transcript,
    claim: EF,
    rounds: Vec<Vec<EF>>,
    point: Vec<EF>,
}

impl<'t> Rounds<'t> {
    pub(super) fn new(claim: EF, transcript: &'t mut Transcript) -> Self {
        Self { transcript, claim, rounds: vec![], point: vec![] }
    }

    /// Sends the round polynomial with these values at 0 and at infinity; returns the challenge.
    pub(super) fn send(&mut self, [zero, square]: [EF; 2]) -> EF {
        // p(2) = p(0) + 2 c1 + 4 c2 with c1 = claim - 2 p(0) - c2
        let two = self.claim.double() - zero.double() - zero + square.double();
        self.transcript.absorb_slice(&[zero, two]);
        let r = self.transcript.challenge();
        self.claim = interpolate(self.claim, &[zero, two], r);
        self.rounds.push(vec![zero, two]);
        self.point.push(r);
        r
    }

    /// Challenges so far.
    pub(super) fn point(&self) -> &[EF] {
        &self.point
    }

    /// Runs the rounds that are left; returns the proof, the point, and the first vector at it.
    pub(super) fn finish(
        mut self,
        mut values: Vec<PackedEF>,
        mut weights: Vec<PackedEF>,
    ) -> (SumcheckProof, Vec<EF>, EF) {
        while values.len() > 1 {
            let r = self.send(inner_sums(&values, &weights).map(lane_sum));
            fold_packed(&mut values, r);
            fold_packed(&mut weights, r);
        }
        let (mut values, mut weights) = (unpack(values), unpack(weights));
        while values.len() > 1 {
            let r = self.send(inner_sums(&values, &weights));
            for v in [&mut values, &mut weights] {
                let half = v.len() / 2;
                for i in 0..half {
                    v[i] = v[i] + r * (v[i + half] - v[i]);
                }
                v.truncate(half);
            }
        }
        (SumcheckProof { rounds: self.rounds }, self.point, values[0])
    }
}

/// Sums of several sums.
pub(super) fn total(sums: impl Iterator<Item = [EF; 2]>) -> [EF; 2] {
    sums.fold([EF::ZERO; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
}

/// `lo + r (hi - lo)` in place over the two halves.
pub(super) fn fold_packed(v: &mut Vec<PackedEF>, r: EF) {
    let half = v.len() / 2;
    let r = PackedEF::from(r);
    let (low, high) = v.split_at_mut(half);
    low.par_chunks_mut(GRAIN).zip(high.par_chunks(GRAIN)).for_each(|(l, h)| {
        l.iter_mut().zip(h).for_each(|(l, &h)| *l += r * (h - *l));
    });
    v.truncate(half);
}

/// [sum a0 b0, sum (a1 - a0)(b1 - b0)]: values at 0 and at infinity.
pub(super) fn inner_sums<A, B>(a: &[A], b: &[B]) -> [B; 2]
where
    A: PrimeCharacteristicRing + Copy + Send + Sync,
    B: PrimeCharacteristicRing + Copy + Send + Sync + core::ops::Mul<A, Output = B>,
{
    let ((a0, a1), (b0, b1)) = (a.split_at(a.len() / 2), b.split_at(b.len() / 2));
    let tasks =
        a0.par_chunks(GRAIN).zip(a1.par_chunks(GRAIN)).zip(b0.par_chunks(GRAIN)).zip(b1.par_chunks(GRAIN));
    tasks
        .map(|(((a0, a1), b0), b1)| {
            let mut s = [B::ZERO; 2];
            for i in 0..a0.len() {
                s[0] += b0[i] * a0[i];
                s[1] += (b1[i] - b0[i]) * (a1[i] - a0[i]);
            }
            s
        })
        .reduce(|| [B::ZERO; 2], |x, y| [x[0] + y[0], x[1] + y[1]])
}

/// Proves `sum_x P(x) W(x) = claim`; returns the proof, the point, and P at it.
///
/// # Panics
/// If P is shorter than two packed elements.
pub fn prove_inner(
    cells: &[F],
    mut weights: Vec<PackedEF>,
    claim: EF,
    t: &mut Transcript,
) -> (SumcheckProof, Vec<EF>, EF) {
    let mut rounds = Rounds::new(claim, t);
    let packed = PackedF::pack_slice(cells);
    let r = rounds.send(inner_sums(packed, &weights).map(lane_sum));
    let (low, high) = packed.split_at(packed.len() / 2);
    let r_packed = PackedEF::from(r);
    let folded =
        low.par_iter().zip(high).with_min_len(GRAIN).map(|(&l, &h)| r_packed * (h - l) + l).collect();
    fold_packed(&mut weights, r);
    rounds.finish(folded, weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packing::pack;
    use esper_verifier::mle::eq_table;

    #[test]
    fn inner_product_agrees_with_the_verifier() {
        let mut t = Transcript::new("test");
        let p: Vec<F> = (0..256u64).map(|i| F::from_u64(i * i + 3)).collect();
        let w = t.challenges(256);
        let claim: EF = p.iter().zip(&w).map(|(&p, &w)| w * p).sum();
        let start = t.clone();
        let (proof, point, end_value) = prove_inner(&p, pack(&w), claim, &mut t);
        let (end, value) = proof.verify(claim, 2, &mut start.clone()).unwrap();
        assert_eq!(end, point);
        let eq = eq_table(&point, EF::ONE);
        let at: EF = eq.iter().zip(&p).map(|(&e, &p)| e * p).sum();
        let weight: EF = eq.iter().zip(&w).map(|(&e, &w)| e * w).sum();
        assert_eq!((end_value, value), (at, at * weight));
    }
}
