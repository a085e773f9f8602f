//! A residual between two parts that is not what the first of them ends in: all else follows from it honestly.

use crate::common::forge::without;
use crate::common::parted::{Parted, THREE, changed, permuted};
use esper_prover::checker::{Check, check};
use esper_prover::parts::ends;
use esper_prover::witness::{Ends, Witness};
use esper_verifier::boundary::Boundary;
use esper_verifier::relation::Relation;
use esper_verifier::{VerifyError, verify_parts};

/// Witnesses of all parts from the residuals as they are published; the layers of part `liar` ended in another one.
fn witnesses(p: &Parted, liar: usize) -> Vec<Witness> {
    (0..p.keys.len())
        .map(|index| {
            let mut of = ends(&p.between, index);
            let handed = of.handed.take();
            if index == liar {
                let mut w = Witness::between(&p.keys[index], &p.statement, of).expect("a witness");
                w.ends.handed = handed;
                return w;
            }
            let of = Ends { handed, ..of };
            Witness::between(&p.keys[index], &p.statement, of).expect("a witness")
        })
        .collect()
}

/// What the verifier says with some checks taken out.
fn outcome(p: &Parted, liar: usize, off: &[Check]) -> Result<(), VerifyError> {
    without(off, || {
        let proofs: Vec<Vec<u8>> = witnesses(p, liar)
            .into_iter()
            .enumerate()
            .map(|(index, w)| p.proof(index, &p.between, w))
            .collect();
        verify_parts(&p.statement, &p.id, &p.join(&proofs)).map(|_| ())
    })
}

#[test]
fn a_part_hands_on_what_it_ends_in() {
    const BOUNDARY: Check = Check::Relation(Relation::Boundary);
    let forgeries: [(&str, fn(&Boundary) -> Boundary); 4] = [
        ("the first value, more by one", |b| changed(b, 0, 0, 1)),
        ("the last value, less by one", |b| changed(b, b.rows().len() - 1, b.dim() - 1, -1)),
        ("rows exchanged", |b| permuted(b, 1, 2)),
        ("rows of two sequences exchanged", |b| permuted(b, 0, 8)),
    ];
    for liar in 0..2 {
        let honest = Parted::new(4, THREE, &[1, 2], 9, 1);
        assert_eq!(outcome(&honest, liar, &[]), Ok(()), "the accepted twin");
        for (name, forge) in forgeries {
            let mut p = Parted::new(4, THREE, &[1, 2], 9, 1);
            p.between[liar] = forge(&p.between[liar]);
            assert!(p.between != honest.between, "{name} changes nothing");
            p.follow(liar);
            for (index, w) in witnesses(&p, liar).iter().enumerate() {
                let broken: Vec<Check> =
                    check(&p.keys[index], &p.statement, w).iter().map(|b| b.check).collect();
                assert_eq!(
                    broken,
                    if index == liar { vec![BOUNDARY] } else { vec![] },
                    "{name}: part {index}"
                );
            }
            assert!(outcome(&p, liar, &[]).is_err(), "{name}: accepted");
            if cfg!(feature = "relation-switch") {
                assert_eq!(
                    outcome(&p, liar, &[BOUNDARY]),
                    Ok(()),
                    "{name}: refused for another reason as well"
                );
            }
        }
    }
}
