//! What the model says along a given text: the cheap way to check an answer that somebody else gave.

use super::Engine;
use super::TopEntry;
use super::cache::Cache;
use super::forward::{MAX_ROWS, Row, Scratch};
use crate::ModelError;

impl Engine {
    /// The `count` best candidates behind each of the tokens `from..tokens.len()`, logit descending, id ascending: all
    /// of them in one pass, where an answer takes a pass for each token.
    ///
    /// An answer is right if it was chosen from them: of a prompt of p tokens and the answer a, `score(prompt + a
    /// without its last, p - 1, k)` begins each list with the answer's token.
    ///
    /// # Errors
    /// [`ModelError::Input`] for no token, a token outside the vocabulary, a text that is too long, `from` behind the
    /// last token, or `count` outside 1 to min(vocab, 1024).
    pub fn score(&self, tokens: &[u32], from: usize, count: usize) -> Result<Vec<Vec<TopEntry>>, ModelError> {
        let shape = &self.model.shape;
        if tokens.is_empty() {
            return Err(ModelError::Input { reason: "at least one token is needed".into() });
        }
        shape.check_tokens(0, tokens, 0)?;
        shape.check_top(count)?;
        if from >= tokens.len() {
            let reason = format!("from is {from}, must be below the {} tokens", tokens.len());
            return Err(ModelError::Input { reason });
        }
        let mut caches = [Cache::new(shape)];
        let mut scratch = Scratch::default();
        let mut found = Vec::with_capacity(tokens.len() - from);
        self.workers.enter(|| {
            for (number, chunk) in tokens.chunks(MAX_ROWS).enumerate() {
                let first = number * MAX_ROWS;
                let rows: Vec<Row> = (first..)
                    .zip(chunk)
                    .map(|(position, &token)| Row { sequence: 0, token, position })
                    .collect();
                let wanted: Vec<usize> = (from.saturating_sub(first).min(chunk.len())..chunk.len()).collect();
                self.forward(&mut caches, &rows, &wanted, &mut scratch);
                found.extend(self.best_of(&mut scratch, count));
            }
        });
        Ok(found)
    }
}
