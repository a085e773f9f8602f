//! Honest openings and sums verify, and both sides end in the same transcript state.
#![cfg(feature = "prover")]

use crate::support::{evaluate, evaluate_ext, small_values, zero_sum};
use esper_commitment::{
    EF, F, GkrSeed, PcsParams, Transcript, commit, fraction_proof_len, open, prove_fraction_sum,
    verify_fraction_sum, verify_opening,
};

#[test]
fn an_opening_verifies_and_gives_the_values_of_the_polynomial() {
    for (num_vars, points) in [(10, 1), (11, 3), (13, 2), (16, 8)] {
        let params = PcsParams::for_proof(num_vars, 2);
        let values = small_values(1 << num_vars, 7);
        let (root, committed) = commit(values.clone(), &params);
        assert_eq!(committed.values(), values);
        for _ in 0..2 {
            let mut tr = Transcript::new("test");
            tr.absorb_root(&root);
            let at: Vec<Vec<EF>> = (0..points).map(|_| tr.challenges(num_vars)).collect();
            let mut verifier = tr.clone();
            let (claimed, proof) = open(&committed, &at, &mut tr);
            for (point, value) in at.iter().zip(&claimed) {
                assert_eq!(
                    evaluate(&values, point),
                    *value,
                    "first coordinate is the most significant index bit"
                );
            }
            verify_opening(&root, num_vars, &params, &at, &claimed, &proof, &mut verifier).unwrap();
            assert_eq!(tr.challenge(), verifier.challenge());
        }
    }
}

#[test]
fn a_sum_of_fractions_verifies_and_its_claim_holds() {
    for num_vars in [1, 2, 3, 4, 5, 6, 7, 9, 12] {
        let mut tr = Transcript::new("test");
        let alpha = tr.challenge();
        let (numerators, denominators) = zero_sum(num_vars, alpha);
        let mut verifier = tr.clone();
        let (proof, claim) = prove_fraction_sum(numerators.clone(), denominators.clone(), &mut tr);
        assert_eq!(proof.len(), fraction_proof_len(num_vars));
        let seed = GkrSeed::new(num_vars).unwrap();
        assert_eq!(verify_fraction_sum(&seed, &proof, &mut verifier).unwrap(), claim);
        assert_eq!(tr.challenge(), verifier.challenge());
        let lifted: Vec<EF> = numerators.iter().map(|&n: &F| EF::from(n)).collect();
        assert_eq!(evaluate_ext(lifted, &claim.point), claim.numerator);
        assert_eq!(evaluate_ext(denominators, &claim.point), claim.denominator);
    }
}
