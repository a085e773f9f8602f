//! A lottery ticket: what a seed draws, what its answers must look like, their digest and the work that they took.

use alloc::vec::Vec;

use esper_digest::{Tag, Xof, poseidon, poseidon2_digest};

use crate::judge::Broken;
use crate::records::{Answer, NamedModel, Opening, Puzzle};
use crate::tags;
use crate::trees::under_root;

type Hash = [u8; 64];

/// What the batch is drawn from and what the proof is bound to.
pub fn seed(work_id: &Hash) -> Hash {
    let mut seed = [0; 64];
    Xof::new(tags::WORK_SEED, &[work_id]).read(&mut seed);
    seed
}

/// Uniform integers of a stream.
struct Draws(Xof);

impl Draws {
    fn new(tag: Tag, parts: &[&[u8]]) -> Self {
        Self(Xof::new(tag, parts))
    }

    /// Below a positive bound: words at or above its greatest multiple are passed over.
    fn below(&mut self, bound: u64) -> u64 {
        let bound = u128::from(bound.max(1));
        let limit = (1u128 << 64) / bound * bound;
        loop {
            let mut word = [0; 8];
            self.0.read(&mut word);
            let word = u128::from(u64::from_be_bytes(word));
            if word < limit {
                return (word % bound) as u64;
            }
        }
    }

    fn tokens(&mut self, count: usize, model: &NamedModel) -> Vec<u32> {
        (0..count).map(|_| model.salt_token(self.below(model.salt_alphabet()))).collect()
    }
}

/// The model's inputs, once the openings are those that the seed draws.
pub fn inputs(
    seed: &Hash,
    openings: &[Opening],
    model: &NamedModel,
    salt_bits: u32,
) -> Result<Vec<Vec<u32>>, Broken> {
    let puzzle = &model.puzzle;
    if u64::from(model.bank_size) < puzzle.sequences {
        return Err("the bank is smaller than the batch".into());
    }
    let mut drawn: Vec<u64> = Vec::new();
    let mut stream = Draws::new(tags::WORK_INDEX, &[seed]);
    while (drawn.len() as u64) < puzzle.sequences {
        let index = stream.below(model.bank_size.into());
        if !drawn.contains(&index) {
            drawn.push(index);
        }
    }
    if !openings.iter().map(|opening| opening.index).eq(drawn) {
        return Err("the prompts are not those that the seed draws".into());
    }
    let salt = model.minimum_salt(salt_bits).ok_or("the model has no ids for salt")?;
    let longest = puzzle.input_tokens.checked_sub(1 + salt);
    openings.iter().enumerate().map(|(place, opening)| input(seed, place, opening, model, longest)).collect()
}

fn input(
    seed: &Hash,
    place: usize,
    opening: &Opening,
    model: &NamedModel,
    longest: Option<u64>,
) -> Result<Vec<u32>, Broken> {
    if opening.tokenizer_id != model.tokenizer_id {
        return Err("a prompt is of another tokenizer".into());
    }
    if opening.tokens.iter().any(|&token| token >= model.vocab()) {
        return Err("a prompt has a token outside the vocabulary".into());
    }
    let at = [u64::from(model.bank_size), opening.index];
    if !under_root(tags::PROMPT_BANK, &model.bank_root, at, &opening.leaf(), &opening.path) {
        return Err("the path of a prompt does not lead to the bank's root".into());
    }
    let length = opening.tokens.len();
    if longest.is_none_or(|longest| length as u64 > longest) {
        return Err("a prompt leaves no room for its salt".into());
    }
    let place = (place as u32).to_be_bytes();
    let mut out = Vec::from([model.bos]);
    // At least as much as the minimum, so the difference is no less than that.
    let salt = (model.puzzle.input_tokens as usize).saturating_sub(1 + length);
    out.extend(Draws::new(tags::WORK_SALT, &[seed, &place]).tokens(salt, model));
    let mut masks = Draws::new(tags::WORK_MASK, &[seed, &place]);
    let mut tokens = opening.tokens.clone();
    for &[start, length] in &opening.mask_spans {
        let (start, length) = (start as usize, length as usize);
        let random = masks.tokens(length, model);
        if let Some(span) = tokens.get_mut(start..start.saturating_add(length)) {
            span.copy_from_slice(&random);
        }
    }
    out.extend(tokens);
    Ok(out)
}

/// One answer a sequence, each of the puzzle's shape, with sorted lists of candidates.
pub fn check_answers(answers: &[Answer], model: &NamedModel, top_k: usize) -> Result<(), Broken> {
    if answers.len() as u64 != model.puzzle.sequences {
        return Err("the ticket has not as many answers as sequences".into());
    }
    for answer in answers {
        let length = answer.tokens.len() as u64;
        let (last, before) = answer.tokens.split_last().ok_or("an answer of the ticket is empty")?;
        let whole = length == model.puzzle.max_answer || *last == model.eos;
        if length > model.puzzle.max_answer || before.contains(&model.eos) || !whole {
            return Err("an answer of the ticket does not end where it must".into());
        }
        if answer.top.len() != answer.tokens.len() {
            return Err("an answer of the ticket has not one list a token".into());
        }
        for (list, token) in answer.top.iter().zip(&answer.tokens) {
            let sorted =
                list.is_sorted_by(|(id, logit), (next, less)| logit > less || (logit == less && id < next));
            let distinct = list
                .iter()
                .enumerate()
                .all(|(place, (id, _))| list.iter().skip(place + 1).all(|(other, _)| other != id));
            let known = list.iter().all(|(id, _)| *id < model.vocab());
            let first = list.first().is_some_and(|(id, _)| id == token);
            if list.len() != top_k || !sorted || !distinct || !known || !first {
                return Err("a list of candidates is none".into());
            }
        }
    }
    Ok(())
}

/// The whole shape of a ticket on a network.
pub struct Shape<'a> {
    pub puzzle: &'a Puzzle,
    pub top_k: usize,
}

/// The result of a batch.
pub fn digest(
    seed: &Hash,
    model: &NamedModel,
    shape: &Shape<'_>,
    openings: &[Opening],
    inputs: &[Vec<u32>],
    answers: &[Answer],
) -> Result<Hash, Broken> {
    let count = |length: usize| length as u64;
    let mut elements = Vec::from([
        count(inputs.len()),
        shape.puzzle.input_tokens,
        shape.puzzle.max_answer,
        count(shape.top_k),
    ]);
    for chunk in seed.chunks(7).chain(model.model_id.chunks(7)) {
        // Seven bytes always fit below the field's order.
        elements.push(chunk.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)));
    }
    for ((opening, tokens), answer) in openings.iter().zip(inputs).zip(answers) {
        elements.extend([opening.index, count(tokens.len())]);
        elements.extend(tokens.iter().map(|&token| u64::from(token)));
        elements.push(count(answer.tokens.len()));
        elements.extend(answer.tokens.iter().map(|&token| u64::from(token)));
        for list in &answer.top {
            elements.push(count(list.len()));
            for &(id, logit) in list {
                let logit = if logit < 0 { poseidon::ORDER - logit.unsigned_abs() } else { logit as u64 };
                elements.extend([u64::from(id), logit]);
            }
        }
    }
    let limbs = poseidon2_digest(tags::WORK_DIGEST, &elements)
        .map_err(|_| Broken::from("an element of the digest is none of the field"))?;
    let mut out = [0; 64];
    for (slot, limb) in out.as_chunks_mut::<8>().0.iter_mut().zip(limbs) {
        *slot = limb.to_be_bytes();
    }
    Ok(out)
}

/// Multiply-accumulates of the batch, and of one whose answers all have full length; None beyond 2^128.
pub fn work(answers: &[Answer], model: &NamedModel) -> Option<(u128, u128)> {
    let [vocab, dim, hidden, layers, heads, kv_heads, head_dim, _] = model.shape.map(u128::from);
    let (rows, input) = (u128::from(model.puzzle.rows), u128::from(model.puzzle.input_tokens));
    let inner = heads.checked_mul(head_dim)?;
    let keys = kv_heads.checked_mul(head_dim)?;
    let attention = dim.checked_mul(inner.checked_add(keys)?.checked_mul(2)?)?;
    let forward = dim.checked_mul(hidden)?.checked_mul(3)?;
    let looked = inner.checked_mul(rows + 1)?;
    let row = layers.checked_mul(attention.checked_add(forward)?.checked_add(looked)?)?;
    let head = vocab.checked_mul(dim)?;
    let one = |length: u128| {
        // Input of a ticket and its answer are a token each at least.
        let through = (input + length).checked_sub(1)?.checked_mul(row)?;
        through.checked_add(length.checked_mul(head)?)
    };
    let mut done = 0u128;
    for answer in answers {
        done = done.checked_add(one(answer.tokens.len() as u128)?)?;
    }
    let full = one(u128::from(model.puzzle.max_answer))?;
    Some((done, full.checked_mul(u128::from(model.puzzle.sequences))?))
}
