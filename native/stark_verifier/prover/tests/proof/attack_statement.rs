//! A proof of one statement proves no other: every field changed, replays on other bindings, models, tokens.

use crate::attack_support::{self, Random, forged, outcome};
use crate::common::{EVEN, ODD, answered, key, prompts};
use esper_model::synthetic::{Options, random_model};
use esper_prover::{ModelKey, prove};
use esper_verifier::embedding::{EmbeddingTree, encode_row, row_bytes};
use esper_verifier::{Statement, VerifyError};
use std::sync::Arc;

fn refused(statement: &Statement, proof: &[u8], what: &str) -> VerifyError {
    match outcome(statement, proof, what) {
        Ok(()) => panic!("accepted: {what}"),
        Err(e) => e,
    }
}

#[test]
fn every_field_of_the_statement_is_bound() {
    let key = key(2, ODD, Options::default());
    let s = answered(&key, &prompts(ODD.vocab, &[3, 4, 2], 9), 8, 4, 3);
    let proof = prove(&key, &s).expect("a proof");
    assert_eq!(outcome(&s, &proof, "honest"), Ok(()), "the honest twin");
    let mut random = Random(3);
    let mut tried = 0;
    let mut try_change = |what: &str, change: &dyn Fn(&mut Statement)| {
        let mut other = s.clone();
        change(&mut other);
        assert_ne!(other, s, "{what} changes nothing");
        refused(&other, &proof, what);
        tried += 1;
    };
    // Every bit of both 64-byte fields.
    for bit in 0..512 {
        try_change("model_id", &|s| s.model_id[bit / 8] ^= 1 << (bit % 8));
        if bit % 5 == 0 || !(16..496).contains(&bit) {
            try_change("binding", &|s| s.binding[bit / 8] ^= 1 << (bit % 8));
        }
    }
    for rows in [0, 1, 2, 4, 7, 9, 16, 32, usize::MAX] {
        try_change("rows", &|s| s.rows = rows);
    }
    for g in [0, 1, 3, 5, 8, 9, usize::MAX] {
        for i in 0..s.sequences.len() {
            try_change("max_answer", &|s| s.sequences[i].max_answer = g);
        }
    }
    for k in [0, 1, 2, 4, 1024, usize::MAX] {
        try_change("top_k", &|s| s.top_k = k);
        // The same with lists of that length.
        let cut = k.min(2);
        try_change("top_k with its lists", &|s| {
            s.top_k = cut;
            s.sequences.iter_mut().flat_map(|q| &mut q.top).for_each(|l| l.truncate(cut));
        });
    }
    for i in 0..s.sequences.len() {
        for t in 0..s.sequences[i].prompt.len() {
            for new in [0, 1, 52, 53, u32::MAX] {
                if s.sequences[i].prompt[t] != new {
                    try_change("a prompt token", &|s| s.sequences[i].prompt[t] = new);
                }
            }
        }
        for t in 0..s.sequences[i].answer.len() {
            let new = (s.sequences[i].answer[t] + 1) % ODD.vocab as u32;
            try_change("an answer token", &|s| s.sequences[i].answer[t] = new);
            try_change("an answer token with its list", &|s| {
                s.sequences[i].answer[t] = new;
                s.sequences[i].top[t][0].0 = new;
            });
            for k in 0..s.top_k {
                for by in [1, -1, 1 << 32, -(1 << 40), i64::MIN] {
                    try_change("a listed logit", &|s| {
                        let l = &mut s.sequences[i].top[t][k].1;
                        *l = l.wrapping_add(by);
                    });
                }
                let fresh =
                    (0..).find(|id| s.sequences[i].top[t].iter().all(|e| e.0 != *id)).expect("some id");
                try_change("a listed id", &|s| s.sequences[i].top[t][k].0 = fresh);
            }
            try_change("a list turned round", &|s| s.sequences[i].top[t].reverse());
            try_change("a list one longer", &|s| s.sequences[i].top[t].push((fresh_id(), -1)));
            try_change("an empty list", &|s| s.sequences[i].top[t].clear());
        }
        try_change("a sequence dropped", &|s| drop(s.sequences.remove(i)));
        try_change("a sequence twice", &|s| s.sequences.insert(i, s.sequences[i].clone()));
        try_change("an empty prompt", &|s| s.sequences[i].prompt.clear());
        try_change("an empty answer", &|s| s.sequences[i].answer.clear());
        try_change("no lists", &|s| s.sequences[i].top.clear());
        try_change("a prompt token more", &|s| s.sequences[i].prompt.push(0));
        try_change("a prompt token less", &|s| {
            s.sequences[i].prompt.pop();
        });
        // The same tokens, cut elsewhere into prompt and answer: as bytes one string.
        try_change("the first answer token counted as prompt", &|s| {
            let q = &mut s.sequences[i];
            let first = q.answer.remove(0);
            q.prompt.push(first);
            q.top.remove(0);
        });
        try_change("the last prompt token counted as answer", &|s| {
            let q = &mut s.sequences[i];
            let last = q.prompt.pop().expect("a prompt");
            q.answer.insert(0, last);
            q.top.insert(0, q.top[0].clone());
        });
        try_change("an answer dropped at the end", &|s| {
            s.sequences[i].answer.pop();
            s.sequences[i].top.pop();
        });
    }
    try_change("sequences exchanged", &|s| s.sequences.swap(0, 1));
    try_change("lists of two answers exchanged", &|s| s.sequences[1].top.swap(0, 1));
    try_change("no sequence", &|s| s.sequences.clear());
    let at = random.below(64);
    try_change("binding and model_id exchanged", &|s| std::mem::swap(&mut s.binding, &mut s.model_id));
    try_change("two bytes of the binding", &|s| {
        s.binding[at] ^= 0xff;
        s.binding[63 - at] ^= 0xff;
    });
    println!("{tried} statements refused");
}

fn fresh_id() -> u32 {
    ODD.vocab as u32 - 1
}

/// Replays: honest proofs of other statements.
#[test]
fn a_proof_is_not_taken_for_another_binding_model_or_token() {
    let a = key(4, EVEN, Options::default());
    let b = key(5, EVEN, Options::default());
    let p = prompts(EVEN.vocab, &[4], 3);
    let s = answered(&a, &p, 8, 3, 3);
    let proof = prove(&a, &s).expect("a proof");
    assert_eq!(outcome(&s, &proof, "honest"), Ok(()));
    let mut bound = s.clone();
    bound.binding = [9; 64];
    refused(&bound, &proof, "another block's binding");
    let other_model = answered(&b, &p, 8, 3, 3);
    assert_eq!(refused(&other_model, &proof, "another model"), VerifyError::ModelId);
    let mut claimed = s.clone();
    claimed.model_id = b.model_id;
    assert_eq!(refused(&claimed, &proof, "this answer in another model's name"), VerifyError::ModelId);
    let tokens = answered(&a, &prompts(EVEN.vocab, &[4], 77), 8, 3, 3);
    assert_ne!(tokens.sequences, s.sequences);
    refused(&tokens, &proof, "another prompt");
    let wider = Statement { rows: 16, ..s.clone() };
    refused(&wider, &proof, "more rows");
    let twice = Statement { sequences: vec![s.sequences[0].clone(), s.sequences[0].clone()], ..s.clone() };
    refused(&twice, &proof, "a batch of two");
    // The padded second sequence of a batch is a sequence of token 0, yet no statement speaks of it.
    let three = answered(&a, &[p[0].clone(), p[0].clone(), p[0].clone()], 8, 3, 3);
    let of_three = prove(&a, &three).expect("a proof");
    let mut four = three.clone();
    four.sequences.push(three.sequences[0].clone());
    refused(&four, &of_three, "the pad sequence claimed as a fourth");
}

/// A prover that holds other integers than those committed, in one tensor at a time, speaking in the
/// committed model's name; with the committed cells, and with its own.
#[test]
fn another_models_integers_do_not_pass_under_this_models_id() {
    let options = Options { gate_bits: 12, ..Options::default() };
    let honest_model = random_model(6, ODD, options).expect("a model");
    let honest = ModelKey::new(Arc::new(honest_model.clone())).expect("a key");
    let p = prompts(ODD.vocab, &[5], 11);
    type Change = (&'static str, fn(&mut esper_model::Model));
    let changes: [Change; 16] = [
        ("q", |m| m.layers[0].q.weight.iter_mut().for_each(|w| *w = -*w)),
        ("k", |m| m.layers[1].k.weight.iter_mut().for_each(|w| *w = -*w)),
        ("v", |m| m.layers[0].v.weight.swap(0, 21)),
        ("o", |m| m.layers[1].o.weight.iter_mut().step_by(3).for_each(|w| *w /= 2)),
        ("gate", |m| m.layers[0].gate.weight.reverse()),
        ("up", |m| m.layers[0].up.weight.reverse()),
        ("down", |m| m.layers[1].down.weight.reverse()),
        ("multiplier", |m| m.layers[0].down.mult.iter_mut().for_each(|x| *x = (*x - 1).max(1))),
        ("layers exchanged", |m| m.layers.swap(0, 1)),
        ("first gain", |m| m.layers[0].norm1_gain.reverse()),
        ("second gain", |m| m.layers[1].norm2_gain.reverse()),
        ("final gain", |m| m.final_gain.reverse()),
        ("silu", |m| m.layers[0].silu.iter_mut().for_each(|s| *s /= 2)),
        ("exp", |m| m.exp[1..].iter_mut().for_each(|e| *e /= 2)),
        ("rope", |m| m.rope_sin.iter_mut().for_each(|s| *s = -*s)),
        ("lm_head", |m| m.lm_head.weight.reverse()),
    ];
    for (what, change) in changes {
        let mut model = honest_model.clone();
        change(&mut model);
        let Ok(own) = ModelKey::new(Arc::new(model)) else {
            panic!("{what}: the changed model is refused at load")
        };
        assert_ne!(own.model_id, honest.model_id, "{what} is under the model's id");
        // The forger's own statement, about its own model, is honest; it claims the committed one's id.
        let truth = answered(&own, &p, 8, 3, 3);
        let proof = prove(&own, &truth).expect("a proof");
        assert_eq!(outcome(&truth, &proof, what), Ok(()), "{what}: the honest twin");
        let claimed = Statement { model_id: honest.model_id, ..truth };
        for foreign in [false, true] {
            let forger = ModelKey {
                model: Arc::clone(&own.model),
                descriptor: honest.descriptor.clone(),
                model_id: honest.model_id,
                layout: honest.layout.clone(),
                committed: if foreign { own.committed.clone() } else { honest.committed.clone() },
                embedding: EmbeddingTree::new(&honest_model.embed, ODD.dim, honest.descriptor.embed_bits),
            };
            let e = match forged(|| prove(&forger, &claimed).expect("a forger's proof")) {
                Some(proof) => refused(&claimed, &proof, what).to_string(),
                None => "no proof: the lookups do not sum to zero".into(),
            };
            println!("{what}, {} cells: {e}", if foreign { "own" } else { "committed" });
        }
    }
}

/// Rows of another embedding: not under the committed root, whatever hashes come with them.
#[test]
fn another_models_embedding_rows_are_refused() {
    let options = Options { gate_bits: 12, ..Options::default() };
    let (a, b) = (key(6, ODD, options), key(7, ODD, options));
    let p = prompts(ODD.vocab, &[5], 11);
    let s = answered(&a, &p, 8, 3, 3);
    let honest = prove(&a, &s).expect("a proof");
    let parts = attack_support::parts(&s, &honest);
    let rows = parts.iter().position(|p| p.name == "embedding rows").expect("there");
    assert_eq!(outcome(&s, &honest, "honest"), Ok(()));
    let mut ids = s.row_tokens(&s.check(&a.descriptor).expect("honest"));
    ids.sort_unstable();
    ids.dedup();
    for tree in [&a.embedding, &b.embedding] {
        // The other model's rows, with this model's hashes or its own.
        let mut proof = honest[..parts[rows].at.start].to_vec();
        for &id in &ids {
            let row = &b.model.embed[id as usize * ODD.dim..][..ODD.dim];
            encode_row(row, a.descriptor.embed_bits, &mut proof);
        }
        tree.siblings(&ids).iter().for_each(|h| proof.extend_from_slice(h));
        proof.extend_from_slice(&honest[parts[rows + 1].at.end..]);
        assert_eq!(proof.len(), honest.len());
        assert_eq!(refused(&s, &proof, "rows of another model"), VerifyError::Embedding);
    }
    // Two rows exchanged: their hashes hold the index.
    let mut proof = honest.clone();
    let (start, len) = (parts[rows].at.start, row_bytes(ODD.dim, a.descriptor.embed_bits));
    for i in 0..len {
        proof.swap(start + i, start + len + i);
    }
    assert_eq!(refused(&s, &proof, "rows exchanged"), VerifyError::Embedding);
}
