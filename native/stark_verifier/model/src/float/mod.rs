//! The float32 engine: calibrates an export and is what the integer engine is compared with.
//!
//! Nothing here enters consensus: results differ in their last bits between batches and processors.

mod calibration;
mod elementwise;
mod forward;
mod kernels;
mod model;

use std::sync::Arc;

pub use calibration::{Calibration, LayerStats, SITES, Spread};
use forward::{FloatCache, FloatScratch};
use kernels::FloatPacked;
pub use model::{FloatConfig, FloatModel};

use crate::ModelError;
use crate::engine::{Level, MAX_ROWS, Row, Workers};

struct PackedLayer {
    qkv: FloatPacked,
    o: FloatPacked,
    gate_up: FloatPacked,
    down: FloatPacked,
}

struct PackedModel {
    layers: Vec<PackedLayer>,
    lm_head: FloatPacked,
}

/// Runs one float model on a fixed number of threads.
pub struct FloatEngine {
    model: Arc<FloatModel>,
    level: Level,
    packed: PackedModel,
    /// `[position][head_dim/2]`.
    cos: Vec<f32>,
    sin: Vec<f32>,
    workers: Workers,
}

impl FloatEngine {
    /// An engine on the fastest instructions of this processor.
    ///
    /// # Errors
    /// [`ModelError::Input`] for `threads` outside 1 to 1024.
    pub fn new(model: Arc<FloatModel>, threads: usize) -> Result<Self, ModelError> {
        Self::with_level(model, threads, Level::best())
    }

    /// The same on a chosen level, which this processor must have.
    pub fn with_level(model: Arc<FloatModel>, threads: usize, level: Level) -> Result<Self, ModelError> {
        if !level.is_available() {
            return Err(ModelError::Input {
                reason: format!("this processor lacks the instructions of {level:?}"),
            });
        }
        let s = model.shape;
        let layers = model.layers.iter().map(|layer| PackedLayer {
            qkv: FloatPacked::new(&[&layer.q, &layer.k, &layer.v], s.dim),
            o: FloatPacked::new(&[&layer.o], s.q_width()),
            gate_up: FloatPacked::new(&[&layer.gate, &layer.up], s.dim),
            down: FloatPacked::new(&[&layer.down], s.hidden),
        });
        let lm_head = FloatPacked::new(&[model.lm_head.as_ref().unwrap_or(&model.embed)], s.dim);
        let packed = PackedModel { layers: layers.collect(), lm_head };
        let half = s.head_dim / 2;
        let angle = |i: usize| {
            let frequency = model.rope_theta.powf(-2.0 * (i % half) as f64 / s.head_dim as f64);
            (i / half) as f64 * frequency
        };
        let cos = (0..s.max_seq * half).map(|i| angle(i).cos() as f32).collect();
        let sin = (0..s.max_seq * half).map(|i| angle(i).sin() as f32).collect();
        Ok(Self { level, packed, cos, sin, workers: Workers::new(threads)?, model })
    }

    /// The model that runs.
    pub fn model(&self) -> &Arc<FloatModel> {
        &self.model
    }

    /// Logits after every token of every sequence: per sequence `[position][vocab]`, flat.
    ///
    /// # Errors
    /// [`ModelError::Input`] for an empty sequence, a token outside the vocabulary, or a sequence that is too long.
    pub fn logits(&self, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.model.shape.check_sequences(sequences)?;
        let work = |tokens: &Vec<u32>| {
            let mut out = Vec::with_capacity(tokens.len() * self.model.shape.vocab);
            self.run(tokens, &mut FloatScratch::default(), |logits| out.extend_from_slice(logits));
            out
        };
        Ok(self.workers.enter(|| self.workers.for_each(sequences.iter().collect(), work)))
    }

    /// Sizes of the values that `sequences` meet, the same whatever the number of threads.
    ///
    /// # Errors
    /// As for [`FloatEngine::logits`].
    pub fn calibrate(&self, sequences: &[Vec<u32>]) -> Result<Calibration, ModelError> {
        self.model.shape.check_sequences(sequences)?;
        let layers = self.model.shape.layers;
        let work = |tokens: &Vec<u32>| {
            let mut scratch = FloatScratch::default();
            scratch.calibration = Some(Calibration::new(layers));
            self.run(tokens, &mut scratch, |_| ());
            scratch.calibration
        };
        let parts = self.workers.enter(|| self.workers.for_each(sequences.iter().collect(), work));
        let mut all = Calibration::new(layers);
        parts.iter().flatten().for_each(|part| all.merge(part));
        Ok(all)
    }

    /// Greedy answers of up to `max_new` tokens, each ending early at `eos` (which is kept).
    ///
    /// # Errors
    /// [`ModelError::Input`] as for [`FloatEngine::logits`], for `max_new` of 0, or where prompt and answer without
    /// its last token pass the model's longest sequence.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        max_new: usize,
        eos: u32,
    ) -> Result<Vec<Vec<u32>>, ModelError> {
        let shape = &self.model.shape;
        shape.check_sequences(prompts)?;
        shape.check_answers(prompts, max_new)?;
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let groups: Vec<&[Vec<u32>]> =
            prompts.chunks(prompts.len().div_ceil(self.workers.threads())).collect();
        let work = |group: &[Vec<u32>]| self.generate_group(group, max_new, eos);
        Ok(self.workers.enter(|| self.workers.for_each(groups, work)).into_iter().flatten().collect())
    }

    /// One whole sequence; `each` receives the logits of every pass.
    fn run(&self, tokens: &[u32], scratch: &mut FloatScratch, mut each: impl FnMut(&[f32])) {
        let mut caches = [FloatCache::new(&self.model.shape)];
        let rows: Vec<Row> = tokens
            .iter()
            .enumerate()
            .map(|(position, &token)| Row { sequence: 0, token, position })
            .collect();
        let mut logits = Vec::new();
        for chunk in rows.chunks(MAX_ROWS) {
            let wanted: Vec<usize> = (0..chunk.len()).collect();
            self.forward(&mut caches, chunk, &wanted, scratch, &mut logits);
            each(&logits);
        }
    }

    fn generate_group(&self, prompts: &[Vec<u32>], max_new: usize, eos: u32) -> Vec<Vec<u32>> {
        let mut caches = vec![FloatCache::new(&self.model.shape); prompts.len()];
        let mut answers = vec![Vec::new(); prompts.len()];
        let row = |sequence: usize, position: usize, token: u32| Row { sequence, token, position };
        let mut rows: Vec<Row> = Vec::new();
        for (sequence, prompt) in prompts.iter().enumerate() {
            rows.extend(prompt.iter().enumerate().map(|(position, &token)| row(sequence, position, token)));
        }
        let mut scratch = FloatScratch::default();
        let mut logits = Vec::new();
        while !rows.is_empty() {
            let mut next = Vec::new();
            for chunk in rows.chunks(MAX_ROWS) {
                let last = |r: &Row| r.position + 1 == prompts[r.sequence].len() + answers[r.sequence].len();
                let wanted: Vec<usize> = (0..chunk.len()).filter(|&i| last(&chunk[i])).collect();
                self.forward(&mut caches, chunk, &wanted, &mut scratch, &mut logits);
                for (&index, logits) in wanted.iter().zip(logits.chunks_exact(self.model.shape.vocab)) {
                    let Row { sequence, position, .. } = chunk[index];
                    let token = argmax(logits);
                    answers[sequence].push(token);
                    if token != eos && answers[sequence].len() < max_new {
                        next.push(row(sequence, position + 1, token));
                    }
                }
            }
            rows = next;
        }
        answers
    }
}

/// Index of the largest entry, the lowest on a tie.
fn argmax(logits: &[f32]) -> u32 {
    // Two vectorised passes beat one with a branch at every entry.
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|&l| l == top).unwrap_or(0) as u32
}
