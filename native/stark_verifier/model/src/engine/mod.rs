//! The integer engine: the same logits for the same tokens, whatever the batch, the chunks, the threads or the
//! processor.

mod attention;
#[cfg(target_arch = "x86_64")]
mod attention_simd;
mod cache;
mod elementwise;
mod forward;
mod generate;
mod level;
mod likelihood;
mod matmul;
#[cfg(target_arch = "x86_64")]
mod matmul_avx2;
#[cfg(target_arch = "x86_64")]
mod matmul_avx512;
mod output;
mod packed;
mod pages;
mod score;
mod self_test;
mod serving;
mod serving_error;
mod session;
mod top;
mod trace;
mod workers;

use std::sync::Arc;

use crate::ModelError;
use crate::model::Model;
pub(crate) use forward::{MAX_ROWS, Row};
pub use generate::Answer;
pub use level::Level;
pub(crate) use level::per_level;
use packed::Packed;
pub(crate) use pages::Pages;
pub use serving::{MAX_GROUP, MAX_SLOTS, MAX_TOP, Request, ServingBatch, Told};
pub use serving_error::ServingError;
pub use session::Session;
pub use top::TopEntry;
pub use trace::TRACE_DIGEST;
pub(crate) use workers::Workers;

/// The matrices of one layer in the layout of the kernels.
struct PackedLayer {
    qkv: Packed,
    o: Packed,
    gate_up: Packed,
    down: Packed,
}

/// All matrices of one model in the layout of the kernels.
struct PackedModel {
    layers: Vec<PackedLayer>,
    lm_head: Packed,
}

/// Runs one model on a fixed number of threads.
///
/// Making an engine runs a known-answer test on the code paths that it will use.
pub struct Engine {
    model: Arc<Model>,
    level: Level,
    packed: Arc<PackedModel>,
    workers: Workers,
}

impl Engine {
    /// An engine on the fastest instructions of this processor.
    ///
    /// # Errors
    /// [`ModelError::SelfTest`] where this machine computes a wrong known answer; [`ModelError::Input`] for
    /// `threads` outside 1 to 1024; what [`Model::validate`] refuses.
    pub fn new(model: Arc<Model>, threads: usize) -> Result<Self, ModelError> {
        Self::with_level(model, threads, Level::best())
    }

    /// The same on a chosen level, which this processor must have.
    pub fn with_level(model: Arc<Model>, threads: usize, level: Level) -> Result<Self, ModelError> {
        if !level.is_available() {
            return Err(ModelError::Input {
                reason: format!("this processor lacks the instructions of {level:?}"),
            });
        }
        self_test::run(level)?;
        model.validate()?;
        Self::unchecked(model, threads, level)
    }

    /// Without the known-answer test, for that test itself. The model has been validated.
    fn unchecked(model: Arc<Model>, threads: usize, level: Level) -> Result<Self, ModelError> {
        let pack = |layer: &crate::model::Layer| PackedLayer {
            qkv: Packed::new(level, &[&layer.q, &layer.k, &layer.v], 16),
            o: Packed::new(level, &[&layer.o], 16),
            gate_up: Packed::new(level, &[&layer.gate, &layer.up], 16),
            down: Packed::new(level, &[&layer.down], layer.z_bits),
        };
        let layers = model.layers.iter().map(pack).collect();
        let lm_head = Packed::new(level, &[&model.lm_head], 16);
        Ok(Self {
            level,
            packed: Arc::new(PackedModel { layers, lm_head }),
            workers: Workers::new(threads)?,
            model,
        })
    }

    /// The same engine on another number of threads; both share the weights.
    ///
    /// # Errors
    /// [`ModelError::Input`] for `threads` outside 1 to 1024.
    pub fn with_threads(&self, threads: usize) -> Result<Self, ModelError> {
        let (model, packed) = (self.model.clone(), self.packed.clone());
        Ok(Self { model, level: self.level, packed, workers: Workers::new(threads)? })
    }

    /// The model that runs.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The code paths in use.
    pub fn level(&self) -> Level {
        self.level
    }
}
