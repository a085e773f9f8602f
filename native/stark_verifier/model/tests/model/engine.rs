//! The engine against the plain rules, and against itself on every path.

use std::sync::Arc;

use crate::reference;
use esper_model::synthetic::{Clamps, Options, ScoreOverflow, random_model};
use esper_model::{Engine, Level, Model, Shape};
use proptest::prelude::*;

const SHAPE: Shape =
    Shape { vocab: 53, dim: 36, hidden: 75, layers: 2, heads: 6, kv_heads: 2, head_dim: 6, max_seq: 80 };

fn tokens(count: usize, seed: u32, vocab: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + seed * 17 + i * i * seed) % vocab as u32).collect()
}

fn expected(model: &Model, sequences: &[Vec<u32>]) -> Vec<Vec<i64>> {
    sequences.iter().map(|s| reference::logits(model, s).0).collect()
}

/// Every level, thread count, batch and portion gives what the rules give.
fn check_all_paths(model: Model, sequences: &[Vec<u32>]) {
    let expected = expected(&model, sequences);
    let model = Arc::new(model);
    let vocab = model.shape.vocab;
    for level in Level::available() {
        for threads in [1, 2, 3] {
            let engine = Engine::with_level(model.clone(), 1, level).unwrap().with_threads(threads).unwrap();
            assert!(engine.logits(sequences).unwrap() == expected, "{level:?}, {threads} threads");
        }
        let engine = Engine::with_level(model.clone(), 1, level).unwrap();
        for (sequence, expected) in sequences.iter().zip(&expected) {
            for portion in [1, 3, 17] {
                let mut session = engine.session();
                for chunk in sequence.chunks(portion) {
                    let last = session.append(chunk).unwrap().to_vec();
                    let position = session.position();
                    assert!(
                        last == expected[(position - 1) * vocab..position * vocab],
                        "{level:?} portion {portion}"
                    );
                }
            }
        }
    }
}

fn ragged(vocab: usize) -> Vec<Vec<u32>> {
    [1, 70, 2, 16, 49].iter().enumerate().map(|(i, &n)| tokens(n, i as u32 + 1, vocab)).collect()
}

#[test]
fn plain_model_on_every_path() {
    check_all_paths(random_model(3, SHAPE, Options::default()).unwrap(), &ragged(SHAPE.vocab));
}

#[test]
fn every_clamp_and_width_on_every_path() {
    let options = Options {
        clamps: Clamps::ALL,
        gate_bits: 12,
        z_bits: 20,
        o_bits: 26,
        down_bits: 18,
        ..Options::default()
    };
    let model = random_model(4, SHAPE, options).unwrap();
    let (_, count) = reference::logits(&model, &tokens(40, 1, SHAPE.vocab));
    let counts = [count.norm, count.qk, count.v, count.gate, count.z, count.u_o, count.u_d];
    assert!(counts.iter().all(|&c| c > 0), "{count:?}");
    check_all_paths(model, &ragged(SHAPE.vocab));
}

#[test]
fn each_option_forces_its_clamp_alone() {
    let force = |change: fn(&mut Clamps)| {
        let mut clamps = Clamps::default();
        change(&mut clamps);
        let model = random_model(5, SHAPE, Options { clamps, ..Options::default() }).unwrap();
        reference::logits(&model, &tokens(30, 2, SHAPE.vocab)).1
    };
    let none = force(|_| ());
    assert_eq!(none, reference::ClampCount::default());
    assert!(force(|c| c.norm = true).norm > 0);
    assert!(force(|c| c.qk = true).qk > 0);
    assert!(force(|c| c.v = true).v > 0);
    assert!(force(|c| c.gate = true).gate > 0);
    assert!(force(|c| c.z = true).z > 0);
    assert!(force(|c| c.u_o = true).u_o > 0);
    assert!(force(|c| c.u_d = true).u_d > 0);
}

#[test]
fn scores_beyond_the_table() {
    for (score_overflow, limbs) in [(ScoreOverflow::OneLimb, 0), (ScoreOverflow::TwoLimbs, 1)] {
        let model = random_model(6, SHAPE, Options { score_overflow, ..Options::default() }).unwrap();
        let (_, count) = reference::logits(&model, &tokens(40, 3, SHAPE.vocab));
        assert!(count.overflow[limbs] > 0, "{score_overflow:?}: {count:?}");
        if limbs == 0 {
            assert!(count.overflow[1] * 100 < count.overflow[0], "nearly all in one limb: {count:?}");
        }
        check_all_paths(model, &ragged(SHAPE.vocab));
    }
}

#[test]
fn dot_products_beyond_int32() {
    let shape = Shape {
        vocab: 40,
        dim: 1200,
        hidden: 1300,
        layers: 1,
        heads: 2,
        kv_heads: 1,
        head_dim: 2,
        max_seq: 8,
    };
    let options =
        Options { clamps: Clamps { norm: true, z: true, ..Clamps::default() }, ..Options::default() };
    let mut model = random_model(7, shape, options).unwrap();
    // All weights at their largest: L1 = 127 * 1200 > 2^31 / 32767, inputs at the clamp, every sign alike.
    let layer = &mut model.layers[0];
    for linear in [&mut layer.gate, &mut layer.down, &mut model.lm_head] {
        linear.weight.fill(127);
        linear.mult.fill(1);
    }
    model.final_gain.fill(100_000);
    model.embed.fill(4000);
    model.validate().unwrap();
    let sequences = [tokens(6, 1, shape.vocab)];
    let largest = expected(&model, &sequences)[0].iter().map(|l| l.abs()).max().unwrap();
    assert!(largest > i64::from(i32::MAX), "{largest}");
    check_all_paths(model, &sequences);
}

#[test]
fn answers_are_greedy_and_end_at_eos() {
    let model = random_model(8, SHAPE, Options::default()).unwrap();
    let prompts = ragged(SHAPE.vocab).into_iter().filter(|p| p.len() < 60).collect::<Vec<_>>();
    let mut expected = Vec::new();
    for prompt in &prompts {
        let mut tokens = prompt.clone();
        for _ in 0..12 {
            let logits = reference::logits(&model, &tokens).0;
            let last = &logits[logits.len() - SHAPE.vocab..];
            let mut order: Vec<usize> = (0..SHAPE.vocab).collect();
            order.sort_by_key(|&id| (-last[id], id));
            tokens.push(order[0] as u32);
            expected.push(order[..5].iter().map(|&id| (id as u32, last[id])).collect::<Vec<_>>());
        }
    }
    let model = Arc::new(model);
    let no_eos = u32::MAX;
    for level in Level::available() {
        for threads in [1, 2] {
            let engine = Engine::with_level(model.clone(), threads, level).unwrap();
            let answers = engine.generate(&prompts, 12, no_eos, 5).unwrap();
            let top: Vec<_> = answers.iter().flat_map(|a| a.top.clone()).collect();
            assert!(top == expected);
            assert!(answers.iter().all(|a| a.tokens.iter().zip(&a.top).all(|(&t, top)| top[0].0 == t)));

            let eos = answers[1].tokens[4];
            for (prompt, whole) in prompts.iter().zip(engine.generate(&prompts, 12, eos, 1).unwrap()) {
                let told = |most: usize| {
                    let mut tokens = Vec::new();
                    let each = |token| {
                        tokens.push(token);
                        tokens.len() < most
                    };
                    engine.answer(prompt, 12, eos, each).unwrap();
                    tokens
                };
                assert_eq!(told(99), whole.tokens, "{level:?}");
                assert_eq!(told(2), whole.tokens[..whole.tokens.len().min(2)], "{level:?}");
            }
            for (stopped, free) in engine.generate(&prompts, 12, eos, 1).unwrap().iter().zip(&answers) {
                let end = free.tokens.iter().position(|&t| t == eos).map_or(12, |p| p + 1);
                assert_eq!(stopped.tokens, free.tokens[..end]);
                assert_eq!(stopped.top.len(), end);
            }
        }
    }
}

/// Large enough that matrices, attention and the search for the best are really shared among threads.
#[test]
fn shared_work_and_ties_across_its_parts() {
    let shape = Shape {
        vocab: 9001,
        dim: 130,
        hidden: 60,
        layers: 1,
        heads: 8,
        kv_heads: 4,
        head_dim: 32,
        max_seq: 100,
    };
    let mut model = random_model(10, shape, Options::default()).unwrap();
    // The rows of the upper half repeat those of the lower: every logit occurs twice, parts apart.
    let half = 4500 * shape.dim;
    model.lm_head.weight.copy_within(..half, half);
    model.lm_head.mult.copy_within(..4500, 4500);
    let model = Arc::new(model);
    let prompts = [tokens(90, 1, shape.vocab), tokens(3, 2, shape.vocab)];
    let plain = expected(&model, &prompts);
    for level in Level::available() {
        let one = Engine::with_level(model.clone(), 1, level).unwrap();
        let answers = one.generate(&prompts, 5, u32::MAX, 6).unwrap();
        for (answer, logits) in answers.iter().zip(&plain) {
            let last = &logits[logits.len() - shape.vocab..];
            let mut order: Vec<usize> = (0..shape.vocab).collect();
            order.sort_by_key(|&id| (-last[id], id));
            let best: Vec<_> = order[..6].iter().map(|&id| (id as u32, last[id])).collect();
            assert_eq!(answer.top[0], best);
            assert!(best[0].1 == best[1].1 && best[0].0 < best[1].0);
        }
        for threads in [2, 3, 5] {
            let engine = one.with_threads(threads).unwrap();
            assert!(engine.logits(&prompts).unwrap() == plain, "{level:?}, {threads} threads");
            assert_eq!(
                engine.generate(&prompts, 5, u32::MAX, 6).unwrap(),
                answers,
                "{level:?}, {threads} threads"
            );
        }
    }
}

#[test]
fn bad_input_is_named() {
    let engine = Engine::new(Arc::new(random_model(9, SHAPE, Options::default()).unwrap()), 1).unwrap();
    let message =
        |r: Result<Vec<Vec<i64>>, _>| r.map_err(|e: esper_model::ModelError| e.to_string()).unwrap_err();
    assert!(message(engine.logits(&[vec![1], vec![]])).contains("sequence 1 is empty"));
    assert!(message(engine.logits(&[vec![1, 53]])).contains("position 1: token 53"));
    assert!(message(engine.logits(&[vec![1; 81]])).contains("at most 80"));
    assert!(engine.generate(&[vec![1; 80]], 1, 0, 1).is_ok());
    assert!(engine.generate(&[vec![1; 80]], 2, 0, 1).is_err());
    assert!(engine.generate(&[vec![1]], 0, 0, 1).is_err());
    for (prompt, longest) in [(&[][..], 1), (&[1; 80], 2), (&[1], 0), (&[53], 1)] {
        assert!(engine.answer(prompt, longest, 0, |_| panic!("no answer")).is_err());
    }
    assert!(engine.generate(&[vec![1]], 1, 0, 54).is_err());
    assert!(engine.generate(&[], 1, 0, 1).unwrap().is_empty());
    assert!(engine.session().append(&[]).is_err());
    assert!(Engine::new(engine.model().clone(), 0).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_shapes_on_every_path(
        seed in any::<u64>(),
        (vocab, dim, hidden, kv_heads, group, half_head) in (2_usize..60, 1_usize..70, 1_usize..90, 1_usize..4, 1_usize..4, 1_usize..12),
        widths in (any::<bool>(), 8_u32..12, 8_u32..13, 8_u32..13),
        forced in any::<[bool; 7]>(),
        lengths in prop::collection::vec(1_usize..24, 1..5),
    ) {
        let shape = Shape { vocab, dim, hidden, layers: 2, heads: kv_heads * group, kv_heads, head_dim: 2 * half_head, max_seq: 24 };
        let [norm, qk, v, gate, z, u_o, u_d] = forced;
        let options = Options {
            clamps: Clamps { norm, qk, v, gate, z, u_o, u_d },
            score_overflow: ScoreOverflow::None,
            gate_bits: if widths.0 { 12 } else { 16 },
            z_bits: 2 * widths.1,
            o_bits: 2 * widths.2,
            down_bits: 2 * widths.3,
        };
        // Some combinations pass a bound, which is what the bounds are for.
        let Ok(model) = random_model(seed, shape, options) else { return Err(TestCaseError::reject("beyond a bound")) };
        let sequences: Vec<_> = lengths.iter().enumerate().map(|(i, &n)| tokens(n, i as u32, vocab)).collect();
        check_all_paths(model, &sequences);
    }
}
