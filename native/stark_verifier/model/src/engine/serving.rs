//! Many answers at once, of different age: sequences come and go while the others run on.
//!
//! A step runs at most [`MAX_ROWS`] tokens of any sequences: one for each that is being answered, and what is left of
//! the rows reads prompts. Nobody's answer depends on who runs beside it.
//!
//! How long an answer takes, though, tells whether its prompt was known. So a prompt begins with what has run of
//! another only within its *group*, which is one asker's; a sequence that is over stays for that as long as nobody
//! needs its place. Between groups there is one beginning that tells nothing: tokens that are *public*, since whoever
//! knows the model can say them, such as what its chat template writes before anything of a user's.

use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::TopEntry;
use super::cache::Cache;
use super::forward::{MAX_ROWS, Row, Scratch};
use super::likelihood::logsumexp;
use super::serving_error::ServingError;
use super::top::insert;
use crate::model::Shape;

/// Most sequences of a batch.
pub const MAX_SLOTS: usize = 1024;

/// Most candidates told with a token.
pub const MAX_TOP: usize = 20;

/// Longest name of a group, in bytes.
pub const MAX_GROUP: usize = 64;

/// Rows of a step that are left to prompts while there are any, however many answers run.
const READING_ROWS: usize = 8;

/// What is asked of a batch.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names the sequence; free in the batch.
    pub id: u64,
    /// Input, at least one token.
    pub prompt: Vec<u32>,
    /// Longest answer in tokens, at least 1.
    pub max_new: usize,
    /// Candidates told with each token, 0 to [`MAX_TOP`].
    pub top_k: usize,
    /// Who may know of its prompt by the time that an answer takes; of nobody's if empty.
    pub group: String,
    /// Tokens at the front of the prompt that everybody may know of; all others share them who say so of theirs.
    pub public: usize,
}

/// A token of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Whose.
    pub id: u64,
    /// The token with the largest logit, the lowest on a tie.
    pub token: u32,
    /// Its logit.
    pub logit: i64,
    /// The best candidates, logit descending, id ascending; as many as were asked for.
    pub top: Vec<TopEntry>,
    /// Logarithm of the sum of the exponentials of all scaled logits, a float that is no part of any proof; 0 where no
    /// candidates were asked for.
    pub logsumexp: f64,
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
    group: String,
    public: usize,
    /// When it came, or ended: older prompts are read first, what is over longest goes first.
    turn: u64,
    /// It has its answer, or was given up, and is here for others to begin with.
    over: bool,
}

impl Sequence {
    fn answered(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// Leading tokens of it that another may begin with, if they are the same.
    fn open_to(&self, request: &Request) -> usize {
        let ours = !self.group.is_empty() && self.group == request.group;
        if ours { self.tokens.len() } else { self.public.min(request.public) }
    }
}

/// Where a sequence comes, and what it begins with: a slot, and how many of its tokens have run there.
struct Place {
    slot: usize,
    begins: Option<(usize, usize)>,
}

/// Sequences that are answered together.
pub struct ServingBatch {
    engine: Arc<Engine>,
    rows: usize,
    logit_scale: f64,
    slots: Vec<Option<Sequence>>,
    /// One a slot, all memory reserved; a cache's length says how many tokens of its sequence have run.
    caches: Vec<Cache>,
    scratch: Scratch,
    /// Of one row, while candidates are told.
    logits: Vec<i64>,
    turns: u64,
    /// Slot that is first in the next step: more answers than rows take turns.
    first: usize,
}

impl ServingBatch {
    /// A batch of at most `slots` sequences with caches of `rows` positions each: what it holds from now on.
    /// `logit_scale` is what one unit of a logit is worth, for `logsumexp`.
    ///
    /// # Errors
    /// [`ServingError::Size`] for `slots` outside 1 to [`MAX_SLOTS`], `rows` outside 1 to the model's longest
    /// sequence; [`ServingError::Scale`]; [`ServingError::Memory`].
    pub fn new(
        engine: Arc<Engine>,
        slots: usize,
        rows: usize,
        logit_scale: f64,
    ) -> Result<Self, ServingError> {
        let shape = engine.model.shape;
        within("slots", slots, MAX_SLOTS)?;
        within("rows", rows, shape.max_seq)?;
        if !(logit_scale.is_finite() && logit_scale >= 0.0) {
            return Err(ServingError::Scale { got: logit_scale });
        }
        let caches = (0..slots)
            .map(|_| Cache::reserved(&shape, rows))
            .collect::<Result<Vec<Cache>, _>>()
            .map_err(|_| ServingError::Memory { slots, bytes: Cache::bytes(&shape, rows) })?;
        let slots = (0..slots).map(|_| None).collect();
        let (scratch, logits) = (Scratch::default(), Vec::new());
        Ok(Self { engine, rows, logit_scale, slots, caches, scratch, logits, turns: 0, first: 0 })
    }

    /// Bytes that one slot of so many rows takes.
    pub fn slot_bytes(shape: &Shape, rows: usize) -> usize {
        Cache::bytes(shape, rows)
    }

    /// Sequences that are being answered.
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().filter(|sequence| !sequence.over).count()
    }

    /// Whether nobody is being answered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a sequence in, and tells how many of its tokens need not run, since they have in its group, or in any if
    /// both say that they are public. Nothing of it runs before the next [`Self::run`].
    ///
    /// # Errors
    /// [`ServingError`] for an id that is here, an empty prompt, no answer, prompt and answer that do not fit the rows
    /// together (the last token of an answer takes none), a token outside the vocabulary, `top_k` above [`MAX_TOP`] or
    /// the vocabulary, a group's name above [`MAX_GROUP`], more public tokens than there are, a batch that is full.
    pub fn add(&mut self, request: Request) -> Result<usize, ServingError> {
        self.check(&request)?;
        let place = self.place_for(&request)?;
        let shared = place.begins.map_or(0, |(_, length)| length);
        self.seat(place, request);
        Ok(shared)
    }

    /// Gives a sequence up; whether it was here.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(slot) = self.slot_of(id) else { return false };
        self.retire(slot);
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
        let slots: Vec<usize> = wanted.iter().map(|&row| rows[row].sequence).collect();
        for (&slot, (top, logsumexp)) in slots.iter().zip(self.candidates(&slots)) {
            let Some(sequence) = self.slots[slot].as_mut() else { continue };
            let (token, logit) = top[0];
            let top = top.into_iter().take(sequence.top_k).collect();
            sequence.tokens.push(token);
            let ended = token == self.engine.model.eos || sequence.answered() == sequence.max_new;
            told.push(Told { id: sequence.id, token, logit, top, logsumexp, ended });
            if ended {
                self.retire(slot);
            }
        }
        true
    }

    /// The best of each wanted row, at least one, and how likely it was where somebody asks.
    fn candidates(&mut self, slots: &[usize]) -> Vec<(Vec<TopEntry>, f64)> {
        let top_k = |slot: &usize| self.slots[*slot].as_ref().map_or(0, |sequence| sequence.top_k);
        let asked: Vec<usize> = slots.iter().map(top_k).collect();
        if asked.iter().all(|&count| count == 0) {
            return self.engine.best_of(&mut self.scratch, 1).into_iter().map(|top| (top, 0.0)).collect();
        }
        let mut found = Vec::with_capacity(asked.len());
        let scale = self.logit_scale;
        self.engine.logits_of(&mut self.scratch, &mut self.logits, |logits| {
            let count = asked[found.len()];
            let mut top = Vec::with_capacity(count + 1);
            for (id, &logit) in (0..).zip(logits) {
                insert(&mut top, count.max(1), (id, logit));
            }
            found.push((top, if count == 0 { 0.0 } else { logsumexp(logits, scale) }));
        });
        found
    }

    /// Rows of the next step, and which of them are to be answered.
    fn rows(&mut self) -> (Vec<Row>, Vec<usize>) {
        let (mut rows, mut wanted) = (Vec::with_capacity(MAX_ROWS), Vec::new());
        let mut reading = Vec::new();
        let count = self.slots.len();
        let mut behind = self.first;
        let is_read = |slot: usize| {
            let sequence = self.slots[slot].as_ref();
            sequence.is_some_and(|sequence| !sequence.over && self.caches[slot].len < sequence.prompt)
        };
        let room = if (0..count).any(is_read) { MAX_ROWS - READING_ROWS } else { MAX_ROWS };
        for slot in (self.first..count).chain(0..self.first) {
            let Some(sequence) = self.slots[slot].as_ref().filter(|sequence| !sequence.over) else {
                continue;
            };
            let run = self.caches[slot].len;
            if run < sequence.prompt {
                reading.push((sequence.turn, slot));
            } else if rows.len() < room {
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
            if end == sequence.prompt {
                wanted.push(rows.len() - 1);
            }
        }
        (rows, wanted)
    }

    /// Refuses what does not fit this batch, whoever runs in it.
    fn check(&self, request: &Request) -> Result<(), ServingError> {
        let Request { id, prompt, max_new, top_k, group, public } = request;
        let (id, max_new, vocab) = (*id, *max_new, self.engine.model.shape.vocab);
        if self.slot_of(id).is_some() {
            return Err(ServingError::Taken { id });
        }
        if prompt.is_empty() {
            return Err(ServingError::Empty { id });
        }
        if max_new == 0 {
            return Err(ServingError::NoAnswer { id });
        }
        if prompt.len().saturating_add(max_new - 1) > self.rows {
            return Err(ServingError::Rows { id, prompt: prompt.len(), max_new, rows: self.rows });
        }
        if let Some(position) = prompt.iter().position(|&token| token as usize >= vocab) {
            return Err(ServingError::Token { id, position, token: prompt[position], vocab });
        }
        let most = MAX_TOP.min(vocab);
        if *top_k > most {
            return Err(ServingError::Top { got: *top_k, most });
        }
        if group.len() > MAX_GROUP {
            return Err(ServingError::Group { bytes: group.len(), most: MAX_GROUP });
        }
        if *public > prompt.len() {
            return Err(ServingError::Public { id, got: *public, prompt: prompt.len() });
        }
        Ok(())
    }

    /// A slot that is free, else what is over longest, with the longest beginning that has run and is open to it.
    fn place_for(&self, request: &Request) -> Result<Place, ServingError> {
        let begins = self.longest_beginning(request);
        let source = begins.map(|(slot, _)| slot);
        let rank = |(slot, sequence): (usize, &Option<Sequence>)| match sequence {
            None => Some((false, 0, slot)),
            // What it begins with is copied, if there is any other place.
            Some(sequence) if sequence.over => Some((Some(slot) == source, sequence.turn + 1, slot)),
            Some(_) => None,
        };
        let found = self.slots.iter().enumerate().filter_map(rank).min();
        let (_, _, slot) = found.ok_or(ServingError::Full { slots: self.slots.len() })?;
        Ok(Place { slot, begins })
    }

    /// The slot whose sequence has run most of this prompt, and how much: one token at least is left to run.
    fn longest_beginning(&self, request: &Request) -> Option<(usize, usize)> {
        let before_last = &request.prompt[..request.prompt.len() - 1];
        let shared = |(slot, sequence): (usize, &Option<Sequence>)| {
            let sequence = sequence.as_ref()?;
            let run = &sequence.tokens[..self.caches[slot].len.min(sequence.open_to(request))];
            let length = before_last.iter().zip(run).take_while(|(asked, run)| asked == run).count();
            (length > 0).then_some((slot, length))
        };
        self.slots.iter().enumerate().filter_map(shared).max_by_key(|&(_, length)| length)
    }

    fn seat(&mut self, place: Place, request: Request) {
        let Place { slot, begins } = place;
        match begins {
            Some((source, length)) => match self.caches.get_disjoint_mut([slot, source]) {
                Ok([cache, source]) => cache.copy(source, length),
                // One slot is both.
                Err(_) => self.caches[slot].cut(length),
            },
            None => self.caches[slot].cut(0),
        }
        let Request { id, prompt: tokens, max_new, top_k, group, public } = request;
        let (prompt, turn) = (tokens.len(), self.next_turn());
        let sequence = Sequence { id, tokens, prompt, max_new, top_k, group, public, turn, over: false };
        self.slots[slot] = Some(sequence);
    }

    /// Ends a sequence: its place is free, what has run of it stays for those who may begin with it.
    fn retire(&mut self, slot: usize) {
        let turn = self.next_turn();
        match &mut self.slots[slot] {
            Some(sequence) if !sequence.group.is_empty() || sequence.public > 0 => {
                sequence.over = true;
                sequence.turn = turn;
            }
            place => *place = None,
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// Where a sequence runs.
    fn slot_of(&self, id: u64) -> Option<usize> {
        let runs = |sequence: &Sequence| !sequence.over && sequence.id == id;
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(runs))
    }
}

fn within(name: &'static str, got: usize, most: usize) -> Result<(), ServingError> {
    if (1..=most).contains(&got) { Ok(()) } else { Err(ServingError::Size { name, got, most }) }
}
