//! Accepted twins of the forgeries: honest witnesses, by both evaluators, in every mode.

use crate::common::forge::accepted;
use crate::common::replay::{honest, question};
use crate::common::{EVEN, ODD, key, prompts};
use esper_model::synthetic::{Clamps, Options, ScoreOverflow, random_model};
use esper_prover::ModelKey;
use esper_prover::witness::Witness;
use esper_verifier::modes::Modes;
use std::sync::Arc;

fn needed(key: &ModelKey, q: &esper_verifier::Statement) -> (esper_verifier::Statement, Modes) {
    let all = honest(key, q, Modes::all(&key.descriptor));
    let w = Witness::new(key, &all.statement).expect("the model bears its own answers out");
    (all.statement, w.modes)
}

/// Group 2: all modes on without a clamp are accepted; the two evaluators fill the same cells.
#[test]
fn both_evaluators_agree_and_every_mode_may_be_on() {
    for (seed, shape, lengths) in [(1, EVEN, &[5][..]), (2, ODD, &[5, 8, 2][..])] {
        let key = key(seed, shape, Options::default());
        let q = question(&key, &prompts(shape.vocab, lengths, 3), 8, 4);
        let (statement, needs) = needed(&key, &q);
        for modes in [needs, Modes::all(&key.descriptor)] {
            let ours = honest(&key, &q, modes.clone());
            let theirs = Witness::with_modes(&key, &statement, |_| modes.clone()).expect("a witness");
            assert_eq!(ours.statement, statement);
            assert!(ours.w.cells == theirs.cells, "the evaluators differ in modes {modes:?}");
            accepted("honest", &key, &ours.statement, &ours.w);
        }
    }
}

/// Group 2: every prompt that forces a clamp is accepted, class by class.
#[test]
fn forced_clamps_are_accepted() {
    let classes: [(&str, fn(&mut Clamps)); 7] = [
        ("norm", |c| c.norm = true),
        ("qk", |c| c.qk = true),
        ("v", |c| c.v = true),
        ("gate", |c| c.gate = true),
        ("z", |c| c.z = true),
        ("update of attention", |c| c.u_o = true),
        ("update of the MLP", |c| c.u_d = true),
    ];
    for (i, (name, set)) in classes.into_iter().enumerate() {
        let mut clamps = Clamps::default();
        set(&mut clamps);
        let key = key(10 + i as u64, EVEN, Options { clamps, ..Options::default() });
        let q = question(&key, &prompts(64, &[6], 5), 8, 4);
        let (statement, modes) = needed(&key, &q);
        assert!(modes.clamp[i], "{name}: the prompt does not force the clamp");
        let w = Witness::new(&key, &statement).expect("a witness");
        accepted(name, &key, &statement, &w);
    }
}

/// Group 3 and 6: wide updates of every width, and scores beyond the table by one and by two limbs.
#[test]
fn wide_updates_and_overflows_are_accepted() {
    for (seed, bits) in [(30, 18), (31, 22), (32, 24)] {
        let clamps = Clamps { u_o: true, u_d: true, ..Clamps::default() };
        let options = Options { clamps, o_bits: bits, down_bits: bits, ..Options::default() };
        let key = key(seed, EVEN, options);
        let q = question(&key, &prompts(64, &[6], 5), 8, 4);
        let (statement, modes) = needed(&key, &q);
        assert!(modes.wide.iter().any(|w| w.o) && modes.wide.iter().any(|w| w.down), "{bits} bits");
        accepted("wide", &key, &statement, &Witness::new(&key, &statement).expect("a witness"));
    }
    for (score_overflow, limbs) in [(ScoreOverflow::OneLimb, 1), (ScoreOverflow::TwoLimbs, 2)] {
        let key = key(40, EVEN, Options { score_overflow, ..Options::default() });
        let q = question(&key, &prompts(64, &[8], 5), 8, 4);
        let (statement, modes) = needed(&key, &q);
        assert_eq!(modes.overflow, limbs);
        accepted("overflow", &key, &statement, &Witness::new(&key, &statement).expect("a witness"));
    }
}

/// Group 9: a slack of 2^32 and more, which needs its third limb.
#[test]
fn a_wide_slack_is_accepted() {
    let mut model = random_model(50, EVEN, Options::default()).expect("a model within bounds");
    model.lm_head.mult.fill(1 << 20);
    model.integers_hash = model.compute_integers_hash();
    let key = ModelKey::new(Arc::new(model)).expect("a key");
    let q = question(&key, &prompts(64, &[6], 5), 8, 4);
    let (statement, modes) = needed(&key, &q);
    assert!(modes.slack_top, "the slack is too small");
    accepted("wide slack", &key, &statement, &Witness::new(&key, &statement).expect("a witness"));
}
