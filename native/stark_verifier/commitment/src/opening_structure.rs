//! Proofs that the wire format cannot even express: the crate below must refuse them, and never panic.

use alloc::vec;
use alloc::vec::Vec;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use p3_multilinear_util::poly::Poly;
use p3_sumcheck::{OpeningBatch, SumcheckData};
use p3_whir::QueryOpenings;

use crate::field::{EF, F, PrimeCharacteristicRing};
use crate::opening::check;
use crate::opening_prover::{commit, open};
use crate::opening_wire::{Proof, decode, encode};
use crate::params::PcsParams;
use crate::transcript::Transcript;

const NUM_VARS: usize = 12;

type Mutation = (&'static str, Box<dyn Fn(&mut Proof)>);

fn mutations() -> Vec<Mutation> {
    fn rows(p: &mut Proof, change: impl Fn(&mut Vec<Vec<F>>)) {
        match &mut p.whir.rounds[0].openings {
            QueryOpenings::Base(opening) => change(&mut opening.rows),
            QueryOpenings::Extension(_) => unreachable!("the first round opens base-field rows"),
        }
    }
    fn siblings(p: &mut Proof, change: impl Fn(&mut Vec<[u8; 32]>)) {
        match &mut p.whir.final_openings {
            QueryOpenings::Base(opening) => change(&mut opening.proof.sibling_hashes),
            QueryOpenings::Extension(opening) => change(&mut opening.proof.sibling_hashes),
        }
    }
    let empty = || SumcheckData { polynomial_evaluations: vec![], pow_witnesses: vec![] };
    vec![
        ("no rounds", Box::new(|p| p.whir.rounds.clear())),
        ("a round twice", Box::new(|p| p.whir.rounds.push(p.whir.rounds[0].clone()))),
        ("no commitment", Box::new(|p| p.whir.rounds[0].commitment = None)),
        ("no final polynomial", Box::new(|p| p.whir.final_poly = None)),
        ("short final polynomial", Box::new(|p| p.whir.final_poly = Some(Poly::new(vec![EF::ONE])))),
        (
            "closing sumcheck toggled",
            Box::new(move |p| {
                p.whir.final_sumcheck = if p.whir.final_sumcheck.is_some() { None } else { Some(empty()) };
            }),
        ),
        ("no values", Box::new(|p| p.evals.clear())),
        ("two values for one", Box::new(|p| p.evals[0] = OpeningBatch::new(vec![EF::ONE, EF::ONE], vec![]))),
        (
            "a successor value",
            Box::new(|p| {
                p.evals[0] = OpeningBatch::new(p.evals[0].current().to_vec(), vec![EF::ONE]);
            }),
        ),
        ("no out-of-domain answer", Box::new(|p| p.whir.initial_ood_answers.clear())),
        ("two out-of-domain answers", Box::new(|p| p.whir.initial_ood_answers.push(EF::ONE))),
        ("a round's answers toggled", Box::new(|p| p.whir.rounds[0].ood_answers.push(EF::ONE))),
        ("empty first sumcheck", Box::new(move |p| p.whir.initial_sumcheck = empty())),
        ("short first sumcheck", Box::new(|p| p.whir.initial_sumcheck.polynomial_evaluations.truncate(4))),
        ("nonces of no work", Box::new(|p| p.whir.initial_sumcheck.pow_witnesses = vec![F::ONE; 5])),
        ("no rows", Box::new(|p| rows(p, Vec::clear))),
        ("a row less", Box::new(|p| rows(p, |rows| rows.truncate(rows.len() - 1)))),
        ("a row more", Box::new(|p| rows(p, |rows| rows.push(rows[0].clone())))),
        ("rows in another order", Box::new(|p| rows(p, |rows| rows.swap(0, 1)))),
        ("a short row", Box::new(|p| rows(p, |rows| rows[0].truncate(31)))),
        ("a long row", Box::new(|p| rows(p, |rows| rows[0].push(F::ONE)))),
        ("an empty row", Box::new(|p| rows(p, |rows| rows[0].clear()))),
        ("all rows empty", Box::new(|p| rows(p, |rows| rows.iter_mut().for_each(Vec::clear)))),
        ("no siblings", Box::new(|p| siblings(p, Vec::clear))),
        ("a sibling less", Box::new(|p| siblings(p, |all| all.truncate(all.len() - 1)))),
        ("a sibling more", Box::new(|p| siblings(p, |all| all.push([0; 32])))),
        (
            "openings exchanged",
            Box::new(|p| {
                core::mem::swap(&mut p.whir.rounds[0].openings, &mut p.whir.final_openings);
            }),
        ),
    ]
}

#[test]
fn proofs_of_another_structure_are_refused_without_panic() {
    let params = PcsParams::for_proof(NUM_VARS, 2);
    let config = || params.config(NUM_VARS).expect("in range");
    let (root, committed) = commit((0..1 << NUM_VARS).map(F::from_u64).collect(), &params);
    let mut tr = Transcript::new("test");
    tr.absorb_root(&root);
    let points = [tr.challenges(NUM_VARS), tr.challenges(NUM_VARS)];
    let start = tr.clone();
    let (values, bytes) = open(&committed, &points, &mut tr);
    let honest = decode(&config(), &values, &bytes).expect("honest");
    assert_eq!(encode(&config(), &honest), bytes);
    check(&root, config(), &points, &honest, &mut start.clone()).expect("the honest twin is accepted");
    for (name, mutate) in mutations() {
        let mut proof = honest.clone();
        mutate(&mut proof);
        let outcome =
            catch_unwind(AssertUnwindSafe(|| check(&root, config(), &points, &proof, &mut start.clone())));
        assert!(matches!(outcome, Ok(Err(_))), "{name}: {outcome:?}");
    }
}
