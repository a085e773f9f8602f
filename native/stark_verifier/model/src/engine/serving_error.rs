//! Why a batch does not take what it is given, one variant per rule.

use crate::ModelError;

/// What is wrong with a batch that is asked for, or with a sequence that is to come into one. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// A size of the batch that is not admitted.
    #[error("{name} must be from 1 to {most}, got {got}")]
    Size {
        /// Which: slots or rows.
        name: &'static str,
        /// What was asked for.
        got: usize,
        /// The most.
        most: usize,
    },
    /// A scale of the logits that is no scale.
    #[error("logit_scale must be a number from 0 on, got {got}")]
    Scale {
        /// What was given.
        got: f64,
    },
    /// The memory of all caches was refused.
    #[error("there is no memory for {slots} slots of {bytes} bytes each; take fewer")]
    Memory {
        /// Slots asked for.
        slots: usize,
        /// What one of them takes.
        bytes: usize,
    },
    /// The id is running.
    #[error("sequence {id} is in the batch already")]
    Taken {
        /// Whose.
        id: u64,
    },
    /// A prompt without tokens.
    #[error("sequence {id} is empty; at least one token is needed")]
    Empty {
        /// Whose.
        id: u64,
    },
    /// An answer of no token.
    #[error("sequence {id}: max_new must be at least 1")]
    NoAnswer {
        /// Whose.
        id: u64,
    },
    /// Prompt and answer that do not fit into a cache together.
    #[error("sequence {id}: {prompt} tokens and an answer of {max_new} pass the {rows} rows of this batch")]
    Rows {
        /// Whose.
        id: u64,
        /// Tokens of its prompt.
        prompt: usize,
        /// Longest answer that was asked for; its last token takes no row.
        max_new: usize,
        /// Rows of a cache.
        rows: usize,
    },
    /// A token outside the vocabulary.
    #[error("sequence {id}, position {position}: token {token} is not below the vocabulary size {vocab}")]
    Token {
        /// Whose.
        id: u64,
        /// Place in the prompt.
        position: usize,
        /// The token.
        token: u32,
        /// Tokens of the model.
        vocab: usize,
    },
    /// More candidates than are told.
    #[error("top_k must be at most {most}, got {got}")]
    Top {
        /// What was asked for.
        got: usize,
        /// The most.
        most: usize,
    },
    /// A group whose name is too long.
    #[error("group has {bytes} bytes, at most {most} are admitted")]
    Group {
        /// Of the name.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// More public tokens than the prompt has.
    #[error("sequence {id}: {got} tokens of the prompt cannot be public, it has {prompt}")]
    Public {
        /// Whose.
        id: u64,
        /// Tokens said to be public.
        got: usize,
        /// Tokens of its prompt.
        prompt: usize,
    },
    /// Every place is running.
    #[error("all {slots} places are taken")]
    Full {
        /// Places of the batch.
        slots: usize,
    },
    /// The engine itself.
    #[error(transparent)]
    Engine(#[from] ModelError),
}
