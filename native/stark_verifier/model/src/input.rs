//! Checks of the tokens given to an engine.

use crate::ModelError;
use crate::model::Shape;

impl Shape {
    /// Refuses empty sequences, tokens outside the vocabulary and sequences longer than `max_seq`.
    pub(crate) fn check_sequences(&self, sequences: &[Vec<u32>]) -> Result<(), ModelError> {
        for (index, tokens) in sequences.iter().enumerate() {
            if tokens.is_empty() {
                return input(format!("sequence {index} is empty; at least one token is needed"));
            }
            self.check_tokens(index, tokens, 0)?;
        }
        Ok(())
    }

    /// Refuses `tokens` of sequence number `index`, which follow `start` earlier ones, by the same rules.
    pub(crate) fn check_tokens(&self, index: usize, tokens: &[u32], start: usize) -> Result<(), ModelError> {
        let length = start + tokens.len();
        if length > self.max_seq {
            return input(format!(
                "sequence {index} has {length} tokens, the model takes at most {}",
                self.max_seq
            ));
        }
        match tokens.iter().position(|&token| token as usize >= self.vocab) {
            Some(bad) => {
                let (position, token, vocab) = (start + bad, tokens[bad], self.vocab);
                input(format!(
                    "sequence {index}, position {position}: token {token} is not below the vocabulary size {vocab}"
                ))
            }
            None => Ok(()),
        }
    }

    /// Refuses a number of candidates outside 1 to min(vocab, 1024).
    pub(crate) fn check_top(&self, count: usize) -> Result<(), ModelError> {
        let most = self.vocab.min(1024);
        if (1..=most).contains(&count) {
            return Ok(());
        }
        input(format!("top_k must be from 1 to {most}, got {count}"))
    }

    /// Refuses `max_new` of 0, and prompts that leave no room: the last answer token is no input, so
    /// `prompt + max_new - 1` may reach `max_seq`.
    pub(crate) fn check_answers(&self, prompts: &[Vec<u32>], max_new: usize) -> Result<(), ModelError> {
        if max_new == 0 {
            return input("max_new must be at least 1".into());
        }
        for (index, prompt) in prompts.iter().enumerate() {
            let length = prompt.len();
            if length.saturating_add(max_new - 1) > self.max_seq {
                let most = self.max_seq;
                return input(format!(
                    "prompt {index} of {length} tokens and {max_new} answer tokens pass the model's {most} positions"
                ));
            }
        }
        Ok(())
    }
}

fn input<T>(reason: String) -> Result<T, ModelError> {
    Err(ModelError::Input { reason })
}
