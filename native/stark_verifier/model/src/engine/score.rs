//! What the model says along answers that are given: the cheap way to check what somebody else answered.

use super::Engine;
use super::TopEntry;
use super::cache::Cache;
use super::forward::{MAX_ROWS, Row, Scratch};
use crate::ModelError;

/// A prompt and the answer that is held against the model.
struct Text<'a> {
    prompt: &'a [u32],
    answer: &'a [u32],
}

impl Text<'_> {
    /// Tokens that run: the last of the answer predicts nothing that was answered.
    fn len(&self) -> usize {
        self.prompt.len() + self.answer.len() - 1
    }

    fn rows(&self, sequence: usize) -> impl Iterator<Item = Row> {
        let tokens = self.prompt.iter().chain(self.answer).take(self.len());
        tokens.enumerate().map(move |(position, &token)| Row { sequence, token, position })
    }
}

impl Engine {
    /// For every token of every answer the `count` best candidates, logit descending, id ascending: all that
    /// [`Engine::generate`] would tell, were each token what it chose. A text runs in one pass, where an answer takes
    /// a pass for each token, and short texts share theirs.
    ///
    /// An answer is the model's own if it ends where the model's would, and each of its tokens is the first of its
    /// list: up to the first that is not, lists are those of the right answer, and behind it they follow the given
    /// one. No token ends an answer here, the end token neither.
    ///
    /// One thread holds keys and values of the texts of one pass: at most `max_seq + 47` positions, however many
    /// texts there are.
    ///
    /// # Errors
    /// [`ModelError::Input`] where prompts and answers are not equally many, for an empty one, a token outside the
    /// vocabulary, a prompt and answer without its last token that pass the model's longest sequence, or `count`
    /// outside 1 to min(vocab, 1024).
    pub fn score(
        &self,
        prompts: &[Vec<u32>],
        answers: &[Vec<u32>],
        count: usize,
    ) -> Result<Vec<Vec<Vec<TopEntry>>>, ModelError> {
        let shape = &self.model.shape;
        shape.check_scored(prompts, answers)?;
        shape.check_top(count)?;
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<Text> =
            prompts.iter().zip(answers).map(|(prompt, answer)| Text { prompt, answer }).collect();
        let groups: Vec<&[Text]> = texts.chunks(texts.len().div_ceil(self.workers.threads())).collect();
        let work = |group: &[Text]| self.score_group(group, count);
        Ok(self.workers.enter(|| self.workers.for_each(groups, work)).into_iter().flatten().collect())
    }

    /// All texts of one thread, one behind the other: a pass takes the end of one and the beginning of the next, so
    /// that every pass but the last uses each weight for all of its rows.
    fn score_group(&self, texts: &[Text], count: usize) -> Vec<Vec<Vec<TopEntry>>> {
        let mut found: Vec<_> = texts.iter().map(|text| Vec::with_capacity(text.answer.len())).collect();
        let mut coming = texts.iter().enumerate().flat_map(|(number, text)| text.rows(number));
        let mut scratch = Scratch::default();
        // Those of the texts that are in this pass; `first` is the number of the first.
        let mut caches: Vec<Cache> = Vec::new();
        let mut first = 0;
        let mut rows: Vec<Row> = Vec::with_capacity(MAX_ROWS);
        loop {
            rows.clear();
            rows.extend(coming.by_ref().take(MAX_ROWS));
            let Some(&last) = rows.last() else { break };
            let wanted: Vec<usize> = (0..rows.len())
                .filter(|&row| rows[row].position + 1 >= texts[rows[row].sequence].prompt.len())
                .collect();
            let asked: Vec<usize> = wanted.iter().map(|&row| rows[row].sequence).collect();
            caches.resize_with(last.sequence + 1 - first, || Cache::new(&self.model.shape));
            rows.iter_mut().for_each(|row| row.sequence -= first);
            self.forward(&mut caches, &rows, &wanted, &mut scratch);
            for (text, top) in asked.into_iter().zip(self.best_of(&mut scratch, count)) {
                found[text].push(top);
            }
            let over = last.sequence + usize::from(last.position + 1 == texts[last.sequence].len()) - first;
            caches.drain(..over);
            first += over;
        }
        found
    }
}
