//! Everything that can be wrong with a model, one variant per rule.

use std::path::PathBuf;

/// Why a model was refused. Every message names the file, layer or tensor and says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}; check that the model directory is complete")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A safetensors container is malformed.
    #[error("{path} is not a well-formed safetensors file: {reason}; publish or download it again")]
    Container {
        /// The file.
        path: PathBuf,
        /// The rule of the container format that is broken.
        reason: String,
    },
    /// A metadata or configuration field is missing, of the wrong type or out of range.
    #[error("field '{field}': {reason}")]
    Field {
        /// Name of the field, with `layer[i].` before it where it belongs to a layer.
        field: String,
        /// What is wrong and what is admitted.
        reason: String,
    },
    /// A tensor the model needs is not in the file.
    #[error("tensor '{tensor}' is missing; export the model again")]
    MissingTensor {
        /// Full name of the tensor.
        tensor: String,
    },
    /// The file holds a tensor that the format does not know.
    #[error("tensor '{tensor}' does not belong to the format; remove it")]
    UnknownTensor {
        /// Full name of the tensor.
        tensor: String,
    },
    /// A tensor has the wrong element type or shape.
    #[error("tensor '{tensor}' is {got}, expected {expected}")]
    TensorShape {
        /// Full name of the tensor.
        tensor: String,
        /// Element type and shape that the metadata imply.
        expected: String,
        /// Element type and shape found.
        got: String,
    },
    /// An entry of a tensor or table is outside its range.
    #[error("tensor '{tensor}' entry {index} is {value}, admitted are {admitted}")]
    Entry {
        /// Full name of the tensor.
        tensor: String,
        /// Flat index of the first bad entry (row-major).
        index: usize,
        /// Its value.
        value: i64,
        /// The admitted values, in words.
        admitted: String,
    },
    /// The two rows of a rotary pair carry different multipliers.
    #[error(
        "tensor '{tensor}': rows {first} and {second} form a rotary pair and need equal multipliers, got {first_value} and {second_value}"
    )]
    PairMultiplier {
        /// Full name of the multiplier tensor.
        tensor: String,
        /// Row of the first half.
        first: usize,
        /// Row of the second half.
        second: usize,
        /// Multiplier of `first`.
        first_value: i32,
        /// Multiplier of `second`.
        second_value: i32,
    },
    /// A worst-case intermediate value passes its limit, so exactness could not be guaranteed.
    #[error(
        "{place}: worst case of {bound} needs {bits:.2} bits, the limit is {limit_bits:.2}; export with narrower widths or smaller scales"
    )]
    Bound {
        /// `layer i`, or `model` for what belongs to no layer.
        place: String,
        /// Name of the bound.
        bound: &'static str,
        /// log2 of the worst case.
        bits: f64,
        /// log2 of the limit.
        limit_bits: f64,
    },
    /// Tokens given to an engine are not usable.
    #[error("{reason}")]
    Input {
        /// What is wrong and what is admitted.
        reason: String,
    },
    /// The engine gave a wrong answer to the question whose answer is known: this machine must not be used.
    #[error(
        "engine self-test failed ({path}): this machine or build computes wrong integers; do not mine with it"
    )]
    SelfTest {
        /// The code path that was wrong.
        path: String,
    },
}
