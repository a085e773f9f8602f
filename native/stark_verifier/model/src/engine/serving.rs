//! Many answers at once, of different age: sequences come and go while the others run on.
//!
//! A step runs at most [`MAX_ROWS`] tokens of any sequences: one for each that is being answered, and what is left of
//! the rows reads prompts. Nobody's answer depends on who runs beside it.

use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::TopEntry;
use super::cache::Cache;
use super::forward::{MAX_ROWS, Row, Scratch};
use crate::ModelError;

/// Most sequences of a batch.
pub const MAX_SLOTS: usize = 1024;

/// Rows of a step that are left to prompts while there are any, however many answers run.
const READING_ROWS: usize = 8;

/// What is asked of a batch.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names the sequence; free in the batch.
    pub id: u64,
    /// Input, at least one token.
    pub prompt: Vec<u32>,
    /// Longest answer in tokens. With 0 the prompt is read and kept, for others to begin with ([`ServingBatch::fork`]),
    /// until it is removed.
    pub max_new: usize,
    /// Candidates told with each token.
    pub top_k: usize,
}

/// A token of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whose.
    pub id: u64,
    /// The token: the first of `top`.
    pub token: u32,
    /// The best candidates, logit descending, id ascending.
    pub top: Vec<TopEntry>,
    /// Whether the answer is over, by the end token or by its length: its place is free.
    pub ended: bool,
}

/// One sequence of a batch.
struct Sequence {
    id: u64,
    /// Prompt and answer so far.
    tokens: Vec<u32>,
    prompt: usize,
    max_new: usize,
    top_k: usize,
    /// When it came: older prompts are read first.
    turn: u64,
}

impl Sequence {
    fn answered(&self) -> usize {
        self.tokens.len() - self.prompt
    }
}

/// Sequences that are answered together.
pub struct ServingBatch {
    engine: Arc<Engine>,
    positions: usize,
    slots: Vec<Option<Sequence>>,
    /// One a slot; a cache's length says how many tokens of its sequence have run.
    caches: Vec<Cache>,
    scratch: Scratch,
    turns: u64,
    /// Slot that is first in the next step: more answers than rows take turns.
    first: usize,
}

impl ServingBatch {
    /// A batch of at most `slots` sequences, each of at most `positions` tokens: what it may come to hold.
    ///
    /// # Errors
    /// [`ModelError::Input`] for `slots` outside 1 to [`MAX_SLOTS`], `positions` outside 1 to the model's longest.
    pub fn new(engine: Arc<Engine>, slots: usize, positions: usize) -> Result<Self, ModelError> {
        let shape = engine.model.shape;
        within("slots", slots, MAX_SLOTS)?;
        within("positions", positions, shape.max_seq)?;
        let caches = vec![Cache::new(&shape); slots];
        let slots = (0..slots).map(|_| None).collect();
        Ok(Self { engine, positions, slots, caches, scratch: Scratch::default(), turns: 0, first: 0 })
    }

    /// Sequences that hold a place.
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Whether no sequence holds a place.
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// Takes a sequence in. Nothing of it runs before the next [`Self::run`].
    ///
    /// # Errors
    /// [`ModelError::Input`] for an id that is here, a batch that is full, an empty prompt, a token outside the
    /// vocabulary, prompt and answer that do not fit the positions together (the last token of an answer is no
    /// input), or `top_k` outside 1 to min(vocab, 1024).
    pub fn add(&mut self, request: Request) -> Result<(), ModelError> {
        let slot = self.admit(&request)?;
        self.place(slot, request, Cache::new(&self.engine.model.shape));
        Ok(())
    }

    /// The same for a sequence whose first `length` tokens are those of `of`, and have run: they do not run again.
    ///
    /// How long an answer takes then tells that somebody asked that before: only share what the asker may know.
    ///
    /// # Errors
    /// As [`Self::add`]; for an `of` that is not here, and for a `length` that has not run there, is not a beginning of
    /// both, or leaves nothing of the prompt.
    pub fn fork(&mut self, of: u64, length: usize, request: Request) -> Result<(), ModelError> {
        let slot = self.admit(&request)?;
        let source = self.slot_of(of).ok_or_else(|| input(format!("sequence {of} is not in the batch")))?;
        let run = self.caches[source].len;
        if length > run {
            return Err(input(format!("length is {length}, but {run} tokens of sequence {of} have run")));
        }
        if length >= request.prompt.len() {
            let prompt = request.prompt.len();
            return Err(input(format!("length is {length}, must leave a token of the prompt of {prompt}")));
        }
        let tokens = self.slots[source].as_ref().map_or(&[][..], |sequence| &sequence.tokens);
        if tokens[..length] != request.prompt[..length] {
            return Err(input(format!("the first {length} tokens are not those of sequence {of}")));
        }
        let cache = self.caches[source].beginning(length);
        self.place(slot, request, cache);
        Ok(())
    }

    /// Gives a sequence up; whether it was here. Its memory is free at once.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(slot) = self.slot_of(id) else { return false };
        self.free(slot);
        true
    }

    /// Runs up to `max_steps` steps and tells the tokens that came of them, in their order.
    ///
    /// It comes back early once a first token of an answer or an end is among them, when `deadline` has passed (no step
    /// is broken off), and when nothing is left to run.
    pub fn run(&mut self, max_steps: usize, deadline: Option<Instant>) -> Vec<Told> {
        let engine = Arc::clone(&self.engine);
        engine.workers.enter(|| {
            let mut told = Vec::new();
            for _ in 0..max_steps {
                let before = told.len();
                if !self.step(&mut told) {
                    break;
                }
                let first = |one: &Told| self.slot_of(one.id).is_some_and(|slot| self.is_first(slot));
                if told[before..].iter().any(|one| one.ended || first(one)) {
                    break;
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    break;
                }
            }
            told
        })
    }

    fn is_first(&self, slot: usize) -> bool {
        self.slots[slot].as_ref().is_some_and(|sequence| sequence.answered() == 1)
    }

    /// One step; whether there was anything to run.
    fn step(&mut self, told: &mut Vec<Told>) -> bool {
        let (rows, wanted) = self.rows();
        if rows.is_empty() {
            return false;
        }
        self.engine.forward(&mut self.caches, &rows, &wanted, &mut self.scratch);
        let most = wanted.iter().filter_map(|&row| self.slots[rows[row].sequence].as_ref());
        let most = most.map(|sequence| sequence.top_k).max().unwrap_or(1);
        let found = self.engine.best_of(&mut self.scratch, most);
        for (&row, mut top) in wanted.iter().zip(found) {
            let slot = rows[row].sequence;
            let Some(sequence) = self.slots[slot].as_mut() else { continue };
            top.truncate(sequence.top_k);
            let token = top[0].0;
            sequence.tokens.push(token);
            let ended = token == self.engine.model.eos || sequence.answered() == sequence.max_new;
            told.push(Told { id: sequence.id, token, top, ended });
            if ended {
                self.free(slot);
            }
        }
        true
    }

    /// Rows of the next step, and which of them are to be answered.
    fn rows(&mut self) -> (Vec<Row>, Vec<usize>) {
        let (mut rows, mut wanted) = (Vec::with_capacity(MAX_ROWS), Vec::new());
        let mut reading = Vec::new();
        let count = self.slots.len();
        let mut behind = self.first;
        let is_read = |slot: usize| {
            self.slots[slot].as_ref().is_some_and(|sequence| self.caches[slot].len < sequence.prompt)
        };
        let room = if (0..count).any(is_read) { MAX_ROWS - READING_ROWS } else { MAX_ROWS };
        for slot in (self.first..count).chain(0..self.first) {
            let Some(sequence) = &self.slots[slot] else { continue };
            let run = self.caches[slot].len;
            if run < sequence.prompt {
                reading.push((sequence.turn, slot));
            } else if sequence.max_new > 0 && rows.len() < room {
                wanted.push(rows.len());
                rows.push(Row { sequence: slot, token: sequence.tokens[run], position: run });
                behind = slot + 1;
            }
        }
        self.first = behind % count;
        reading.sort_unstable();
        for (_, slot) in reading {
            let Some(sequence) = &self.slots[slot] else { continue };
            let run = self.caches[slot].len;
            let end = sequence.prompt.min(run + MAX_ROWS - rows.len());
            let part =
                (run..end).map(|position| Row { sequence: slot, token: sequence.tokens[position], position });
            rows.extend(part);
            if end == sequence.prompt && sequence.max_new > 0 {
                wanted.push(rows.len() - 1);
            }
        }
        (rows, wanted)
    }

    /// A free slot for what may come in.
    fn admit(&self, request: &Request) -> Result<usize, ModelError> {
        let shape = &self.engine.model.shape;
        let Request { id, prompt, max_new, top_k } = request;
        if self.slot_of(*id).is_some() {
            return Err(input(format!("sequence {id} is in the batch already")));
        }
        if prompt.is_empty() {
            return Err(input(format!("sequence {id} is empty; at least one token is needed")));
        }
        let length = prompt.len().saturating_add(max_new.saturating_sub(1));
        if length > self.positions {
            let most = self.positions;
            return Err(input(format!(
                "sequence {id}: {} tokens and an answer of {max_new} pass the {most} positions of this batch",
                prompt.len()
            )));
        }
        shape.check_tokens(0, prompt, 0)?;
        shape.check_top(*top_k)?;
        let most = self.slots.len();
        self.slots
            .iter()
            .position(Option::is_none)
            .ok_or_else(|| input(format!("all {most} places are taken")))
    }

    fn place(&mut self, slot: usize, request: Request, cache: Cache) {
        let Request { id, prompt: tokens, max_new, top_k } = request;
        let prompt = tokens.len();
        self.caches[slot] = cache;
        self.slots[slot] = Some(Sequence { id, tokens, prompt, max_new, top_k, turn: self.turns });
        self.turns += 1;
    }

    fn free(&mut self, slot: usize) {
        self.slots[slot] = None;
        self.caches[slot] = Cache::new(&self.engine.model.shape);
    }

    fn slot_of(&self, id: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(|sequence| sequence.id == id))
    }
}

fn within(name: &str, value: usize, most: usize) -> Result<(), ModelError> {
    if (1..=most).contains(&value) {
        Ok(())
    } else {
        Err(input(format!("{name} must be from 1 to {most}, got {value}")))
    }
}

fn input(reason: String) -> ModelError {
    ModelError::Input { reason }
}
