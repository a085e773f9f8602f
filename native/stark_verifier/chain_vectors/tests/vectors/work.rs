//! The batch of a seed, its digest and the work that it takes.
//!
//! indices = XOF(seed) below N without repeats, sequence_j = BOS || salt_j || prompt_j with its
//! masked spans replaced, salt_j and mask_j = XOF(seed || j) over the ids that are not special.

use esper_digest::{Tag, poseidon2_digest};
use num_bigint::BigUint;
use serde_json::Value;

use crate::bank::Prompt;
use crate::cost::{Puzzle, reference_work, work};
use crate::hashing::{drawn, stretched};
use crate::header::PreHeader;
use crate::msgpack::read;
use crate::network::{Model, network};
use crate::reading::{bytes, list, number, sized, text, vectors};

/// The order of the digest's field.
pub const FIELD_ORDER: u64 = 0xffff_ffff_0000_0001;

/// What the model said to a sequence.
pub struct Answer {
    pub tokens: Vec<u64>,
    /// Per token the best candidates: id, and logit as a field element.
    pub top: Vec<Vec<[u64; 2]>>,
}

pub fn seed(work_id: &[u8]) -> [u8; 64] {
    stretched("esper/work/seed/v1", &[work_id])
}

pub fn indices(seed: &[u8], puzzle: &Puzzle, model: &Model) -> Vec<u64> {
    let mut found = vec![];
    for index in drawn("esper/work/index/v1", &[seed], model.bank_size) {
        if !found.contains(&index) {
            found.push(index);
        }
        if found.len() as u64 == puzzle.sequences {
            break;
        }
    }
    found
}

/// The input tokens of the sequence at this place of the batch.
pub fn input(seed: &[u8], place: usize, prompt: &Prompt, puzzle: &Puzzle, model: &Model) -> Vec<u64> {
    let alphabet: Vec<u64> = (0..model.shape.vocab).filter(|id| !model.special_ids.contains(id)).collect();
    let place = u32::try_from(place).unwrap().to_be_bytes();
    let tokens =
        |name| drawn(name, &[seed, &place], alphabet.len() as u64).map(|index| alphabet[index as usize]);
    let salt = puzzle.input_tokens as usize - 1 - prompt.tokens.len();
    let strength = BigUint::from(alphabet.len()).pow(u32::try_from(salt).unwrap());
    assert!(strength.bits() > u64::from(puzzle.salt_bits), "{salt} tokens of salt are too few");
    let mut prompted = prompt.tokens.clone();
    let mut masks = tokens("esper/work/mask/v1");
    for (start, length) in &prompt.mask_spans {
        prompted[*start..start + length].fill_with(|| masks.next().unwrap());
    }
    [model.bos].into_iter().chain(tokens("esper/work/salt/v1").take(salt)).chain(prompted).collect()
}

/// Seven bytes to an element, little-endian.
fn packed(data: &[u8]) -> impl Iterator<Item = u64> {
    data.chunks(7).map(|bytes| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// The field elements of a batch: one for each number, every list behind its count.
pub fn elements(
    seed: &[u8],
    puzzle: &Puzzle,
    model: &Model,
    indices: &[u64],
    inputs: &[Vec<u64>],
    answers: &[Answer],
) -> Vec<u64> {
    assert_eq!((indices.len(), inputs.len()), (answers.len(), answers.len()));
    let counted = |list: &[u64]| [&[list.len() as u64], list].concat();
    let mut all = vec![inputs.len() as u64, puzzle.input_tokens, puzzle.max_answer, puzzle.top_k];
    all.extend(packed(seed).chain(packed(&model.model_id)));
    for ((index, input), answer) in indices.iter().zip(inputs).zip(answers) {
        all.push(*index);
        all.extend(counted(input));
        all.extend(counted(&answer.tokens));
        for candidates in &answer.top {
            all.push(candidates.len() as u64);
            all.extend(candidates.as_flattened());
        }
    }
    all
}

/// r.
pub fn result(elements: &[u64]) -> [u8; 64] {
    let limbs = poseidon2_digest(Tag::new("esper/work/digest/v1").unwrap(), elements).unwrap();
    limbs.map(u64::to_be_bytes).as_flattened().try_into().unwrap()
}

fn numbers(value: &Value) -> Vec<u64> {
    list(value).iter().map(number).collect()
}

/// The top lists of an answer, which the vectors hold among the elements alone, at the front of these.
fn top_lists(left: &mut &[u64], answer_tokens: usize) -> Vec<Vec<[u64; 2]>> {
    let mut candidates = || {
        let count = *left.split_off_first().unwrap() as usize;
        left.split_off(..2 * count).unwrap().as_chunks().0.to_vec()
    };
    (0..answer_tokens).map(|_| candidates()).collect()
}

#[test]
fn names_seeds_and_batches() {
    let network = network();
    for vector in list(&vectors("work.json")) {
        let data = bytes(&vector["pre_header"]);
        let pre_header = PreHeader::read(&read(&data));
        assert_eq!(pre_header.to_bytes(), data);
        assert_eq!(pre_header.nonce, number(&vector["nonce"]));
        assert_eq!(pre_header.genesis_hash, network.genesis_hash);
        let work_id = pre_header.work_id();
        assert_eq!(work_id, sized(&vector["work_id"]));
        let seed = seed(&work_id);
        assert_eq!(seed, sized(&vector["seed"]));
        let indices = indices(&seed, &network.puzzle, &network.model);
        assert_eq!(indices, numbers(&vector["indices"]));
        assert_eq!(indices.len(), list(&vector["inputs"]).len());
        for (place, expected) in list(&vector["inputs"]).iter().enumerate() {
            let prompt = Prompt::made_up(indices[place]);
            let input = input(&seed, place, &prompt, &network.puzzle, &network.model);
            assert_eq!(input, numbers(expected), "sequence {place}");
        }
    }
}

#[test]
fn elements_and_results() {
    let network = network();
    for vector in list(&vectors("work.json")) {
        let found: Vec<u64> =
            list(&vector["elements"]).iter().map(|element| text(element).parse().unwrap()).collect();
        let (seed, indices) = (bytes(&vector["seed"]), numbers(&vector["indices"]));
        let inputs: Vec<_> = list(&vector["inputs"]).iter().map(numbers).collect();
        // Four counts, then seed and model in ten elements each.
        let mut left = &found[24..];
        let answer = |(tokens, input): (&Value, &Vec<u64>)| {
            let tokens = numbers(tokens);
            left.split_off(..3 + input.len() + tokens.len()).unwrap();
            let top = top_lists(&mut left, tokens.len());
            Answer { tokens, top }
        };
        let answers: Vec<_> = list(&vector["answers"]).iter().zip(&inputs).map(answer).collect();
        assert!(left.is_empty(), "{} elements left over", left.len());
        let rebuilt = elements(&seed, &network.puzzle, &network.model, &indices, &inputs, &answers);
        assert_eq!(found, rebuilt);
        assert_eq!(result(&found), sized(&vector["result"]));
    }
}

#[test]
fn work_and_reference_work() {
    let network = network();
    let (shape, puzzle) = (&network.model.shape, &network.puzzle);
    let mut ends_early = false;
    for vector in list(&vectors("work.json")) {
        let lengths: Vec<_> =
            list(&vector["answers"]).iter().map(|answer| list(answer).len() as u64).collect();
        assert_eq!(work(shape, puzzle, &lengths), number(&vector["work"]));
        assert_eq!(reference_work(shape, puzzle), number(&vector["reference_work"]));
        ends_early |= lengths.iter().all(|length| *length < puzzle.max_answer);
    }
    assert!(ends_early, "no batch takes less work for each of its answers");
}
