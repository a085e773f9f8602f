//! Verifier of a sumcheck, most significant variable first.

use crate::bytes::{Reader, put_ext};
use crate::error::VerifyError;
use alloc::vec::Vec;
use esper_commitment::{EF, F, PrimeCharacteristicRing, Transcript};

/// Largest degree in one variable of any sumcheck here.
pub const MAX_DEGREE: usize = 4;

/// Round polynomials by their values at 0, 2, 3, ..., degree; the value at 1 follows from the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumcheckProof {
    /// Per round, `degree` values.
    pub rounds: Vec<Vec<EF>>,
}

impl SumcheckProof {
    /// Reads `rounds` rounds of `degree` values.
    pub fn read(r: &mut Reader<'_>, rounds: usize, degree: usize) -> Result<Self, VerifyError> {
        let rounds = (0..rounds).map(|_| r.exts(degree)).collect::<Result<_, _>>()?;
        Ok(Self { rounds })
    }

    /// Appends all values.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.rounds.iter().flatten().for_each(|&x| put_ext(out, x));
    }

    /// The point, and the value that the summand must have there.
    pub fn verify(
        &self,
        mut claim: EF,
        degree: usize,
        t: &mut Transcript,
    ) -> Result<(Vec<EF>, EF), VerifyError> {
        let mut point = Vec::with_capacity(self.rounds.len());
        for round in &self.rounds {
            if round.len() != degree {
                return Err(VerifyError::Encoding("sumcheck round"));
            }
            t.absorb_slice(round);
            let r = t.challenge();
            claim = interpolate(claim, round, r);
            point.push(r);
        }
        Ok((point, claim))
    }
}

/// Value at `r` of the polynomial with values `round[0]` at 0, `claim - round[0]` at 1, and
/// `round[i]` at i + 1 from there on (Newton's forward differences).
pub fn interpolate(claim: EF, round: &[EF], r: EF) -> EF {
    let mut values = [EF::ZERO; MAX_DEGREE + 1];
    let n = round.len() + 1;
    values[0] = round[0];
    values[1] = claim - round[0];
    values[2..n].copy_from_slice(&round[1..]);
    for order in 1..n {
        for i in (order..n).rev() {
            values[i] -= values[i - 1];
        }
    }
    // sum_k difference_k r (r - 1) ... (r - k + 1) / k!
    let (mut result, mut basis) = (values[0], EF::ONE);
    for (k, &difference) in values[..n].iter().enumerate().skip(1) {
        basis *= (r - F::from_u64(k as u64 - 1)) * INVERSES[k - 1];
        result += basis * difference;
    }
    result
}

/// 1 / k for k = 1..=4, in Goldilocks.
const INVERSES: [F; MAX_DEGREE] =
    [F::new(1), F::new(0x7fff_ffff_8000_0001), F::new(0xaaaa_aaaa_0000_0001), F::new(0xbfff_ffff_4000_0001)];

#[cfg(test)]
mod tests {
    use super::*;
    use esper_commitment::Field;

    #[test]
    fn inverses() {
        for (i, x) in INVERSES.iter().enumerate() {
            assert_eq!(*x, F::from_u64(i as u64 + 1).inverse());
        }
    }

    #[test]
    fn interpolation_recovers_a_quartic() {
        let mut t = Transcript::new("test");
        let c = t.challenges(5);
        let at = |x: EF| c.iter().rev().fold(EF::ZERO, |acc, &k| acc * x + k);
        let v: Vec<EF> = (0..5).map(|i| at(EF::from(F::from_u64(i)))).collect();
        let r = t.challenge();
        assert_eq!(interpolate(v[0] + v[1], &[v[0], v[2], v[3], v[4]], r), at(r));
        // A lower degree is a special case.
        let c = &c[..3];
        let at = |x: EF| c.iter().rev().fold(EF::ZERO, |acc, &k| acc * x + k);
        let v: Vec<EF> = (0..3).map(|i| at(EF::from(F::from_u64(i)))).collect();
        assert_eq!(interpolate(v[0] + v[1], &[v[0], v[2]], r), at(r));
    }
}
