//! G16, the integer Llama that every node runs: loading, load checks, worst-case bounds, and two engines.
//!
//! * [`Model`] holds the published integers of one model. [`Model::load_dir`] reads and checks them.
//! * Nothing that consensus sees is a float; the float engine exists only to calibrate an export and to
//!   compare with.

#![warn(missing_docs)]

// The plain rules of the tests name this crate from inside its own unit tests as well.
#[cfg(test)]
extern crate self as esper_model;

mod bounds;
mod checks;
mod engine;
mod error;
mod float;
mod input;
mod integers_hash;
mod json;
mod load;
mod model;
mod safetensors;
#[cfg(feature = "synthetic")]
pub mod synthetic;
// The known-answer test of the engine needs a part of it in every build.
#[cfg(not(feature = "synthetic"))]
#[allow(dead_code)]
mod synthetic;

pub use bounds::{Bound, Bounds};
pub use engine::{
    Answer, Engine, Level, MAX_GROUP, MAX_SLOTS, MAX_TOP, Request, ServingBatch, ServingError, Session,
    TRACE_DIGEST, Told, TopEntry,
};
pub use error::ModelError;
pub use float::{Calibration, FloatConfig, FloatEngine, FloatModel, LayerStats, SITES, Spread};
pub use load::ModelPart;
pub use model::{Layer, Linear, Model, Shape};
