//! Accepted twins of the forgeries: honest witnesses, by both evaluators, in every mode.

use crate::common::forge::accepted;
use crate::common::replay::{honest, question};
use crate::common::{EVEN, ODD, key, prompts};
use esper_model::synthetic::{Clamps, Options, ScoreOverflow, random_model};
use esper_model::{Linear, Model};
use esper_prover::ModelKey;
use esper_prover::witness::Witness;
use esper_verifier::descriptor::ClampClass;
use esper_verifier::layout::Layout;
use esper_verifier::modes::{Modes, WideSites};
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

/// A model whose z has 24 bits and values of 18 to 20: larger ones would pass the load's bounds.
fn model_of_24_bits(seed: u64) -> Model {
    let mut model = random_model(seed, EVEN, Options { z_bits: 20, ..Options::default() })
        .expect("a model within bounds");
    model.layers.iter_mut().for_each(|l| l.z_bits = 24);
    model.integers_hash = model.compute_integers_hash();
    model
}

/// Group 3: wide z of every width, and with a clamp.
#[test]
fn wide_gated_values_are_accepted() {
    let made = |seed, z_bits, z| {
        let options = Options { clamps: Clamps { z, ..Clamps::default() }, z_bits, ..Options::default() };
        random_model(seed, EVEN, options).expect("a model within bounds")
    };
    let models = [
        (made(60, 18, false), false),
        (made(61, 18, true), true),
        (made(62, 20, false), false),
        (made(63, 22, false), false),
        (model_of_24_bits(64), false),
    ];
    for (model, clamped) in models {
        let bits = model.layers[0].z_bits;
        let key = ModelKey::new(Arc::new(model)).expect("a key");
        let q = question(&key, &prompts(64, &[6], 5), 8, 4);
        let (statement, modes) = needed(&key, &q);
        assert!(modes.wide.iter().any(|w| w.z), "{bits} bits");
        assert_eq!(modes.clamps(ClampClass::Z), clamped, "{bits} bits");
        accepted("wide z", &key, &statement, &Witness::new(&key, &statement).expect("a witness"));
    }
}

/// Group 3 and 12: what a prompt does decides whether z is wide, in each layer by itself; where it is not, its width
/// costs no cell.
#[test]
fn a_wide_width_is_paid_for_by_those_who_need_it() {
    let key = key(64, EVEN, Options { z_bits: 18, ..Options::default() });
    let mut seen = [false; 4];
    for seed in 1.. {
        let q = question(&key, &prompts(64, &[2], seed), 2, 4);
        let (statement, modes) = needed(&key, &q);
        let [first, second] = [0, 1].map(|l: usize| modes.wide[l].z);
        if std::mem::replace(&mut seen[usize::from(first) + 2 * usize::from(second)], true) {
            continue;
        }
        let w = Witness::new(&key, &statement).expect("a witness");
        accepted("narrow or wide", &key, &statement, &w);
        let mut narrow = key.descriptor.clone();
        narrow.layers.iter_mut().for_each(|l| l.z_bits = 16);
        let wider = [first, second].map(|wide| if wide { EVEN.hidden * w.instance.rows() } else { 0 });
        let off = Modes { wide: modes.wide.iter().map(|w| WideSites { z: false, ..*w }).collect(), ..modes };
        let least = Layout::new(&narrow, &w.instance, &off);
        assert_eq!(w.layout.multiplicities, least.multiplicities + wider[0] + wider[1]);
        if seen == [true; 4] {
            break;
        }
    }
}

/// The table of clamps is as long as z's width allows: one shared by 16 and 24 bits would let the wide layer's equation
/// hold modulo p alone, and such a model has a key and proofs all the same.
#[test]
fn narrow_and_wide_layers_clamp_by_tables_of_their_own() {
    let clamps = Clamps { z: true, ..Clamps::default() };
    let narrow =
        random_model(65, EVEN, Options { clamps, ..Options::default() }).expect("a model within bounds");
    let mut model = model_of_24_bits(65);
    model.layers[0] = narrow.layers[0].clone();
    // As large as the load admits: silu * A_up just below 2^62.
    let up = &mut model.layers[0].up;
    let worst = |up: &Linear| {
        let rows = up.weight.chunks(up.inp).zip(&up.mult);
        let l1 = |w: &[i8]| w.iter().map(|w| u64::from(w.unsigned_abs())).sum::<u64>();
        rows.map(|(w, &m)| (l1(w) * m as u64) << 30).max().unwrap_or(0)
    };
    let factor = (1 << 62) / worst(up);
    up.mult.iter_mut().for_each(|m| *m *= factor as i32);
    model.integers_hash = model.compute_integers_hash();
    let key = ModelKey::new(Arc::new(model)).expect("a key");
    let d = &key.descriptor;
    let [long, short] = [16, 24].map(|bits| d.z_reach(bits));
    assert!((1 << 12..1 << 15).contains(&long), "{long}");
    assert_eq!(short, long.div_ceil(1 << 8));
    let alone = |q: u32| (u128::from(q) * ((1 << 24) - 1)) << 32 < 0xffff_ffff_0000_0001;
    assert!(alone(short) && !alone(long), "the narrow layer's table is no danger to the wide one");
    let q = question(&key, &prompts(64, &[6], 5), 8, 4);
    let (statement, modes) = needed(&key, &q);
    assert!(modes.clamps(ClampClass::Z) && !modes.wide[0].z && modes.wide[1].z);
    accepted("two widths", &key, &statement, &Witness::new(&key, &statement).expect("a witness"));
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
