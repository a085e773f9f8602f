//! Forgeries of the top list (group 9) and of the statement in the clear (group 10).
//! Needs the feature `relation-switch`: it lets the prover cheat in the lookup argument as well.
#![cfg(feature = "relation-switch")]

use crate::common::forge::{accepted, alone, refused};
use crate::common::replay::{Replay, Step, honest, question, replay};
use crate::common::{EVEN, ODD, answered, prompts};
use esper_model::synthetic::{Options, random_model};
use esper_model::{Model, Shape};
use esper_prover::checker::Check;
use esper_prover::witness::Witness;
use esper_prover::{ModelKey, prove, prove_witness};
use esper_verifier::modes::Modes;
use esper_verifier::relation::Relation as R;
use esper_verifier::tables::{Table, slack_top_bits};
use esper_verifier::{Statement, VerifyError, verify};
use std::sync::Arc;

const ROWS: usize = 8;

fn model(shape: Shape) -> Model {
    random_model(7, shape, Options { gate_bits: 12, ..Options::default() }).expect("a model within bounds")
}

fn keyed(mut model: Model) -> ModelKey {
    model.integers_hash = model.compute_integers_hash();
    ModelKey::new(Arc::new(model)).expect("a key")
}

fn asked(key: &ModelKey, top_k: usize) -> Statement {
    question(key, &prompts(key.descriptor.vocab, &[6, 3, 8], 3), ROWS, top_k)
}

type List = Vec<(u32, i64)>;

/// Rewrites the list of the second sequence before the slack is computed.
fn listed<'a>(key: &'a ModelKey, q: &Statement, forge: impl Fn(&mut List, &[i64])) -> Replay<'a> {
    replay(key, key, q, Modes::all(&key.descriptor), |step, r| {
        if step == Step::Lists {
            let logits = r.logits().swap_remove(1);
            let s = &mut r.statement.sequences[1];
            forge(&mut s.top[0], &logits);
            s.answer[0] = s.top[0][0].0;
        }
    })
}

fn relation(key: &ModelKey, r: R) -> (Check, usize) {
    (Check::Relation(r), key.descriptor.layers.len())
}

/// The slack's top limb, which a negative slack passes.
fn top_limb(key: &ModelKey) -> (Check, usize) {
    let d = &key.descriptor;
    (Check::Table(Table::Unsigned(slack_top_bits(d.logit_bound))), d.layers.len())
}

/// All tokens but those listed, from the best to the worst.
fn unlisted(list: &List, logits: &[i64]) -> List {
    let mut rest: List =
        (0..).zip(logits.iter().copied()).filter(|e| list.iter().all(|l| l.0 != e.0)).collect();
    rest.sort_by_key(|&(v, l)| (-l, v));
    rest
}

/// 9: a listed logit above or below the true one.
#[test]
fn listed_logits_are_exact() {
    let key = keyed(model(ODD));
    for k in [1, 4] {
        let q = asked(&key, k);
        let twin = honest(&key, &q, Modes::all(&key.descriptor));
        accepted("honest", &key, &twin.statement, &twin.w);
        let inflated = listed(&key, &q, |list, _| list[0].1 += 1);
        refused("first logit + 1", &inflated, &[relation(&key, R::TopKListed)]);
    }
    let q = asked(&key, 4);
    for i in 1..3 {
        let inflated = listed(&key, &q, |list, _| list[i].1 += 1);
        refused("a listed logit + 1", &inflated, &[relation(&key, R::TopKListed)]);
    }
    let deflated = listed(&key, &q, |list, _| list[1].1 -= 1);
    refused("a listed logit - 1", &deflated, &[relation(&key, R::TopKListed), top_limb(&key)]);
    // Two wrong logits whose slacks cancel: the sum is 0, but not over non-negative slacks.
    let cancelled = listed(&key, &q, |list, _| {
        list[1].1 -= 1;
        list[0].1 += 1;
    });
    refused("slacks that cancel", &cancelled, &[top_limb(&key)]);
}

/// 9: an unlisted better token, at the list's head, in its middle and at its end.
#[test]
fn no_better_token_is_left_out() {
    let key = keyed(model(ODD));
    let q = asked(&key, 4);
    for i in 0..4 {
        let forged = listed(&key, &q, |list, logits| {
            let next = unlisted(list, logits)[0];
            list.remove(i);
            list.push(next);
        });
        refused("a better token left out", &forged, &[top_limb(&key)]);
    }
}

/// 9: of equal logits the lower id comes first.
#[test]
fn a_tie_goes_to_the_lower_id() {
    let mut model = model(ODD);
    let key = keyed(model.clone());
    let run = honest(&key, &asked(&key, 1), Modes::all(&key.descriptor));
    let best = run.statement.sequences[1].answer[0] as usize;
    assert!(best > 0, "there is no lower id");
    let lower = best / 2;
    let inp = model.lm_head.inp;
    model.lm_head.weight.copy_within(best * inp..(best + 1) * inp, lower * inp);
    model.lm_head.mult[lower] = model.lm_head.mult[best];
    let key = keyed(model);
    let q = asked(&key, 1);
    let twin = honest(&key, &q, Modes::all(&key.descriptor));
    assert_eq!(twin.statement.sequences[1].answer[0] as usize, lower);
    accepted("tie", &key, &twin.statement, &twin.w);
    let forged = listed(&key, &q, |list, logits| list[0] = (best as u32, logits[best]));
    refused("the higher id of a tie", &forged, &[top_limb(&key)]);
}

/// 9: the best token is the last of a vocabulary that is no power of two, and left out.
#[test]
fn the_tail_of_the_vocabulary_counts() {
    let mut model = model(ODD);
    let key = keyed(model.clone());
    let run = honest(&key, &asked(&key, 1), Modes::all(&key.descriptor));
    let best = run.statement.sequences[1].answer[0] as usize;
    let inp = model.lm_head.inp;
    for v in [32, 48, 52] {
        (0..inp).for_each(|k| model.lm_head.weight.swap(best * inp + k, v * inp + k));
        model.lm_head.mult.swap(best, v);
        let key = keyed(model.clone());
        let q = asked(&key, 2);
        let twin = honest(&key, &q, Modes::all(&key.descriptor));
        assert_eq!(twin.statement.sequences[1].answer[0] as usize, v);
        let forged = listed(&key, &q, |list, logits| {
            let next = unlisted(list, logits)[0];
            list.remove(0);
            list.push(next);
        });
        refused(&format!("token {v} left out"), &forged, &[top_limb(&key)]);
        (0..inp).for_each(|k| model.lm_head.weight.swap(best * inp + k, v * inp + k));
        model.lm_head.mult.swap(best, v);
    }
}

/// 9: the list of a neighbour row; 10: the answer at another row.
#[test]
fn a_list_belongs_to_its_row() {
    let key = keyed(model(ODD));
    let q = asked(&key, 3);
    for by in [-1i64, 1] {
        // The forger believes its answers to be a row earlier or later.
        let forged = replay(&key, &key, &q, Modes::all(&key.descriptor), |step, r| {
            if step == Step::Lists || step == Step::Slack {
                let rows = r.w.instance.rows();
                let true_rows = r.statement.answer_rows(&r.w.instance);
                let site = &r.w.layout.final_norm.as_ref().expect("a head").site;
                let [_, _, y] = site.clamp.expect("all modes are on");
                let saved = r.w.tensor(y).to_vec();
                // The neighbour's normed input stands in the answer's row while lists and slack are made.
                for c in 0..r.key.descriptor.dim {
                    let other = saved[c * rows + (true_rows[1] as i64 + by) as usize];
                    r.w.tensor_mut(y)[c * rows + true_rows[1]] = other;
                }
                r.fill(step);
                r.w.tensor_mut(y).copy_from_slice(&saved);
            }
        });
        refused(&format!("list of row {by}"), &forged, &[relation(&key, R::TopK)]);
    }
}

/// 9: a witness whose logits are all negative is accepted.
#[test]
fn negative_logits_are_accepted() {
    let mut model = model(EVEN);
    let key = keyed(model.clone());
    let q = question(&key, &prompts(EVEN.vocab, &[6], 3), ROWS, 3);
    let run = honest(&key, &q, Modes::all(&key.descriptor));
    let [_, _, y] = run.w.layout.final_norm.as_ref().expect("a head").site.clamp.expect("all modes are on");
    let signs: Vec<i8> = (0..EVEN.dim).map(|c| if run.at(y, c, 5) > 0 { -1 } else { 1 }).collect();
    let dim = EVEN.dim;
    model
        .lm_head
        .weight
        .iter_mut()
        .enumerate()
        .for_each(|(i, w)| *w = signs[i % dim] * (1 + (i / dim) as i8));
    let key = keyed(model);
    let q = question(&key, &prompts(EVEN.vocab, &[6], 3), ROWS, 3);
    let run = honest(&key, &q, Modes::all(&key.descriptor));
    assert!(run.logits()[0].iter().all(|&l| l < 0));
    accepted("all logits negative", &key, &run.statement, &run.w);
}

fn reason(statement: &Statement, proof: &[u8]) -> Option<VerifyError> {
    alone(|| verify(statement, proof).err())
}

/// 9 and 10: what is refused in the clear, named by field.
#[test]
fn the_statement_is_checked_in_the_clear() {
    let key = keyed(model(ODD));
    let d = &key.descriptor;
    let s = answered(&key, &prompts(53, &[5, 2], 5), 8, 3, 4);
    let proof = alone(|| prove(&key, &s).expect("a proof"));
    assert_eq!(reason(&s, &proof), None);
    let vocab = d.vocab as u32;
    let (eos, bound, max_seq) = (d.eos, d.logit_bound as i64, d.max_seq);
    type Change<'c> = (&'static str, Box<dyn Fn(&mut Statement) + 'c>);
    let in_the_clear: Vec<Change<'_>> = vec![
        (
            "duplicate id in a top list",
            Box::new(|s| {
                let list = &mut s.sequences[0].top[0];
                list[2].0 = list[1].0;
            }),
        ),
        ("top id outside the vocabulary", Box::new(move |s| s.sequences[0].top[0][3].0 = vocab)),
        ("logit beyond the model's bound", Box::new(move |s| s.sequences[0].top[0][0].1 = bound + 1)),
        (
            "top list is not sorted by logit descending, id ascending",
            Box::new(|s| s.sequences[0].top[0].swap(1, 2)),
        ),
        (
            "first id of a top list is not the answer token",
            Box::new(|s| {
                let other = s.sequences[0].top[2][1].0;
                s.sequences[0].answer[2] = other;
            }),
        ),
        ("EOS before the last answer", Box::new(move |s| s.sequences[0].answer[0] = eos)),
        (
            "short answer without EOS",
            Box::new(|s| {
                s.sequences[0].answer.pop();
                s.sequences[0].top.pop();
            }),
        ),
        (
            "answer longer than max_answer",
            Box::new(|s| {
                s.sequences[0].answer.push(1);
                let list = s.sequences[0].top[0].clone();
                s.sequences[0].top.push(list);
            }),
        ),
        (
            "one top list an answer token",
            Box::new(|s| {
                s.sequences[0].top.pop();
            }),
        ),
        (
            "top list of another length than top_k",
            Box::new(|s| {
                s.sequences[0].top[1].pop();
            }),
        ),
        ("rows exceed the model's max_seq", Box::new(move |s| s.rows = 2 * max_seq)),
        ("rows is no power of two", Box::new(|s| s.rows = 12)),
        ("sequence longer than rows", Box::new(|s| s.sequences[0].prompt.extend([1, 2]))),
        ("empty prompt", Box::new(|s| s.sequences[1].prompt.clear())),
        ("no sequence", Box::new(|s| s.sequences.clear())),
        ("token outside the vocabulary", Box::new(move |s| s.sequences[0].prompt[0] = vocab)),
        ("top_k", Box::new(|s| s.top_k = 0)),
        ("max_answer", Box::new(|s| s.sequences[0].max_answer = 0)),
    ];
    for (what, change) in in_the_clear {
        let mut other = s.clone();
        change(&mut other);
        assert_eq!(reason(&other, &proof), Some(VerifyError::Statement(what)), "{what}");
    }
    // Well formed, but another statement.
    let others: Vec<Change<'_>> = vec![
        ("lengths swapped", Box::new(|s| s.sequences.swap(0, 1))),
        (
            "a token moved from the prompt",
            Box::new(|s| {
                let token = s.sequences[0].prompt.pop().expect("a prompt");
                s.sequences[0].answer.insert(0, token);
                let list = s.sequences[0].top[0].clone();
                s.sequences[0].top.insert(0, list);
                s.sequences[0].top[0][0].0 = token;
                s.sequences[0].answer.pop();
                s.sequences[0].top.pop();
            }),
        ),
        ("a prompt's token", Box::new(|s| s.sequences[0].prompt[1] ^= 1)),
        ("a pad written out as a token", Box::new(|s| s.sequences[1].prompt.push(0))),
        ("rows doubled", Box::new(|s| s.rows *= 2)),
        ("max_answer with EOS allowed earlier", Box::new(|s| s.sequences[1].max_answer -= 1)),
        ("a logit", Box::new(|s| s.sequences[0].top[0][0].1 += 1)),
        (
            "the last logit",
            Box::new(|s| {
                let list = s.sequences[1].top.last_mut().expect("a list");
                list.last_mut().expect("an entry").1 -= 1;
            }),
        ),
        ("the binding", Box::new(|s| s.binding[63] ^= 1)),
        ("the model", Box::new(|s| s.model_id[0] ^= 1)),
    ];
    for (what, change) in others {
        let mut other = s.clone();
        change(&mut other);
        assert!(reason(&other, &proof).is_some(), "{what}: accepted");
    }
}

/// 10: an answer that ends with EOS before g tokens is accepted.
#[test]
fn an_answer_may_end_with_eos() {
    let mut model = model(ODD);
    let key = keyed(model.clone());
    let s = answered(&key, &prompts(53, &[5], 5), 8, 3, 4);
    // The second token that the model gives becomes the end of sequence.
    let tokens = &s.sequences[0].answer;
    let stop = tokens.iter().position(|t| *t != tokens[0]).unwrap_or(0);
    model.eos = tokens[stop];
    let key = keyed(model);
    let s = answered(&key, &prompts(53, &[5], 5), 8, 3, 4);
    assert_eq!(s.sequences[0].answer.len(), stop + 1);
    let w = Witness::new(&key, &s).expect("a witness");
    let proof = alone(|| prove_witness(&key, &s, w));
    assert_eq!(reason(&s, &proof), None);
}
