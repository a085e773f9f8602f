//! Times greedy decoding, one sequence, positions 0 to 255, output matrix included; prints JSON.
//!
//! `cargo run --release --features synthetic --example bench_decode -- [MODEL_DIR]`
//! Without a directory the model has random weights and the shape of a 15M Llama. A directory that also holds a
//! float checkpoint is timed in float32 as well.
//! `ESPER_BENCH_THREADS` sets the threads (1); `ESPER_BENCH_ALL` times every level, not only the best.
//!
//! Every figure is the median of five runs: tokens per second of wall-clock time, and, on one thread of Linux, per
//! second of processor time, which other programs on the machine disturb less.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use esper_model::synthetic::{Options, random_model};
use esper_model::{Engine, FloatConfig, FloatEngine, FloatModel, Level, Model, ModelError, Shape};
use serde_json::{Map, Value, json};

const POSITIONS: usize = 256;
const REPEATS: usize = 5;
const BATCH: usize = 32;
const SHAPE_15M: Shape = Shape {
    vocab: 32000,
    dim: 288,
    hidden: 768,
    layers: 6,
    heads: 6,
    kv_heads: 6,
    head_dim: 48,
    max_seq: 256,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1);
    let threads: usize = std::env::var("ESPER_BENCH_THREADS").map_or(Ok(1), |t| t.parse())?;
    let model = Arc::new(match &directory {
        Some(path) => Model::load_dir(Path::new(path))?,
        None => random_model(1, SHAPE_15M, Options::default())?,
    });
    let name = directory.as_deref().unwrap_or("random 15M");
    let prompt: Vec<u32> = (0..POSITIONS as u32 / 2).map(|i| i * 7 % model.shape.vocab as u32).collect();
    let one = [vec![model.bos]];
    let many = vec![vec![model.bos]; BATCH];
    let every = std::env::var_os("ESPER_BENCH_ALL").is_some();
    let levels = if every { Level::available() } else { vec![Level::best()] };
    for &level in &levels {
        let engine = Engine::with_level(model.clone(), threads, level)?;
        let mut result = header(name, "integer", level, threads);
        measure(&mut result, "decode", || engine.generate(&one, POSITIONS, u32::MAX, 1).map(|_| POSITIONS))?;
        measure(&mut result, "batch32", || engine.generate(&many, 128, u32::MAX, 1).map(|_| BATCH * 128))?;
        // Several times, or the clock of the processor would be too coarse.
        measure(&mut result, "prefill", || {
            (0..8).try_for_each(|_| engine.session().append(&prompt).map(|_| ()))?;
            Ok(8 * prompt.len())
        })?;
        println!("{}", Value::Object(result));
    }
    let Some(path) = directory.as_deref().filter(|d| Path::new(d).join("model.safetensors").is_file()) else {
        return Ok(());
    };
    // Constants of most checkpoints of this size: speed does not depend on them.
    let tied = !std::fs::read(Path::new(path).join("model.safetensors"))?
        .windows(b"lm_head.weight".len())
        .any(|name| name == b"lm_head.weight");
    let config = FloatConfig { shape: model.shape, norm_eps: 1e-5, rope_theta: 10_000.0, tied };
    let float = Arc::new(FloatModel::load_dir(Path::new(path), &config)?);
    for level in levels {
        let engine = FloatEngine::with_level(float.clone(), threads, level)?;
        let mut result = header(name, "float32", level, threads);
        measure(&mut result, "decode", || engine.generate(&one, POSITIONS, u32::MAX).map(|_| POSITIONS))?;
        measure(&mut result, "batch32", || engine.generate(&many, 128, u32::MAX).map(|_| BATCH * 128))?;
        println!("{}", Value::Object(result));
    }
    Ok(())
}

fn header(model: &str, engine: &str, level: Level, threads: usize) -> Map<String, Value> {
    let fields = [
        ("model", json!(model)),
        ("engine", json!(engine)),
        ("level", json!(level)),
        ("threads", json!(threads)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// Adds the rates of `run`, which returns the number of tokens it did.
fn measure(
    result: &mut Map<String, Value>,
    name: &str,
    mut run: impl FnMut() -> Result<usize, ModelError>,
) -> Result<(), ModelError> {
    run()?;
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        let tokens = run()? as f64;
        wall.push(tokens / start.elapsed().as_secs_f64());
        if let (Some(before), Some(after)) = (cpu_start, cpu_seconds()) {
            cpu.push(tokens / (after - before));
        }
    }
    result.insert(format!("{name}_per_s"), json!(median(wall)));
    if result["threads"] == 1 && cpu.len() == REPEATS {
        result.insert(format!("{name}_per_cpu_s"), json!(median(cpu)));
    }
    Ok(())
}

/// Time this thread has spent on a processor, where Linux tells it.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? * 1e-9)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2].round()
}
