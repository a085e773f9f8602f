//! Inputs and slow reference evaluations for the tests.

use esper_commitment::{EF, F, Field, PrimeCharacteristicRing};

/// A xorshift generator: tests are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }
}

/// `len` values from -128 to 127.
pub fn small_values(len: usize, seed: u64) -> Vec<F> {
    let mut random = Random(seed | 1);
    (0..len).map(|_| F::from_i64(i64::from(random.word() as i8))).collect()
}

/// The multilinear extension of `values` at `point`, most significant index bit first.
pub fn evaluate(values: &[F], point: &[EF]) -> EF {
    evaluate_ext(values.iter().map(|&v| EF::from(v)).collect(), point)
}

/// [`evaluate`] for extension values.
pub fn evaluate_ext(mut values: Vec<EF>, point: &[EF]) -> EF {
    assert_eq!(values.len(), 1 << point.len());
    for &x in point {
        let half = values.len() / 2;
        for i in 0..half {
            values[i] = values[i] + x * (values[half + i] - values[i]);
        }
        values.truncate(half);
    }
    values[0]
}

/// `2^num_vars` fractions that sum to 0: lookups `1 / (alpha - v)`, a table `-count / (alpha - t)`, and `0 / 1`.
pub fn zero_sum(num_vars: usize, alpha: EF) -> (Vec<F>, Vec<EF>) {
    let half = 1 << (num_vars - 1);
    let table = half.min(16);
    let mut random = Random(5);
    let mut counts = vec![0u64; table];
    let (mut numerators, mut denominators) = (vec![], vec![]);
    for _ in 0..half {
        let v = random.below(table);
        counts[v] += 1;
        numerators.push(F::ONE);
        denominators.push(alpha - F::from_usize(v));
    }
    for (t, &count) in counts.iter().enumerate() {
        numerators.push(-F::from_u64(count));
        denominators.push(alpha - F::from_usize(t));
    }
    numerators.resize(2 * half, F::ZERO);
    denominators.resize(2 * half, EF::ONE);
    assert!(numerators.iter().zip(&denominators).map(|(&n, d)| d.inverse() * n).sum::<EF>() == EF::ZERO);
    (numerators, denominators)
}
