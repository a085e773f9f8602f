//! Answers that are given, scored in one pass: exactly what answering tells, whatever else runs in it.

use std::sync::Arc;

use crate::reference;
use esper_model::synthetic::{Clamps, Options, ScoreOverflow, random_model};
use esper_model::{Engine, Level, Model, Shape, TopEntry};
use proptest::prelude::*;

const SHAPE: Shape =
    Shape { vocab: 53, dim: 36, hidden: 75, layers: 2, heads: 6, kv_heads: 2, head_dim: 6, max_seq: 160 };

fn tokens(count: usize, seed: u32, vocab: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + seed * 17 + i * i * seed) % vocab as u32).collect()
}

fn model(shape: Shape, options: Options) -> Arc<Model> {
    Arc::new(random_model(3, shape, options).unwrap())
}

/// Prompts of such lengths with answers of the model of such lengths, and what it told of them.
fn answered(
    engine: &Engine,
    lengths: &[(usize, usize)],
    count: usize,
) -> (Vec<Vec<u32>>, Vec<Vec<u32>>, Vec<Vec<Vec<TopEntry>>>) {
    let told = (1..).zip(lengths).map(|(seed, &(prompt, answer))| {
        let prompt = tokens(prompt, seed, engine.model().shape.vocab);
        let told = engine.generate(std::slice::from_ref(&prompt), answer, u32::MAX, count).unwrap().remove(0);
        (prompt, told.tokens, told.top)
    });
    let (mut prompts, mut answers, mut tops) = (vec![], vec![], vec![]);
    for (prompt, answer, top) in told {
        prompts.push(prompt);
        answers.push(answer);
        tops.push(top);
    }
    (prompts, answers, tops)
}

/// The best candidates of a line of logits, by sorting all of them.
fn best(logits: &[i64], count: usize) -> Vec<TopEntry> {
    let mut all: Vec<TopEntry> = (0..).zip(logits.iter().copied()).collect();
    all.sort_by_key(|&(id, logit)| (std::cmp::Reverse(logit), id));
    all.truncate(count);
    all
}

/// Lengths on both sides of a pass of 48 rows, from the shortest text to the longest that the model takes.
const LENGTHS: [(usize, usize); 9] =
    [(1, 1), (48, 1), (47, 2), (1, 49), (1, 160), (160, 1), (33, 70), (2, 3), (96, 65)];

#[test]
fn scores_are_what_answering_tells_on_every_level() {
    let model = model(SHAPE, Options { z_bits: 20, ..Options::default() });
    for level in Level::available() {
        for threads in [1, 2, 3] {
            let one = Engine::with_level(model.clone(), 1, level).unwrap();
            let engine = one.with_threads(threads).unwrap();
            let (prompts, answers, tops) = answered(&engine, &LENGTHS, 4);
            assert_eq!(engine.score(&prompts, &answers, 4).unwrap(), tops, "{level:?}, {threads} threads");
            for ((prompt, answer), top) in prompts.into_iter().zip(answers).zip(tops) {
                assert_eq!(engine.score(&[prompt], &[answer], 4).unwrap(), [top], "{level:?} alone");
            }
        }
    }
}

#[test]
fn every_shape_and_width_scores_as_it_answers_and_as_the_rules_say() {
    let clamping = Options {
        clamps: Clamps::ALL,
        gate_bits: 12,
        z_bits: 20,
        o_bits: 26,
        down_bits: 18,
        ..Options::default()
    };
    let beyond = Options { score_overflow: ScoreOverflow::TwoLimbs, ..Options::default() };
    let wide = Options { z_bits: 20, ..Options::default() };
    let odd =
        Shape { vocab: 7, dim: 9, hidden: 5, layers: 1, heads: 1, kv_heads: 1, head_dim: 2, max_seq: 60 };
    let grouped = Shape { heads: 8, kv_heads: 1, dim: 41, vocab: 130, layers: 3, max_seq: 60, ..SHAPE };
    for (shape, options) in
        [(SHAPE, clamping), (SHAPE, beyond), (SHAPE, wide), (odd, wide), (grouped, clamping)]
    {
        let model = model(shape, options);
        for level in Level::available() {
            let engine = Engine::with_level(model.clone(), 1, level).unwrap();
            let (prompts, answers, tops) = answered(&engine, &[(3, 20), (1, 1), (40, 21), (17, 4)], 3);
            assert_eq!(engine.score(&prompts, &answers, 3).unwrap(), tops, "{level:?} {shape:?} {options:?}");
            let text = [&prompts[0][..], &answers[0]].concat();
            let logits = reference::logits(&model, &text).0;
            let rows = logits.chunks_exact(shape.vocab).skip(2).take(20);
            assert_eq!(tops[0], rows.map(|row| best(row, 3)).collect::<Vec<_>>(), "{level:?} {shape:?}");
        }
    }
}

#[test]
fn a_given_answer_is_followed_whatever_it_is() {
    let engine = Engine::new(model(SHAPE, Options::default()), 1).unwrap();
    let (prompts, answers, tops) = answered(&engine, &[(20, 60)], 4);
    let mut other = answers[0].clone();
    other[30] = (other[30] + 1) % 53;
    let found = engine.score(&prompts, &[other.clone()], 4).unwrap().remove(0);
    assert_eq!(
        found[..=30],
        tops[0][..=30],
        "the list behind which another token was given is the right one"
    );
    assert_ne!(found[31..], tops[0][31..]);
    let text = [&prompts[0][..], &other].concat();
    let logits = engine.logits(&[text]).unwrap().remove(0);
    let rows = logits.chunks_exact(53).skip(19).take(60);
    assert_eq!(found, rows.map(|row| best(row, 4)).collect::<Vec<_>>());
    let mut ended = answers[0].clone();
    ended[10] = engine.model().eos;
    assert_eq!(engine.score(&prompts, &[ended], 4).unwrap()[0].len(), 60, "no token ends a given answer");
}

#[test]
fn one_weight_changed_by_one_shows_in_the_lists() {
    let model = model(SHAPE, Options::default());
    let engine = Engine::new(model.clone(), 1).unwrap();
    let (prompts, answers, tops) = answered(&engine, &[(16, 32)], 4);
    for place in [0, 40, 900] {
        let mut other = (*model).clone();
        let weight = &mut other.layers[1].down.weight[place];
        *weight += if *weight < 127 { 1 } else { -1 };
        let found = Engine::new(Arc::new(other), 1).unwrap().score(&prompts, &answers, 4).unwrap();
        assert_ne!(found, tops, "weight {place}");
    }
}

#[test]
fn what_does_not_fit_is_refused_by_its_name() {
    let engine = Engine::new(model(SHAPE, Options::default()), 1).unwrap();
    let said = |prompts: &[Vec<u32>], answers: &[Vec<u32>], count| {
        engine.score(prompts, answers, count).unwrap_err().to_string()
    };
    let one = [vec![1]];
    assert_eq!(said(&one, &[], 4), "1 prompts and 0 answers; give one answer for each prompt");
    assert_eq!(said(&[vec![]], &one, 4), "prompt 0 is empty; at least one token is needed");
    assert_eq!(said(&one, &[vec![]], 4), "answer 0 is empty; at least one token is needed");
    let bad = [vec![1], vec![2, 53]];
    let fine = [vec![1], vec![2]];
    assert_eq!(said(&bad, &fine, 4), "prompt 1, place 1: token 53 is not below the vocabulary size 53");
    assert_eq!(said(&fine, &bad, 4), "answer 1, place 1: token 53 is not below the vocabulary size 53");
    let long = "prompt 0 and its answer have 162 tokens; without the last one the model takes at most 160";
    assert_eq!(said(&[vec![1; 100]], &[vec![1; 62]], 4), long);
    assert!(engine.score(&[vec![1; 100]], &[vec![1; 61]], 4).is_ok());
    assert!(said(&one, &one, 0).contains("top_k must be from 1 to 53, got 0"));
    assert!(said(&one, &one, 54).contains("top_k must be from 1 to 53, got 54"));
    assert!(engine.score(&[], &[], 4).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any texts beside each other, few or many in a pass.
    #[test]
    fn whatever_runs_beside_a_text_its_scores_are_its_own(
        lengths in prop::collection::vec((1usize..70, 1usize..40), 1..70),
        threads in 1usize..4,
        count in 1usize..6,
    ) {
        let engine = Engine::new(model(SHAPE, Options::default()), 1).unwrap().with_threads(threads).unwrap();
        let (prompts, answers, tops) = answered(&engine, &lengths, count);
        prop_assert_eq!(engine.score(&prompts, &answers, count).unwrap(), tops);
    }
}
