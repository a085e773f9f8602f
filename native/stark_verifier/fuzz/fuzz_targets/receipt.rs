//! The verifier of receipts on arbitrary bytes: no panic, whatever they hold; and none is proven by chance.
//!
//! Start from a corpus of receipts: `tests/vectors` has none, `esper call --receipt` writes some.
#![no_main]

use esper_receipt::{Around, StarkJudge, judge_bytes};
use libfuzzer_sys::fuzz_target;

static NETWORKS: &[u8] = include_bytes!("../../receipt_wasm/networks.bin");

fuzz_target!(|bytes: &[u8]| {
    let around = Around::read(NETWORKS, &[]).expect("the networks of this release");
    let verdict = judge_bytes(bytes, &around, &StarkJudge);
    // There is no tokenizer, so that text stays open: never 0.
    assert_ne!(verdict.exit_code(), 0);
    assert!(verdict.to_json().is_ascii());
});
