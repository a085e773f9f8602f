//! Sizes, times and memory of a proof in parts, printed: `PARTS=3 cargo test ... parts_figures -- --ignored --nocapture`;
//! `PARTS=0` for the whole model's proof. One number of parts a process, or the peak would be another's.

use crate::common::{answered_by, prompts};
use esper_model::Shape;
use esper_model::synthetic::{Options, random_model};
use esper_prover::{ModelKey, PartedModel, boundaries, prove, prove_parts};
use esper_verifier::descriptor::Descriptor;
use esper_verifier::{Statement, parts_id, verify, verify_parts};
use std::sync::Arc;
use std::time::Instant;

/// Twelve layers of the 15M shape, an eighth of its vocabulary.
const SHAPE: Shape = Shape {
    vocab: 4096,
    dim: 288,
    hidden: 768,
    layers: 12,
    heads: 6,
    kv_heads: 6,
    head_dim: 48,
    max_seq: 64,
};

/// Milliseconds, the least of seven runs.
fn least(act: impl Fn()) -> f64 {
    let times = (0..7).map(|_| {
        let start = Instant::now();
        act();
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

/// The process's largest resident set so far.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "prints figures"]
fn a_model_of_twelve_layers() {
    let count: usize = std::env::var("PARTS").map_or(1, |n| n.parse().expect("a number of parts"));
    let model = Arc::new(random_model(3, SHAPE, Options { gate_bits: 12, ..Options::default() }).unwrap());
    let statement = answered_by(&model, &prompts(SHAPE.vocab, &[20], 9), 64, 16, 8);
    println!("before: {}", peak());
    let start = Instant::now();
    if count == 0 {
        let key = ModelKey::new(model).unwrap();
        let statement = Statement { model_id: key.model_id, ..statement };
        let bytes = prove(&key, &statement).unwrap();
        let (time, peak) = (start.elapsed(), peak());
        let ms = least(|| drop(verify(&statement, &bytes).unwrap()));
        println!("whole: {} bytes, key and proof {time:.1?}, {peak}, verified in {ms:.2} ms", bytes.len());
        return;
    }
    let cuts: Vec<usize> = (1..count).map(|i| i * SHAPE.layers / count).collect();
    let parted = PartedModel::new(model, &cuts).unwrap();
    let parts = parted.descriptors().unwrap();
    let id = parts_id(&parts.iter().map(Descriptor::model_id).collect::<Vec<_>>());
    let residual = boundaries(&parted, &statement).unwrap().first().map_or(0, |b| b.encode(&parts[0]).len());
    let keyed = start.elapsed();
    let bytes = prove_parts(&parted, &parts, &statement).unwrap();
    let (time, peak) = (start.elapsed() - keyed, peak());
    let report = verify_parts(&statement, &id, &bytes).unwrap();
    let ms = least(|| drop(verify_parts(&statement, &id, &bytes).unwrap()));
    let cells = parts.iter().map(|d| d.cells).max().unwrap_or(0);
    let witness = report.parts.iter().map(|r| r.sizes[0]).max().unwrap_or(0);
    println!(
        "{count} parts: {} bytes, a residual {residual}, registered in {keyed:.1?}, keys and proofs {time:.1?}, {peak}, \
         verified in {ms:.2} ms, {:.1} bits, {cells} model cells and 2^{witness} witness cells at most",
        bytes.len(),
        report.security_bits
    );
}
