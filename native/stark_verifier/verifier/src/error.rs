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
    /// A descriptor field is out of its range, or does not follow from the others.
    Descriptor(&'static str),
    /// Model and statement together need more cells than can be committed.
    Sizes,
    /// Unknown mode bit, or modes that exclude each other.
    Modes(&'static str),
    /// An embedding row is not in the model's tree.
    Embedding,
    /// A residual between two parts is none that a norm of the model takes.
    Boundary,
    /// The lookup argument's fractional sum is refused.
    Lookup,
    /// A sumcheck's final value does not match; which one.
    Sumcheck(&'static str),
    /// An opening of a commitment is refused; which one.
    Opening(&'static str),
}

impl VerifyError {
    /// Whether the bytes are no proof at all, whatever they were to show: they do not decode (`docs/proof.md`, section
    /// 15). All other refusals are of a proof that decodes, or of the statement.
    pub fn is_malformed(&self) -> bool {
        match self {
            Self::Encoding(_) | Self::Descriptor(_) | Self::Modes(_) | Self::Boundary => true,
            Self::Statement(_)
            | Self::Sizes
            | Self::ModelId
            | Self::Embedding
            | Self::Lookup
            | Self::Sumcheck(_)
            | Self::Opening(_) => false,
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(s) => write!(f, "statement refused: {s}"),
            Self::Encoding(s) => write!(f, "proof encoding refused: {s}"),
            Self::ModelId => f.write_str("the proof's model descriptor does not hash to the stated model_id"),
            Self::Descriptor(s) => write!(f, "model descriptor refused: {s}"),
            Self::Sizes => f.write_str("model and statement need more cells than can be committed"),
            Self::Modes(s) => write!(f, "mode mask refused: {s}"),
            Self::Embedding => f.write_str("an embedding row is not under the model's embedding root"),
            Self::Boundary => f.write_str("a residual between two parts is out of the model's range"),
            Self::Lookup => f.write_str("the lookup argument does not sum to zero"),
            Self::Sumcheck(s) => write!(f, "sumcheck refused: {s}"),
            Self::Opening(s) => write!(f, "opening refused: {s}"),
        }
    }
}

impl core::error::Error for VerifyError {}
