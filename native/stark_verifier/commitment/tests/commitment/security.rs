//! The whole proof keeps 128 bits for every size and number of openings.

use esper_commitment::{
    MAX_POINTS, MAX_VARS, MIN_VARS, PROTOCOL_TERMS, PcsParams, compose, opening_security,
};

const MOST_OPENINGS: usize = 64;

/// The bits of a proof with `openings` openings of the same size and number of points.
fn total(num_vars: usize, openings: usize, points: usize) -> f64 {
    let params = PcsParams::for_proof(num_vars, openings);
    let terms = opening_security(num_vars, &params, points).expect("the level is reached");
    let mut all = PROTOCOL_TERMS.to_vec();
    all.resize(PROTOCOL_TERMS.len() + openings, terms.opening);
    compose(&all)
}

#[test]
fn every_proof_has_128_bits() {
    let mut worst = f64::MAX;
    for num_vars in MIN_VARS..=MAX_VARS {
        for openings in 1..=MOST_OPENINGS {
            for points in [1, 8, MAX_POINTS] {
                let bits = total(num_vars, openings, points);
                assert!(bits >= 128.0, "2^{num_vars}, {openings} openings at {points} points: {bits}");
                worst = worst.min(bits);
            }
        }
    }
    assert!(worst < 129.0, "levels are higher than they need to be: {worst}");
}

#[test]
fn a_level_lower_by_one_or_an_opening_not_counted_falls_short() {
    let params = PcsParams::for_proof(28, 1);
    let lower = PcsParams { security_level: params.security_level - 1, ..params };
    let bits = opening_security(28, &lower, 8).expect("the level is reached").opening;
    assert!(bits < 128.0, "{bits}");
    let uncounted = opening_security(28, &params, 8).expect("the level is reached").opening;
    assert!(compose(&[uncounted, uncounted]) < 128.0);
}

#[test]
fn composition_is_the_union_bound() {
    assert!((compose(&[128.0, 128.0]) - 127.0).abs() < 1e-9);
    assert!((compose(&[130.0; 8]) - 127.0).abs() < 1e-9);
    assert!((compose(&[128.0, 400.0]) - 128.0).abs() < 1e-9);
}

#[test]
fn sizes_out_of_range_have_no_security() {
    for num_vars in [0, 1, MIN_VARS - 1, MAX_VARS + 1, 64, usize::MAX] {
        assert_eq!(opening_security(num_vars, &PcsParams::for_proof(num_vars, 2), 1), None);
        assert_eq!(PcsParams::for_proof(num_vars, 2).schedule(num_vars), None);
    }
}
