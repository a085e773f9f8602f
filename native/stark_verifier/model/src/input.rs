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

    /// Refuses answers that are not as many as the prompts, empty prompts or answers, tokens outside the vocabulary,
    /// and prompt and answer without its last token, which is no input, beyond `max_seq`.
    pub(crate) fn check_scored(&self, prompts: &[Vec<u32>], answers: &[Vec<u32>]) -> Result<(), ModelError> {
        let (count, given) = (prompts.len(), answers.len());
        if count != given {
            return input(format!("{count} prompts and {given} answers; give one answer for each prompt"));
        }
        for (index, (prompt, answer)) in prompts.iter().zip(answers).enumerate() {
            let (length, most) = (prompt.len() + answer.len(), self.max_seq);
            if length > most + 1 {
                return input(format!(
                    "prompt {index} and its answer have {length} tokens; without the last one the model takes at most {most}"
                ));
            }
            for (name, tokens) in [("prompt", prompt), ("answer", answer)] {
                if tokens.is_empty() {
                    return input(format!("{name} {index} is empty; at least one token is needed"));
                }
                if let Some(bad) = tokens.iter().position(|&token| token as usize >= self.vocab) {
                    let (token, vocab) = (tokens[bad], self.vocab);
                    return input(format!(
                        "{name} {index}, place {bad}: token {token} is not below the vocabulary size {vocab}"
                    ));
                }
            }
        }
        Ok(())
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
