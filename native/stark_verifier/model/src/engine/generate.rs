//! Logits of whole sequences, and greedy answers to many prompts at once.

use super::Engine;
use super::TopEntry;
use super::cache::Cache;
use super::forward::{MAX_ROWS, Row, Scratch};
use crate::ModelError;

/// A greedy answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Answer tokens; the end token, where it came, is the last.
    pub tokens: Vec<u32>,
    /// Per answer token the best candidates, logit descending, id ascending; the first is the token itself.
    pub top: Vec<Vec<TopEntry>>,
}

/// One prompt on its way.
struct Running {
    prompt_len: usize,
    answer: Answer,
    done: bool,
}

impl Engine {
    /// Logits after every token of every sequence: per sequence `[position][vocab]`, flat.
    ///
    /// # Errors
    /// [`ModelError::Input`] for an empty sequence, a token outside the vocabulary, or a sequence that is too long.
    pub fn logits(&self, sequences: &[Vec<u32>]) -> Result<Vec<Vec<i64>>, ModelError> {
        self.model.shape.check_sequences(sequences)?;
        let work = |tokens: &Vec<u32>| -> Result<Vec<i64>, ModelError> {
            let mut out = Vec::with_capacity(tokens.len() * self.model.shape.vocab);
            self.session().append_each(tokens, |logits| out.extend_from_slice(logits))?;
            Ok(out)
        };
        let results = self.workers.enter(|| self.workers.for_each(sequences.iter().collect(), work));
        results.into_iter().collect()
    }

    /// Greedy answers of up to `max_new` tokens, each ending early at `eos` (which is kept), with the `top_k` best
    /// candidates of every position.
    ///
    /// # Errors
    /// [`ModelError::Input`] for an empty prompt, a token outside the vocabulary, `top_k` outside 1 to
    /// min(vocab, 1024), `max_new` of 0, or prompt and answer together too long: the last answer token is no
    /// input, so `prompt + max_new - 1` may reach the model's longest sequence.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        max_new: usize,
        eos: u32,
        top_k: usize,
    ) -> Result<Vec<Answer>, ModelError> {
        let shape = &self.model.shape;
        shape.check_sequences(prompts)?;
        shape.check_answers(prompts, max_new)?;
        shape.check_top(top_k)?;
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let groups: Vec<&[Vec<u32>]> =
            prompts.chunks(prompts.len().div_ceil(self.workers.threads())).collect();
        let work = |group: &[Vec<u32>]| self.generate_group(group, max_new, eos, top_k);
        Ok(self.workers.enter(|| self.workers.for_each(groups, work)).into_iter().flatten().collect())
    }

    /// The greedy answer to one prompt, each token handed to `each` as soon as it is known; it ends early at `eos`
    /// (which is handed over) or where `each` says false. Tokens are those of [`Engine::generate`].
    ///
    /// # Errors
    /// As there, and before the first token.
    pub fn answer(
        &self,
        prompt: &[u32],
        max_new: usize,
        eos: u32,
        mut each: impl FnMut(u32) -> bool,
    ) -> Result<(), ModelError> {
        let prompts = [prompt.to_vec()];
        self.model.shape.check_sequences(&prompts)?;
        self.model.shape.check_answers(&prompts, max_new)?;
        let mut session = self.session();
        let mut token = best(session.append(prompt)?);
        for produced in 1..=max_new {
            if !each(token) || token == eos || produced == max_new {
                break;
            }
            token = best(session.append(&[token])?);
        }
        Ok(())
    }

    /// All prompts of one thread, step by step together.
    fn generate_group(&self, prompts: &[Vec<u32>], max_new: usize, eos: u32, top_k: usize) -> Vec<Answer> {
        let mut caches = vec![Cache::new(&self.model.shape); prompts.len()];
        let mut running: Vec<Running> = prompts
            .iter()
            .map(|prompt| Running {
                prompt_len: prompt.len(),
                answer: Answer { tokens: Vec::new(), top: Vec::new() },
                done: false,
            })
            .collect();
        let mut rows: Vec<Row> = prompts.iter().enumerate().flat_map(|(i, p)| prompt_rows(i, p)).collect();
        let mut scratch = Scratch::default();
        while !rows.is_empty() {
            for chunk in rows.chunks(MAX_ROWS) {
                let last_of_sequence = |row: &Row| {
                    let state = &running[row.sequence];
                    row.position + 1 == state.prompt_len + state.answer.tokens.len()
                };
                let wanted: Vec<usize> = (0..chunk.len()).filter(|&i| last_of_sequence(&chunk[i])).collect();
                self.forward(&mut caches, chunk, &wanted, &mut scratch);
                for (&row, top) in wanted.iter().zip(self.best_of(&mut scratch, top_k)) {
                    let state = &mut running[chunk[row].sequence];
                    state.answer.tokens.push(top[0].0);
                    state.done = top[0].0 == eos || state.answer.tokens.len() == max_new;
                    state.answer.top.push(top);
                }
            }
            rows.clear();
            for (sequence, state) in running.iter().enumerate() {
                if let (false, Some(&token)) = (state.done, state.answer.tokens.last()) {
                    let position = state.prompt_len + state.answer.tokens.len() - 1;
                    rows.push(Row { sequence, token, position });
                }
            }
        }
        running.into_iter().map(|state| state.answer).collect()
    }
}

/// Id of the largest logit, the lowest on a tie.
fn best(logits: &[i64]) -> u32 {
    let top = logits.iter().copied().fold(i64::MIN, i64::max);
    logits.iter().position(|&logit| logit == top).unwrap_or(0) as u32
}

fn prompt_rows(sequence: usize, prompt: &[u32]) -> impl Iterator<Item = Row> {
    prompt.iter().enumerate().map(move |(position, &token)| Row { sequence, token, position })
}
