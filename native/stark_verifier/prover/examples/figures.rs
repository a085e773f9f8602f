//! Proves one batch of a model and prints the figures as JSON: `figures MODEL SEQUENCES ROWS PROMPT ANSWER REPEATS`.
//! MODEL is a directory, or random integers of a shape, as
//! `shape:vocab,dim,hidden,layers,heads,kv_heads,head_dim,max_seq,gate_bits`. Prompts are drawn from a fixed seed.
//!
//! The mark tells whether two builds give the same proof. With one thread (RAYON_NUM_THREADS=1) they must; with more,
//! whichever finds a proof-of-work nonce first decides.

use esper_model::synthetic::{Options, random_model};
use esper_model::{Engine, Model, Shape};
use esper_prover::{ModelKey, prove_observed};
use esper_verifier::{SequenceStatement, Statement, verify};
use std::sync::Arc;
use std::time::Instant;

fn milliseconds(from: Instant) -> f64 {
    from.elapsed().as_secs_f64() * 1e3
}

#[global_allocator]
static ALLOCATOR: esper_prover::pages::KeptPages = esper_prover::pages::KeptPages;

/// User and system time of all threads so far, at the kernel's resolution of 10 ms.
fn processor_milliseconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    10.0 * (ticks(11) + ticks(12))
}

/// The model of a directory, or a random one of a shape.
fn load(name: &str) -> Model {
    let Some(list) = name.strip_prefix("shape:") else {
        return Model::load_dir(name.as_ref()).expect("a model directory");
    };
    let sizes: Vec<usize> = list.split(',').map(|n| n.parse().expect("a number")).collect();
    let &[vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq, gate_bits] = sizes.as_slice()
    else {
        panic!("a shape is nine numbers");
    };
    let shape = Shape { vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq };
    let options = Options { gate_bits: gate_bits as u32, ..Options::default() };
    random_model(1, shape, options).expect("a model within bounds")
}

/// FNV-1a of the proof's bytes.
fn mark(proof: &[u8]) -> u64 {
    proof.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |i: usize| args[i].parse::<usize>().expect("a number");
    let (sequences, rows, prompt, answer, repeats) = (number(2), number(3), number(4), number(5), number(6));
    let model = Arc::new(load(&args[1]));
    let start = Instant::now();
    let key = ModelKey::new(Arc::clone(&model)).expect("a model that can be proven");
    let setup = milliseconds(start);
    let vocab = model.shape.vocab as u64;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut token = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        3 + ((state >> 33) % (vocab - 3)) as u32
    };
    let prompts: Vec<Vec<u32>> = (0..sequences)
        .map(|_| std::iter::once(model.bos).chain((1..prompt).map(|_| token())).collect())
        .collect();
    let engine = Engine::new(Arc::clone(&model), 2).expect("an engine");
    let top_k = 4;
    let answers = engine.generate(&prompts, answer, model.eos, top_k).expect("answers");
    let sequences = prompts
        .into_iter()
        .zip(answers)
        .map(|(prompt, a)| SequenceStatement { prompt, answer: a.tokens, max_answer: answer, top: a.top })
        .collect();
    let statement = Statement { model_id: key.model_id, binding: [0; 64], rows, top_k, sequences };
    let witness = esper_prover::witness::Witness::new(&key, &statement).expect("a witness");
    eprintln!(
        "modes {:?}, lookups {}, entries {}",
        witness.modes, witness.layout.lookup_cells, witness.layout.table_entries
    );
    drop(witness);
    for _ in 0..repeats {
        let start = Instant::now();
        let (mut last, mut last_cpu) = (Instant::now(), processor_milliseconds());
        let mut stages = String::new();
        let proof = prove_observed(&key, &statement, &mut |name| {
            let cpu = processor_milliseconds();
            stages += &format!("{name} {:.0}/{:.0}, ", milliseconds(last), cpu - last_cpu);
            (last, last_cpu) = (Instant::now(), cpu);
        })
        .expect("a proof");
        eprintln!("wall/processor ms by stage: {stages}");
        let proving = milliseconds(start);
        let mut verifying: Vec<f64> = (0..21)
            .map(|_| {
                let start = Instant::now();
                verify(&statement, &proof).expect("an accepted proof");
                milliseconds(start)
            })
            .collect();
        verifying.sort_by(f64::total_cmp);
        let report = verify(&statement, &proof).expect("an accepted proof");
        let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = peak
            .lines()
            .find(|l| l.starts_with("VmHWM"))
            .and_then(|l| l.split_whitespace().nth(1))
            .unwrap_or("0");
        println!(
            "{{\"setup_ms\": {setup:.0}, \"prove_ms\": {proving:.0}, \"verify_ms\": {:.2}, \"proof_bytes\": {}, \"security_bits\": {:.2}, \"witness_vars\": {}, \"leaf_vars\": {}, \"peak_kib\": {peak}, \"mark\": \"{:016x}\"}}",
            verifying[10],
            proof.len(),
            report.security_bits,
            report.sizes[0],
            report.sizes[1],
            mark(&proof),
        );
    }
}
