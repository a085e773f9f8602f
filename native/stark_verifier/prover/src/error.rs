//! Why a model cannot be keyed or a statement cannot be proven.

use esper_verifier::VerifyError;

/// Refusals of the prover.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The model breaks a load rule or a bound.
    #[error(transparent)]
    Model(#[from] esper_model::ModelError),
    /// The model's descriptor is out of the proof's ranges.
    #[error("model cannot be proven: {0}")]
    Descriptor(VerifyError),
    /// A clamp table that would serve a site could let a second output pass.
    #[error(
        "model cannot be proven: {site} needs a clamp table that is unsound at its shift; scale the layer down"
    )]
    ClampReach {
        /// The site.
        site: String,
    },
    /// The statement is refused before any work.
    #[error("{0}")]
    Statement(VerifyError),
    /// A part of the model does not hand on the residual that the next part takes.
    #[error("the part's layers do not end in the residual that is to be handed on")]
    Boundary,
    /// Integers that are not those that a part's descriptor is of.
    #[error("the integers are not those of the part: {0}")]
    Part(&'static str),
    /// Where a model is cut into parts.
    #[error("the cuts between parts are no ascending layers of the model")]
    Cuts,
    /// The statement's answers are not what the model computes.
    #[error("sequence {sequence}, answer {answer}: the model's {what} differs from the statement's")]
    Answer {
        /// Sequence of the batch.
        sequence: usize,
        /// Answer position.
        answer: usize,
        /// What differs.
        what: &'static str,
    },
}
