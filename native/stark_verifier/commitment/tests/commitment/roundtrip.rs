//! Honest openings and sums verify, and both sides end in the same transcript state.
#![cfg(feature = "prover")]

use crate::support::{evaluate, evaluate_ext, small_values, zero_sum};
use esper_commitment::{
    EF, F, PcsParams, PrimeCharacteristicRing, Size, Transcript, check_opening_encoding, commit,
    fraction_proof_len, least_opening_len, open, prove_fraction_sum, verify_fraction_sum, verify_opening,
};

/// Opens `cells` at some drawn points and checks everything about it.
fn opens(cells: Vec<F>, params: &PcsParams, points: usize) {
    let size = Size::of(cells.len());
    let (root, committed) = commit(cells.clone(), params);
    assert_eq!((committed.size(), committed.values().len()), (size, size.cells()));
    assert_eq!(&committed.values()[..cells.len()], cells);
    let mut all = cells;
    all.resize(1 << size.num_vars, F::ZERO);
    for _ in 0..2 {
        let mut tr = Transcript::new("test");
        tr.absorb_root(&root);
        let at: Vec<Vec<EF>> = (0..points).map(|_| tr.challenges(size.num_vars)).collect();
        let mut verifier = tr.clone();
        let (claimed, proof) = open(&committed, &at, &mut tr);
        for (point, value) in at.iter().zip(&claimed) {
            assert_eq!(evaluate(&all, point), *value, "first coordinate is the most significant index bit");
        }
        check_opening_encoding(size, params, &proof).unwrap();
        assert!(proof.len() >= least_opening_len(size, params).unwrap());
        verify_opening(&root, size, params, &at, &claimed, &proof, &mut verifier)
            .unwrap_or_else(|error| panic!("{size:?}: {error}"));
        assert_eq!(tr.challenge(), verifier.challenge());
    }
}

#[test]
fn an_opening_verifies_and_gives_the_values_of_the_polynomial() {
    for (cells, points) in [(1 << 10, 1), (1 << 11, 3), (1 << 13, 2), (1 << 16, 8), ((1 << 14) + 1, 2)] {
        opens(small_values(cells, 7), &PcsParams::for_proof(Size::of(cells).num_vars, 2), points);
    }
}

/// Little work: as many sizes as a test has time for.
#[test]
fn every_width_of_many_sizes_verifies() {
    for num_vars in 10..=16 {
        let column = 1 << (num_vars - 5);
        let least = if num_vars == 10 { 1 } else { 17 };
        for width in least..=32 {
            // The last column whole, with one cell, or between.
            let cells = [width * column, (width - 1) * column + 1, width * column - column / 3];
            let rate = 1 + (width + num_vars) % 4;
            let params = PcsParams { log_inv_rate: rate, pow_bits: 3, security_level: 30 };
            opens(small_values(cells[width % 3], width as u64), &params, 1 + width % 3);
        }
    }
}

#[test]
fn cells_of_any_kind_verify() {
    let params = PcsParams { log_inv_rate: 2, pow_bits: 3, security_level: 30 };
    for cells in [
        vec![F::ZERO; 1 << 11],
        vec![F::NEG_ONE; 1 << 11],
        (0..(1 << 12) + 77).map(|i: u64| F::from_u64(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect(),
    ] {
        opens(cells, &params, 2);
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
        assert_eq!(verify_fraction_sum(num_vars, &proof, &mut verifier).unwrap(), claim);
        assert_eq!(tr.challenge(), verifier.challenge());
        let lifted: Vec<EF> = numerators.iter().map(|&n: &F| EF::from(n)).collect();
        assert_eq!(evaluate_ext(lifted, &claim.point), claim.numerator);
        assert_eq!(evaluate_ext(denominators, &claim.point), claim.denominator);
    }
}
