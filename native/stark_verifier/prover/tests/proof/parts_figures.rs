//! Sizes and times of proofs in parts, printed: `cargo test ... parts_figures -- --ignored --nocapture`.

use crate::common::answered;
use crate::common::key;
use crate::common::prompts;
use esper_model::Shape;
use esper_model::synthetic::Options;
use esper_prover::{PartedModel, boundaries, prove, prove_parts};
use esper_verifier::{parts_id, verify, verify_parts};
use std::sync::Arc;
use std::time::Instant;

/// As many layers as the 15M shape, an eighth of its vocabulary.
const SHAPE: Shape =
    Shape { vocab: 4096, dim: 288, hidden: 768, layers: 6, heads: 6, kv_heads: 6, head_dim: 48, max_seq: 64 };

#[test]
#[ignore = "prints figures"]
fn a_model_of_six_layers() {
    let whole = key(3, SHAPE, Options { gate_bits: 12, ..Options::default() });
    let statement = answered(&whole, &prompts(SHAPE.vocab, &[20], 9), 64, 16, 8);
    let least = |f: &dyn Fn()| {
        let times = (0..7).map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e3
        });
        times.fold(f64::INFINITY, f64::min)
    };
    let start = Instant::now();
    let bytes = prove(&whole, &statement).unwrap();
    let proven = start.elapsed();
    let ms = least(&|| drop(verify(&statement, &bytes).unwrap()));
    println!("whole: {} bytes, proven in {proven:.1?}, verified in {ms:.2} ms", bytes.len());
    for cuts in [&[][..], &[3], &[2, 4], &[1, 2, 3, 4, 5]] {
        let parted = PartedModel::new(Arc::clone(&whole.model), cuts).unwrap();
        let parts = parted.descriptors().unwrap();
        let id = parts_id(&parts.iter().map(|d| d.model_id()).collect::<Vec<_>>());
        let between = boundaries(&parted, &statement).unwrap();
        let residual = between.first().map_or(0, |b| b.encode(&parts[0]).len());
        let start = Instant::now();
        let bytes = prove_parts(&parted, &parts, &statement).unwrap();
        let proven = start.elapsed();
        let report = verify_parts(&statement, &id, &bytes).unwrap();
        let ms = least(&|| drop(verify_parts(&statement, &id, &bytes).unwrap()));
        let cells = parts.iter().map(|d| d.cells).max().unwrap();
        println!(
            "{} parts: {} bytes, {residual} of them a residual, proven with keys in {proven:.1?}, verified in {ms:.2} ms, {:.1} bits, {cells} model cells at most, witnesses 2^{}",
            parts.len(),
            bytes.len(),
            report.security_bits,
            report.parts.iter().map(|r| r.sizes[0]).max().unwrap()
        );
    }
}
