//! Honest proofs are accepted, on shapes that are powers of two and on shapes that are not.

use crate::common::{EVEN, ODD, answered, key, prompts};
use esper_model::synthetic::Options;
use esper_prover::prove;
use esper_verifier::verify;

#[test]
fn one_sequence_even_shape() {
    let key = key(1, EVEN, Options::default());
    let s = answered(&key, &prompts(64, &[5], 3), 8, 3, 4);
    let proof = prove(&key, &s).unwrap();
    let report = verify(&s, &proof).unwrap();
    assert!(report.security_bits >= 128.0, "{report:?}");
}

#[test]
fn batch_of_different_lengths_odd_shape() {
    let key = key(2, ODD, Options::default());
    let s = answered(&key, &prompts(53, &[5, 9, 2], 5), 16, 4, 4);
    let proof = prove(&key, &s).unwrap();
    let report = verify(&s, &proof).unwrap();
    assert!(report.security_bits >= 128.0, "{report:?}");
}
