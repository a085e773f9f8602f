//! The verifier on arbitrary proofs of a statement that fits the proof's own descriptor: no panic, no acceptance.
//!
//! Start from a corpus of honest proofs (`ESPER_FUZZ_CORPUS=DIR cargo test --release -p esper-prover --test proof
//! attack_bytes` writes some); their statement has another binding, so that they are refused as well.
#![no_main]

use esper_verifier::proof::ProofHead;
use esper_verifier::{SequenceStatement, Statement, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(head) = ProofHead::read(bytes) else { return };
    let d = &head.descriptor;
    // Work is in proportion to layers times heads: sizes that take long are the subject of another test.
    if d.layers.len() * d.heads > 64 {
        return;
    }
    let token = u32::from(d.eos == 0);
    let one = SequenceStatement { prompt: vec![0, token], answer: vec![token], max_answer: 1, top: vec![vec![(token, 0)]] };
    let statement = Statement {
        model_id: d.model_id(),
        binding: [0xa5; 64],
        rows: 2,
        top_k: 1,
        sequences: vec![one],
    };
    assert!(verify(&statement, bytes).is_err());
});
