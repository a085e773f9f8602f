//! Openings of honest lengths whose parts are exchanged or changed: each is refused by its own check.

use alloc::vec;
use alloc::vec::Vec;
use std::boxed::Box;

use crate::field::{EF, F, PrimeCharacteristicRing};
use crate::opening::{PcsError, verify_opening};
use crate::opening_prover::{commit, open};
use crate::opening_wire::{Opening, Queries, Rows, decode, encode};
use crate::params::PcsParams;
use crate::plan::{Plan, Size};
use crate::transcript::Transcript;
use crate::tree::TreeError;

const NUM_VARS: usize = 12;

type Mutation = (&'static str, Box<dyn Fn(&mut Opening)>, fn(&PcsError) -> bool);

fn rows(queries: &mut Queries) -> &mut Vec<Vec<F>> {
    match &mut queries.rows {
        Rows::Base(rows) => rows,
        Rows::Extension(_) => unreachable!("queries to the committed codeword"),
    }
}

fn tree(error: &PcsError) -> bool {
    matches!(error, PcsError::Tree { error: TreeError::Root | TreeError::TwoRows, .. })
}

fn count(error: &PcsError) -> bool {
    matches!(error, PcsError::Tree { error: TreeError::Siblings { .. }, .. })
}

/// What no later challenge depends on is refused as what it is; what one depends on, by whatever fails first.
fn any(_: &PcsError) -> bool {
    true
}

fn mutations() -> Vec<Mutation> {
    vec![
        ("value outside", Box::new(|o| o.outside += EF::ONE), any),
        ("constant of the first fold", Box::new(|o| o.fold[2][0] += EF::ONE), any),
        ("square of the first fold", Box::new(|o| o.fold[4][1] += EF::ONE), any),
        ("root", Box::new(|o| o.steps[0].root[0] ^= 1), any),
        ("value outside of a step", Box::new(|o| o.steps[0].outside += EF::ONE), any),
        ("work", Box::new(|o| o.last_queries.work += F::ONE), |error| {
            matches!(error, PcsError::Work { codeword: 1 })
        }),
        ("a row changed", Box::new(|o| rows(&mut o.steps[0].queries)[0][0] += F::ONE), tree),
        (
            "the last column of a row changed",
            Box::new(|o| rows(&mut o.steps[0].queries)[3][19] += F::ONE),
            tree,
        ),
        ("rows in another order", Box::new(|o| rows(&mut o.steps[0].queries).swap(0, 1)), tree),
        ("no siblings", Box::new(|o| o.last_queries.siblings.clear()), count),
        (
            "a sibling less",
            Box::new(|o| o.last_queries.siblings.truncate(o.last_queries.siblings.len() - 1)),
            count,
        ),
        ("a sibling more", Box::new(|o| o.last_queries.siblings.push([0; 32])), count),
        ("a sibling changed", Box::new(|o| o.steps[0].queries.siblings[0][31] ^= 1), tree),
        ("siblings exchanged", Box::new(|o| o.steps[0].queries.siblings.swap(0, 1)), tree),
        ("the last polynomial", Box::new(|o| o.last[0] += EF::ONE), any),
        (
            "the last fold's end",
            Box::new(|o| o.last_fold.iter_mut().last().expect("rounds")[1] += EF::ONE),
            |error| matches!(error, PcsError::Closing),
        ),
    ]
}

#[test]
fn each_changed_part_is_refused() {
    let params = PcsParams::for_proof(NUM_VARS, 2);
    let size = Size { num_vars: NUM_VARS, width: 20 };
    let plan = Plan::new(size, &params).expect("in range");
    let (root, committed) = commit((0..size.cells() as u64).map(F::from_u64).collect(), &params);
    assert_eq!(committed.size(), size);
    let mut tr = Transcript::new("test");
    tr.absorb_root(&root);
    let points = [tr.challenges(NUM_VARS), tr.challenges(NUM_VARS)];
    let start = tr.clone();
    let (values, bytes) = open(&committed, &points, &mut tr);
    let verify =
        |bytes: &[u8]| verify_opening(&root, size, &params, &points, &values, bytes, &mut start.clone());
    let honest = decode(&plan, &bytes).expect("honest");
    assert_eq!(encode(&honest), bytes);
    verify(&bytes).expect("the honest twin is accepted");
    for (name, mutate, fits) in mutations() {
        let mut opening = honest.clone();
        mutate(&mut opening);
        assert_ne!(opening, honest, "{name}");
        let error = verify(&encode(&opening)).expect_err(name);
        assert!(fits(&error), "{name}: {error}");
    }
}

/// The last polynomial is free where the work and the queries that follow are made anew: only its values count.
#[test]
fn a_last_polynomial_that_is_not_the_folded_one_is_found_by_the_queries() {
    use crate::opening::{begin, draw_indices};
    use p3_challenger::GrindingChallenger;
    let params = PcsParams { log_inv_rate: 3, pow_bits: 4, security_level: 40 };
    let size = Size { num_vars: 10, width: 9 };
    let plan = Plan::new(size, &params).expect("in range");
    assert_eq!(plan.phases.len(), 1);
    let (root, committed) = commit((0..size.cells() as u64).map(|i| F::from_u64(i * i)).collect(), &params);
    let mut tr = Transcript::new("test");
    tr.absorb_root(&root);
    let points = [tr.challenges(10)];
    let start = tr.clone();
    let (values, bytes) = open(&committed, &points, &mut tr);
    let mut opening = decode(&plan, &bytes).expect("honest");
    opening.last[7] += EF::ONE;
    // The transcript up to the last polynomial is the honest one.
    let mut tr = start.clone();
    begin(&plan, 1, &mut tr);
    let _ = tr.challenge();
    tr.absorb(opening.outside);
    tr.absorb_slice(&values);
    let _ = tr.challenge();
    for round in &opening.fold {
        tr.absorb_slice(round);
        let _ = tr.challenge();
    }
    tr.absorb_slice(&opening.last);
    opening.last_queries.work = tr.sponge.grind(plan.phases[0].work);
    let indices = draw_indices(&plan.phases[0], &mut tr);
    let (rows, siblings) = committed.answers(&indices);
    (opening.last_queries.rows, opening.last_queries.siblings) = (rows, siblings);
    let error = verify_opening(&root, size, &params, &points, &values, &encode(&opening), &mut start.clone())
        .expect_err("refused");
    assert!(matches!(error, PcsError::LastPolynomial { .. }), "{error}");
}
