//! What is proven, in the clear: token sequences, answers and top-K logits under a model.

use crate::descriptor::Descriptor;
use crate::error::VerifyError;
use crate::limits::{self, Limit};
use crate::mle::index_bits;
use alloc::vec::Vec;
use esper_commitment::Transcript;

/// One sequence of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceStatement {
    /// Input tokens before the answer, at least one.
    pub prompt: Vec<u32>,
    /// Answer tokens, 1..=max_answer; the last one is no input row.
    pub answer: Vec<u32>,
    /// Longest answer allowed (g), 1..=rows: a shorter one ends with EOS.
    pub max_answer: usize,
    /// Per answer token: K (id, logit), logit descending, id ascending; the first id is the token.
    pub top: Vec<Vec<(u32, i64)>>,
}

/// The statement of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Commitment of the model.
    pub model_id: [u8; 64],
    /// What the proof is bound to: a block's seed or a call group's hash.
    pub binding: [u8; 64],
    /// Rows of each sequence, a power of two.
    pub rows: usize,
    /// Length of each top list (K).
    pub top_k: usize,
    /// The batch.
    pub sequences: Vec<SequenceStatement>,
}

/// Sizes of a proof's tables that follow from the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Sequences, padded to a power of two (S).
    pub sequences: usize,
    /// Positions of a sequence, a power of two (T).
    pub positions: usize,
    /// Answers in all (A).
    pub answers: usize,
    /// K.
    pub top_k: usize,
}

impl Instance {
    /// log2 of S T.
    pub fn row_bits(&self) -> usize {
        self.position_bits() + index_bits(self.sequences)
    }

    /// log2 of T.
    pub fn position_bits(&self) -> usize {
        index_bits(self.positions)
    }

    /// Bits of an answer index.
    pub fn answer_bits(&self) -> usize {
        index_bits(self.answers)
    }

    /// S T.
    pub fn rows(&self) -> usize {
        self.sequences * self.positions
    }
}

impl Statement {
    /// Checks everything that can be checked in the clear (PROOF_SPEC section 3, "Statement").
    ///
    /// # Errors
    /// [`VerifyError::Statement`] with the name of the limit, as in [`limits`], or of the rule.
    pub fn check(&self, d: &Descriptor) -> Result<Instance, VerifyError> {
        let must = |ok: bool, what| if ok { Ok(()) } else { Err(VerifyError::Statement(what)) };
        let within = |value: usize, limit: Limit| must(limit.takes(value), limit.name);
        must(!self.sequences.is_empty(), "no sequence")?;
        within(self.rows, limits::ROWS)?;
        must(self.rows.is_power_of_two(), "rows is no power of two")?;
        must(self.rows <= d.max_seq, "rows exceed the model's max_seq")?;
        within(self.sequences.len().saturating_mul(self.rows), limits::ALL_ROWS)?;
        within(self.top_k, limits::TOP_K)?;
        must(self.top_k <= d.vocab, "top_k exceeds the vocabulary")?;
        let answers = self.sequences.iter().map(|s| s.answer.len()).sum::<usize>();
        must(answers > 0, "empty answer")?;
        within(answers.saturating_mul(self.top_k), limits::LISTED)?;
        let mut answers = 0;
        for s in &self.sequences {
            must(!s.prompt.is_empty(), "empty prompt")?;
            must(!s.answer.is_empty(), "empty answer")?;
            must((1..=self.rows).contains(&s.max_answer), "max_answer")?;
            must(s.answer.len() <= s.max_answer, "answer longer than max_answer")?;
            must(
                s.prompt.len() <= self.rows && s.prompt.len() + s.answer.len() - 1 <= self.rows,
                "sequence longer than rows",
            )?;
            must(
                s.prompt.iter().chain(&s.answer).all(|&t| (t as usize) < d.vocab),
                "token outside the vocabulary",
            )?;
            let (last, before) = s.answer.split_last().ok_or(VerifyError::Statement("empty answer"))?;
            must(!before.contains(&d.eos), "EOS before the last answer")?;
            must(s.answer.len() == s.max_answer || *last == d.eos, "short answer without EOS")?;
            must(s.top.len() == s.answer.len(), "one top list an answer token")?;
            for (list, &token) in s.top.iter().zip(&s.answer) {
                must(list.len() == self.top_k, "top list of another length than top_k")?;
                must(list.iter().all(|&(id, _)| (id as usize) < d.vocab), "top id outside the vocabulary")?;
                must(
                    list.iter().all(|&(_, l)| l.unsigned_abs() <= d.logit_bound),
                    "logit beyond the model's bound",
                )?;
                let sorted =
                    list.windows(2).all(|w| w[0].1 > w[1].1 || (w[0].1 == w[1].1 && w[0].0 < w[1].0));
                must(sorted, "top list is not sorted by logit descending, id ascending")?;
                // Equal ids cannot pass the sort unless their logits differ.
                let distinct = list.iter().enumerate().all(|(i, a)| list[..i].iter().all(|b| b.0 != a.0));
                must(distinct, "duplicate id in a top list")?;
                must(list[0].0 == token, "first id of a top list is not the answer token")?;
            }
            answers += s.answer.len();
        }
        Ok(Instance {
            sequences: self.sequences.len().next_power_of_two(),
            positions: self.rows,
            answers,
            top_k: self.top_k,
        })
    }

    /// Token of every row, pads being token 0: row = sequence * T + position.
    pub fn row_tokens(&self, instance: &Instance) -> Vec<u32> {
        let mut rows = alloc::vec![0; instance.rows()];
        for (s, out) in self.sequences.iter().zip(rows.chunks_mut(instance.positions)) {
            let inputs = s.prompt.iter().chain(&s.answer[..s.answer.len() - 1]);
            out.iter_mut().zip(inputs).for_each(|(o, &t)| *o = t);
        }
        rows
    }

    /// Row of every answer, in order: prompt_len - 1 + i of its sequence.
    pub fn answer_rows(&self, instance: &Instance) -> Vec<usize> {
        let starts = self.sequences.iter().enumerate();
        starts
            .flat_map(|(j, s)| {
                (0..s.answer.len()).map(move |i| j * instance.positions + s.prompt.len() - 1 + i)
            })
            .collect()
    }

    /// Top lists of all answers, in order.
    pub fn top_lists(&self) -> impl Iterator<Item = &[(u32, i64)]> {
        self.sequences.iter().flat_map(|s| s.top.iter().map(Vec::as_slice))
    }

    /// Absorbs every field, counts included, before the first challenge.
    pub fn absorb(&self, t: &mut Transcript) {
        t.absorb_bytes(&self.model_id);
        t.absorb_bytes(&self.binding);
        for v in [self.sequences.len(), self.rows, self.top_k] {
            t.absorb_u64(v as u64);
        }
        for s in &self.sequences {
            for v in [s.prompt.len(), s.answer.len(), s.max_answer] {
                t.absorb_u64(v as u64);
            }
            let mut bytes = Vec::with_capacity(4 * (s.prompt.len() + s.answer.len()));
            for token in s.prompt.iter().chain(&s.answer) {
                bytes.extend_from_slice(&token.to_le_bytes());
            }
            for &(id, logit) in s.top.iter().flatten() {
                bytes.extend_from_slice(&id.to_le_bytes());
                bytes.extend_from_slice(&logit.to_le_bytes());
            }
            t.absorb_bytes(&bytes);
        }
    }
}
