//! Why a proof or a statement is refused.

use core::fmt;

/// One variant for each way to be refused; the verifier never panics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The statement contradicts itself or the model; the text names the field.
    Statement(&'static str),
    /// The proof's bytes do not decode canonically; the text names the part.
    Encoding(&'static str),
    /// The model descriptor does not hash to the stated model_id.
    ModelId,
    /// A descriptor field is out of its range.
    Descriptor(&'static str),
    /// Unknown mode bit, or modes that exclude each other.
    Modes(&'static str),
    /// An embedding row is not in the model's tree.
    Embedding,
    /// The lookup argument's fractional sum is refused.
    Lookup,
    /// A sumcheck's final value does not match; which one.
    Sumcheck(&'static str),
    /// An opening of a commitment is refused; which one.
    Opening(&'static str),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(s) => write!(f, "statement refused: {s}"),
            Self::Encoding(s) => write!(f, "proof encoding refused: {s}"),
            Self::ModelId => f.write_str("the proof's model descriptor does not hash to the stated model_id"),
            Self::Descriptor(s) => write!(f, "model descriptor refused: {s}"),
            Self::Modes(s) => write!(f, "mode mask refused: {s}"),
            Self::Embedding => f.write_str("an embedding row is not under the model's embedding root"),
            Self::Lookup => f.write_str("the lookup argument does not sum to zero"),
            Self::Sumcheck(s) => write!(f, "sumcheck refused: {s}"),
            Self::Opening(s) => write!(f, "opening refused: {s}"),
        }
    }
}

impl core::error::Error for VerifyError {}
