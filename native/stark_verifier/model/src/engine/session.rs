//! One sequence that grows.

use super::Engine;
use super::cache::Cache;
use super::forward::{MAX_ROWS, Row, Scratch};
use crate::ModelError;

/// A sequence with its keys and values; tokens are appended in any portions.
pub struct Session<'e> {
    engine: &'e Engine,
    caches: [Cache; 1],
    scratch: Scratch,
    logits: Vec<i64>,
}

impl Engine {
    /// An empty sequence.
    pub fn session(&self) -> Session<'_> {
        Session {
            engine: self,
            caches: [Cache::new(&self.model.shape)],
            scratch: Scratch::default(),
            logits: Vec::new(),
        }
    }
}

impl Session<'_> {
    /// Tokens appended so far.
    pub fn position(&self) -> usize {
        self.caches[0].len
    }

    /// Appends at least one token and returns the logits after the last one, `[vocab]`.
    ///
    /// # Errors
    /// [`ModelError::Input`] for no token, a token outside the vocabulary, or more tokens than the model takes.
    pub fn append(&mut self, tokens: &[u32]) -> Result<&[i64], ModelError> {
        self.run(tokens, false, |_| ())?;
        Ok(&self.logits)
    }

    /// Appends tokens and hands the logits after each to `each`, in order.
    pub(super) fn append_each(
        &mut self,
        tokens: &[u32],
        each: impl FnMut(&[i64]) + Send,
    ) -> Result<(), ModelError> {
        self.run(tokens, true, each)
    }

    fn run(
        &mut self,
        tokens: &[u32],
        all: bool,
        mut each: impl FnMut(&[i64]) + Send,
    ) -> Result<(), ModelError> {
        let start = self.position();
        if tokens.is_empty() {
            return Err(ModelError::Input { reason: "at least one token is needed".into() });
        }
        self.engine.model.shape.check_tokens(0, tokens, start)?;
        let Self { engine, caches, scratch, logits } = self;
        engine.workers.enter(|| {
            for (chunk_index, chunk) in tokens.chunks(MAX_ROWS).enumerate() {
                let first = chunk_index * MAX_ROWS;
                let rows: Vec<Row> = chunk
                    .iter()
                    .enumerate()
                    .map(|(i, &token)| Row { sequence: 0, token, position: start + first + i })
                    .collect();
                let last = first + chunk.len() == tokens.len();
                let from = if all {
                    0
                } else if last {
                    chunk.len() - 1
                } else {
                    chunk.len()
                };
                let wanted: Vec<usize> = (from..chunk.len()).collect();
                engine.forward(caches, &rows, &wanted, scratch);
                engine.logits_of(scratch, logits, &mut each);
            }
        });
        Ok(())
    }
}
