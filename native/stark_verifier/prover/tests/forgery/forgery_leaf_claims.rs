//! Forgeries that each of the three claims about the lookup argument's leaves stops (group 11).
#![cfg(feature = "relation-switch")]

use crate::common::forge::alone;
use crate::common::replay::{Replay, honest, question, replay, run_only};
use crate::common::{EVEN, prompts};
use esper_commitment::{F, PrimeCharacteristicRing};
use esper_model::synthetic::{Options, random_model};
use esper_prover::ModelKey;
use esper_prover::prove::prove_with_leaves_of;
use esper_prover::witness::Witness;
use esper_verifier::modes::Modes;
use esper_verifier::relation::switch::set_leaf_claim_off;
use esper_verifier::tables::Table;
use esper_verifier::verify;
use std::sync::Arc;

/// 11: without the claim on the keys, on the multiplicities or on the model's table entries, the sum of fractions may
/// be about something else than what is committed. Each is shown with the claim checked and with it taken out.
#[test]
fn each_leaf_claim_is_checked() {
    let options = Options { gate_bits: 12, ..Options::default() };
    let key = ModelKey::new(Arc::new(random_model(7, EVEN, options).expect("a model"))).expect("a key");
    let all = Modes::all(&key.descriptor);
    let question = question(&key, &prompts(EVEN.vocab, &[6], 3), 8, 3);
    let true_run = || {
        let Replay { mut w, statement, .. } = honest(&key, &question, all.clone());
        w.count(&key);
        (w, statement)
    };
    // A forger's model: another SiLU, everything else alike. It answers with other logits.
    let mut other = (*key.model).clone();
    other.layers[0].silu.iter_mut().for_each(|s| *s -= s.signum());
    let other_key = ModelKey::new(Arc::new(other.clone())).expect("a key");
    let false_run = || {
        let run = run_only(&key, other.clone());
        let filled = replay(&key, &run, &question, all.clone(), |_, _| {});
        (filled.w, filled.statement)
    };
    let (honest, true_statement) = true_run();
    let (_, false_statement) = false_run();
    assert_ne!(false_statement.sequences[0].top, true_statement.sequences[0].top, "another inference");

    // Keys: the sum is about an honest run, whose multiplicities are committed, the other cells are not.
    let mut w = false_run().0;
    let counts = honest.layout.multiplicities..honest.layout.multiplicities + honest.layout.table_entries;
    w.cells[counts.clone()].copy_from_slice(&honest.cells[counts]);
    let keys = (false_statement.clone(), w, &key, &honest);
    // Multiplicities: the sum takes those that balance it, another one is committed.
    let mut w = true_run().0;
    let first = w.layout.tables.iter().find(|t| t.0 == Table::Unsigned(16)).expect("a table in use").1;
    let at = w.layout.multiplicities + first;
    w.cells[at] += F::ONE;
    let multiplicities = (true_statement, w, &key, &honest);
    // Model: the sum is about the forger's table.
    let mut w = false_run().0;
    w.count(&other_key);
    let mut leaves = false_run().0;
    leaves.count(&other_key);
    let model = (false_statement, w, &other_key, &leaves);

    for (claim, (statement, w, leaf_key, leaf_witness)) in
        [keys, multiplicities, model].into_iter().enumerate()
    {
        let outcome = |off: Option<usize>| {
            alone(|| {
                set_leaf_claim_off(off);
                let copy = Witness {
                    instance: w.instance,
                    modes: w.modes.clone(),
                    layout: w.layout.clone(),
                    cells: w.cells.clone(),
                    ends: w.ends.clone(),
                };
                let proof = prove_with_leaves_of(&key, &statement, copy, (leaf_key, leaf_witness));
                let result = verify(&statement, &proof).map(|_| ());
                set_leaf_claim_off(None);
                result
            })
        };
        assert!(outcome(None).is_err(), "leaf claim {claim}: accepted");
        assert_eq!(outcome(Some(claim)), Ok(()), "leaf claim {claim}: refused for another reason as well");
    }
}
