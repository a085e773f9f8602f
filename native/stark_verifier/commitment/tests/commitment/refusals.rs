//! Everything that is not the honest proof of the honest claim is refused, without panic.
#![cfg(feature = "prover")]

use crate::support::{Random, small_values, zero_sum};
use esper_commitment::{
    EF, F, GkrError, GkrSeed, MAX_GKR_VARS, MAX_POINTS, PcsError, PcsParams, PrimeCharacteristicRing,
    PrimeField64, Root, Transcript, WireError, commit, open, prove_fraction_sum, verify_fraction_sum,
    verify_opening,
};

/// An honest opening, to be changed one part at a time.
#[derive(Clone)]
struct Opening {
    root: Root,
    num_vars: usize,
    params: PcsParams,
    points: Vec<Vec<EF>>,
    values: Vec<EF>,
    proof: Vec<u8>,
    start: Transcript,
}

impl Opening {
    /// Two points, one of them twice.
    fn honest(num_vars: usize) -> Self {
        let params = PcsParams::for_proof(num_vars, 2);
        let (root, committed) = commit(small_values(1 << num_vars, 3), &params);
        let mut tr = Transcript::new("test");
        tr.absorb_root(&root);
        let (a, b) = (tr.challenges(num_vars), tr.challenges(num_vars));
        let points = vec![a.clone(), b, a];
        let start = tr.clone();
        let (values, proof) = open(&committed, &points, &mut tr);
        let opening = Self { root, num_vars, params, points, values, proof, start };
        opening.verify().expect("the honest opening is accepted");
        opening
    }

    fn verify(&self) -> Result<(), PcsError> {
        let mut tr = self.start.clone();
        verify_opening(
            &self.root,
            self.num_vars,
            &self.params,
            &self.points,
            &self.values,
            &self.proof,
            &mut tr,
        )
    }

    fn refused(&self, change: impl FnOnce(&mut Self)) -> PcsError {
        let mut changed = self.clone();
        change(&mut changed);
        changed.verify().expect_err("refused")
    }
}

#[test]
fn claims_that_are_not_the_proven_ones() {
    let honest = Opening::honest(12);
    for i in 0..3 {
        honest.refused(|o| o.values[i] += EF::ONE);
        honest.refused(|o| o.points[i][5] += EF::ONE);
    }
    honest.refused(|o| o.values.swap(0, 1));
    honest.refused(|o| o.points.swap(0, 1));
    honest.refused(|o| {
        o.points.pop();
        o.values.pop();
    });
    honest.refused(|o| {
        o.points.push(o.points[0].clone());
        o.values.push(o.values[0]);
    });
    for bit in 0..256 {
        honest.refused(|o| o.root.0[bit / 8] ^= 1 << (bit % 8));
    }
    let other = Opening::honest(13);
    honest.refused(|o| o.proof = other.proof.clone());
}

#[test]
fn another_transcript() {
    let honest = Opening::honest(11);
    honest.refused(|o| o.start.absorb_base(F::ZERO));
    honest.refused(|o| o.start.absorb_root(&honest.root));
    honest.refused(|o| o.start = Transcript::new("test"));
}

#[test]
fn arguments_that_fit_no_proof() {
    let honest = Opening::honest(11);
    assert!(matches!(honest.refused(|o| o.points.clear()), PcsError::Points { points: 0, values: 3 }));
    assert!(matches!(honest.refused(|o| o.values.clear()), PcsError::Points { points: 3, values: 0 }));
    let many = honest.refused(|o| {
        o.points = vec![o.points[0].clone(); MAX_POINTS + 1];
        o.values = vec![o.values[0]; MAX_POINTS + 1];
    });
    assert!(matches!(many, PcsError::Points { .. }));
    let short = honest.refused(|o| o.points[1].truncate(10));
    assert!(matches!(short, PcsError::PointLength { index: 1, actual: 10, expected: 11 }));
    assert!(matches!(honest.refused(|o| o.points[2].push(EF::ONE)), PcsError::PointLength { index: 2, .. }));
    for num_vars in [0, 4, 5, 9, 31, 64, usize::MAX] {
        assert!(matches!(honest.refused(|o| o.num_vars = num_vars), PcsError::Parameters { .. }));
    }
    for log_inv_rate in [0, 5, usize::MAX] {
        assert!(matches!(
            honest.refused(|o| o.params.log_inv_rate = log_inv_rate),
            PcsError::Parameters { .. }
        ));
    }
    for level in [1000, usize::MAX] {
        assert!(matches!(honest.refused(|o| o.params.security_level = level), PcsError::Parameters { .. }));
    }
    honest.refused(|o| o.params.pow_bits = 64);
    honest.refused(|o| o.params.pow_bits = usize::MAX);
}

#[test]
fn a_proof_under_other_parameters() {
    let honest = Opening::honest(12);
    for (rate, pow, level) in [(0, 0, 1), (0, 1, 0), (1, 0, 0)] {
        honest.refused(|o| {
            o.params.log_inv_rate -= rate;
            o.params.pow_bits -= pow;
            o.params.security_level -= level;
        });
    }
}

#[test]
fn bytes_that_are_no_proof() {
    let honest = Opening::honest(11);
    let len = honest.proof.len();
    for kept in (0..len).step_by(97).chain(len - 40..len) {
        let error = honest.refused(|o| o.proof.truncate(kept));
        assert!(matches!(error, PcsError::Wire(WireError::Truncated { .. })), "{kept}: {error}");
    }
    for extra in [1, 8, 1000] {
        let error = honest.refused(|o| o.proof.resize(len + extra, 0));
        assert!(matches!(error, PcsError::Wire(WireError::Trailing { extra: e }) if e == extra), "{error}");
    }
    // The first items are extension elements: replace each of a few coefficients by itself plus the modulus or more.
    for at in (0..20 * 8).step_by(8) {
        for value in [F::ORDER_U64, u64::MAX] {
            let error = honest.refused(|o| o.proof[at..at + 8].copy_from_slice(&value.to_le_bytes()));
            assert!(matches!(error, PcsError::Wire(WireError::NotCanonical { at: a }) if a == at), "{error}");
        }
    }
}

#[test]
fn random_changes_of_the_bytes() {
    let honest = Opening::honest(13);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..3000 {
        let len = honest.proof.len();
        honest.refused(|o| match round % 4 {
            0 => o.proof[random.below(len)] ^= 1 << random.below(8),
            1 => {
                let at = random.below(len);
                o.proof[at] = o.proof[at].wrapping_add(1 + random.below(255) as u8);
            }
            2 => {
                // A piece is cut out and made up for at the end.
                let at = random.below(len - 64);
                let cut = 1 + random.below(63);
                o.proof.drain(at..at + cut);
                o.proof.extend((0..cut).map(|i| (i + 1) as u8));
            }
            _ => {
                let (from, to) = (random.below(len - 8), random.below(len - 8));
                let word: [u8; 8] = o.proof[from..from + 8].try_into().expect("8 bytes");
                o.proof[to..to + 8].copy_from_slice(&word);
                o.proof[to] ^= u8::from(o.proof == honest.proof);
            }
        });
    }
}

#[test]
fn a_sum_that_is_not_the_proven_one() {
    const NUM_VARS: usize = 6;
    let mut tr = Transcript::new("test");
    let alpha = tr.challenge();
    let start = tr.clone();
    let (numerators, denominators) = zero_sum(NUM_VARS, alpha);
    let (proof, claim) = prove_fraction_sum(numerators, denominators, &mut tr);
    let seed = GkrSeed::new(NUM_VARS).expect("in range");
    let verify = |proof: &[u8]| verify_fraction_sum(&seed, proof, &mut start.clone());
    assert_eq!(verify(&proof).as_ref(), Ok(&claim), "the honest twin is accepted");
    for at in (0..proof.len()).step_by(8) {
        let mut changed = proof.clone();
        let value = u64::from_le_bytes(changed[at..at + 8].try_into().expect("8 bytes"));
        changed[at..at + 8].copy_from_slice(&((value + 1) % F::ORDER_U64).to_le_bytes());
        assert_ne!(verify(&changed).as_ref(), Ok(&claim), "byte {at}: refused, or another claim");
        changed[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(verify(&changed), Err(GkrError::Wire(WireError::NotCanonical { at })));
    }
    for kept in 0..proof.len() {
        assert!(verify(&proof[..kept]).is_err());
    }
    let mut longer = proof.clone();
    longer.push(0);
    assert_eq!(verify(&longer), Err(GkrError::Wire(WireError::Trailing { extra: 1 })));
    let mut vanishing = proof.clone();
    vanishing[..24].fill(0);
    assert_eq!(verify(&vanishing), Err(GkrError::ZeroRootDenominator));
    let other_size = GkrSeed::new(NUM_VARS - 1).expect("in range");
    assert!(verify_fraction_sum(&other_size, &proof, &mut start.clone()).is_err());
    for num_vars in [0, MAX_GKR_VARS + 1, usize::MAX] {
        assert!(matches!(GkrSeed::new(num_vars), Err(GkrError::Variables { .. })));
    }
}
