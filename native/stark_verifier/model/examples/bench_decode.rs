//! Times greedy decoding, one sequence, positions 0 to 255, output matrix included; prints JSON.
//!
//! `cargo run --release --features synthetic --example bench_decode -- [MODEL_DIR]`
//! Without a directory the model has random weights and the shape of a 15M Llama.
//! `ESPER_BENCH_THREADS` sets the threads (1).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use esper_model::synthetic::{Options, random_model};
use esper_model::{Engine, Level, Model, ModelError, Shape};

const POSITIONS: usize = 256;
const REPEATS: usize = 5;
const SHAPE_15M: Shape =
    Shape { vocab: 32000, dim: 288, hidden: 768, layers: 6, heads: 6, kv_heads: 6, head_dim: 48, max_seq: 256 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1);
    let threads: usize = std::env::var("ESPER_BENCH_THREADS").map_or(Ok(1), |t| t.parse())?;
    let model = Arc::new(match &directory {
        Some(path) => Model::load_dir(Path::new(path))?,
        None => random_model(1, SHAPE_15M, Options::default())?,
    });
    let prompt: Vec<u32> = (0..POSITIONS as u32 / 2).map(|i| i * 7 % model.shape.vocab as u32).collect();
    for level in Level::available() {
        let engine = Engine::with_level(model.clone(), threads, level)?;
        let decode = median(|| {
            let answers = engine.generate(&[vec![model.bos]], POSITIONS, u32::MAX, 1)?;
            assert_eq!(answers[0].tokens.len(), POSITIONS);
            Ok(POSITIONS)
        })?;
        let batch = median(|| Ok(engine.generate(&vec![vec![model.bos]; 32], 128, u32::MAX, 1)?.len() * 128))?;
        let prefill = median(|| engine.session().append(&prompt).map(|_| prompt.len()))?;
        let result = serde_json::json!({
            "model": directory.as_deref().unwrap_or("random 15M"),
            "level": level,
            "threads": threads,
            "decode_tokens_per_s": decode,
            "batch32_tokens_per_s": batch,
            "prefill_tokens_per_s": prefill,
        });
        println!("{result}");
    }
    Ok(())
}

/// Median of several runs, tokens per second of wall-clock time.
fn median(mut run: impl FnMut() -> Result<usize, ModelError>) -> Result<f64, ModelError> {
    let mut rates = Vec::new();
    for _ in 0..REPEATS {
        let start = Instant::now();
        let tokens = run()?;
        rates.push(tokens as f64 / start.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates[REPEATS / 2].round())
}
