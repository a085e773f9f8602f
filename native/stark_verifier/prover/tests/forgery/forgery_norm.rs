//! Forgeries of the norms (group 1): exponent, index, remainders, table entries, gains.
//! Needs the feature `relation-switch`: it lets the prover cheat in the lookup argument as well.
#![cfg(feature = "relation-switch")]

use crate::common::forge::{accepted, refused};
use crate::common::replay::{Replay, Step, honest, question, replay, run_only};
use crate::common::{ODD, prompts};
use esper_commitment::{F, PrimeCharacteristicRing, PrimeField64};
use esper_model::Model;
use esper_model::synthetic::{Options, random_model};
use esper_prover::ModelKey;
use esper_prover::checker::Check;
use esper_verifier::Statement;
use esper_verifier::modes::Modes;
use esper_verifier::relation::Relation as R;
use esper_verifier::tables::Table;
use std::sync::Arc;

const ROWS: usize = 8;
/// The answer's row.
const ROW: usize = 5;

struct Bench {
    key: ModelKey,
    q: Statement,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Model)) -> Self {
        let options = Options { gate_bits: 12, ..Options::default() };
        let mut model = random_model(7, ODD, options).expect("a model within bounds");
        change(&mut model);
        model.integers_hash = model.compute_integers_hash();
        let key = ModelKey::new(Arc::new(model)).expect("a key");
        let q = question(&key, &prompts(ODD.vocab, &[ROW + 1], 3), ROWS, 3);
        Self { key, q }
    }

    fn after<'a>(&'a self, hook: impl FnMut(Step, &mut Replay<'a>)) -> Replay<'a> {
        replay(&self.key, &self.key, &self.q, Modes::all(&self.key.descriptor), hook)
    }

    /// Changes a norm's row cells right after they are filled.
    fn rows<'a>(&'a self, norm: usize, forge: impl Fn(&mut Replay<'a>)) -> Replay<'a> {
        self.after(|step, r| {
            if step == Step::NormRows(norm) {
                forge(r);
            }
        })
    }
}

/// First norm, second norm, final norm, with the layer and the three relations they are named by.
fn norms() -> [(usize, usize, [R; 3]); 3] {
    let first = [R::NormDivision1, R::NormBound1, R::NormScale1];
    [
        (0, 0, first),
        (3, 1, [R::NormDivision2, R::NormBound2, R::NormScale2]),
        (2 * ODD.layers, ODD.layers, first),
    ]
}

/// Value of the first remainder, or of P - 1 - rem.
fn remainder(r: &Replay<'_>, norm: usize, which: usize) -> i64 {
    r.limbs_at(&r.norm_cells(norm).rem[which], 0, ROW)
}

/// 1: e ± 1 with the index that follows: 256..1023 or 4096 and more, never in the table.
#[test]
fn the_exponent_is_unique() {
    let bench = Bench::new(|_| ());
    let twin = honest(&bench.key, &bench.q, Modes::all(&bench.key.descriptor));
    accepted("honest", &bench.key, &twin.statement, &twin.w);
    for (norm, layer, _) in norms() {
        for by in [1, -1] {
            let forged = bench.rows(norm, |r| {
                let cells = r.norm_cells(norm);
                let e = r.at(cells.exponent[0], 0, ROW) + by;
                let p = r.at(cells.exponent[1], 0, ROW);
                let value = r.at(cells.index[0], 0, ROW) * p + remainder(r, norm, 0);
                let other = if by > 0 { p * 4 } else { p / 4 };
                r.set_norm_row(norm, ROW, e as u32, value / other);
            });
            refused(&format!("norm {norm}: e + {by}"), &forged, &[(Check::Table(Table::Rsqrt), layer)]);
        }
    }
}

/// 1: the index off by one: a remainder below 0 or at least P, so that a limb passes its table.
#[test]
fn the_index_is_unique() {
    let bench = Bench::new(|_| ());
    for (norm, layer, _) in norms() {
        let top = [(Check::Table(Table::Unsigned(4)), layer)];
        for by in [1, -1] {
            let forged = bench.rows(norm, |r| {
                let cells = r.norm_cells(norm);
                let (e, idx) = (r.at(cells.exponent[0], 0, ROW), r.at(cells.index[0], 0, ROW));
                r.set_norm_row(norm, ROW, e as u32, idx + by);
            });
            refused(&format!("norm {norm}: idx + {by}"), &forged, &top);

            // The same with the limbs of the value modulo p, all but the narrow top one within 16 bits.
            let wrapped = bench.rows(norm, |r| {
                let cells = r.norm_cells(norm);
                let (e, idx) = (r.at(cells.exponent[0], 0, ROW), r.at(cells.index[0], 0, ROW));
                r.set_norm_row(norm, ROW, e as u32, idx + by);
                for limbs in cells.rem {
                    let value = F::from_i64(r.limbs_at(&limbs, 0, ROW)).as_canonical_u64();
                    for (i, id) in limbs.into_iter().enumerate() {
                        r.set(id, 0, ROW, (value >> (16 * i) & 0xffff) as i64);
                    }
                }
            });
            refused(&format!("norm {norm}: idx + {by}, limbs that wrap p"), &wrapped, &top);
        }
    }
}

/// 1: rem and P - 1 - rem each against its own relation.
#[test]
fn remainders_obey_their_relations() {
    let bench = Bench::new(|_| ());
    for (norm, layer, [division, bound, scale]) in norms() {
        let relation = |r: R| [(Check::Relation(r), layer)];
        // rem + 1 and the second remainder - 1: their sum still is P - 1.
        let both = bench.rows(norm, |r| {
            let cells = r.norm_cells(norm);
            let rem = remainder(r, norm, 0);
            let p = r.at(cells.exponent[1], 0, ROW);
            let other = if rem + 1 < p { rem + 1 } else { rem - 1 };
            r.set_norm_rem(&cells, ROW, other);
        });
        refused(&format!("norm {norm}: rem off by one"), &both, &relation(division));
        let second = bench.rows(norm, |r| {
            let limb = r.norm_cells(norm).rem[1][0];
            let value = r.at(limb, 0, ROW);
            r.set(limb, 0, ROW, value ^ 1);
        });
        refused(&format!("norm {norm}: P - 1 - rem off by one"), &second, &relation(bound));
        // The scale forgets Q: R = rs.
        let mut q = 0;
        let without = bench.after(|step, r| {
            let cell = r.norm_cells(norm).exponent[2];
            if step == Step::NormRows(norm) {
                q = r.at(cell, 0, ROW);
                r.set(cell, 0, ROW, 1);
            }
            if step == Step::Norm(norm) {
                r.set(cell, 0, ROW, q);
            }
        });
        refused(&format!("norm {norm}: R without Q"), &without, &relation(scale));
    }
}

/// 1: rs of a neighbour row; P or Q of another exponent.
#[test]
fn table_entries_belong_together() {
    let bench = Bench::new(|_| ());
    for (norm, layer, _) in norms() {
        let rs = bench.rows(norm, |r| {
            let cells = r.norm_cells(norm);
            let idx = r.at(cells.index[0], 0, ROW) as usize;
            let table = &r.key.model.rsqrt;
            let other =
                (1024..4096).map(|i| table[i]).min_by_key(|&v| (v == table[idx], (v - table[idx]).abs()));
            r.set(cells.index[1], 0, ROW, i64::from(other.expect("a table")));
        });
        refused(&format!("norm {norm}: rs of a neighbour"), &rs, &[(Check::Table(Table::Rsqrt), layer)]);
        let q = bench.rows(norm, |r| {
            let cell = r.norm_cells(norm).exponent[2];
            let value = r.at(cell, 0, ROW);
            r.set(cell, 0, ROW, value * 2);
        });
        refused(
            &format!("norm {norm}: Q of another exponent"),
            &q,
            &[(Check::Table(Table::NormExponent), layer)],
        );
        // idx P is kept when P doubles and an even idx halves: the table of (e, P, Q) is what refuses it.
        let p = bench.rows(norm, |r| {
            let cells = r.norm_cells(norm);
            let (e, idx) = (r.at(cells.exponent[0], 0, ROW), r.at(cells.index[0], 0, ROW));
            let value = idx * r.at(cells.exponent[1], 0, ROW) + remainder(r, norm, 0);
            let p = value / 1024;
            r.set_norm_row(norm, ROW, e as u32, 1024);
            r.set(cells.exponent[1], 0, ROW, p);
            r.set_norm_rem(&cells, ROW, value - 1024 * p);
        });
        refused(&format!("norm {norm}: P of no exponent"), &p, &[(Check::Table(Table::NormExponent), layer)]);
    }
}

/// 1: another norm's gains.
#[test]
fn every_norm_has_its_own_gains() {
    let bench = Bench::new(|_| ());
    let mut model = (*bench.key.model).clone();
    let l = &mut model.layers[0];
    l.norm2_gain = l.norm1_gain.clone();
    model.final_gain = model.layers[1].norm1_gain.clone();
    let run = run_only(&bench.key, model);
    let made = replay(&bench.key, &run, &bench.q, Modes::all(&bench.key.descriptor), |_, _| {});
    let forged = Replay { key: &bench.key, run: &bench.key, w: made.w, statement: made.statement };
    let expected = [(Check::Relation(R::NormScale2), 0), (Check::Relation(R::NormScale1), ODD.layers)];
    refused("gains of other norms", &forged, &expected);
}

/// 1: a residual of zeros, whose exponent is so small that V is shifted up, not down.
#[test]
fn a_zero_residual_is_accepted_and_its_index_unique() {
    let bench = Bench::new(|m| m.embed[3 * ODD.dim..4 * ODD.dim].fill(0));
    let mut q = bench.q.clone();
    q.sequences[0].prompt[ROW] = 3;
    let bench = Bench { key: bench.key, q };
    let run = honest(&bench.key, &bench.q, Modes::all(&bench.key.descriptor));
    assert!(run.at(run.norm_cells(0).exponent[0], 0, ROW) < 5, "the shift t is not negative");
    accepted("zero residual", &bench.key, &run.statement, &run.w);
    for by in [1, -1] {
        let forged = bench.rows(0, |r| {
            let cells = r.norm_cells(0);
            let (e, idx) = (r.at(cells.exponent[0], 0, ROW), r.at(cells.index[0], 0, ROW));
            r.set_norm_row(0, ROW, e as u32, idx + by);
        });
        refused("zero residual, idx off by one", &forged, &[(Check::Table(Table::Unsigned(4)), 0)]);
    }
}

/// 1: idx 1023 and 4096, one beyond either end of the table: V just below and at a power of four, with
/// the exponent of the other side.
#[test]
fn the_index_ends_at_1024_and_4095() {
    let squares = |bench: &Bench| -> i64 {
        let run = honest(&bench.key, &bench.q, Modes::all(&bench.key.descriptor));
        let cells = run.norm_cells(0);
        let p = run.at(cells.exponent[1], 0, ROW);
        let value = run.at(cells.index[0], 0, ROW) * p + run.limbs_at(&cells.rem[0], 0, ROW);
        (value >> run.key.descriptor.t0()) - run.key.descriptor.eps_term as i64
    };
    let sum = squares(&Bench::new(|_| ()));
    // 4^(e + 1) is the power of four above the sum of squares.
    let e = (63 - sum.leading_zeros()) >> 1;
    let power = 1i64 << (2 * e + 2);
    for (v, honest_idx, forged_e, forged_idx) in [(power, 1024, e, 4096), (power - 1, 4095, e + 1, 1023)] {
        let bench = Bench::new(|m| m.eps_term = (v - sum) as u64);
        let run = honest(&bench.key, &bench.q, Modes::all(&bench.key.descriptor));
        assert_eq!(run.at(run.norm_cells(0).index[0], 0, ROW), honest_idx);
        accepted("at the table's end", &bench.key, &run.statement, &run.w);
        let forged = bench.rows(0, |r| r.set_norm_row(0, ROW, forged_e, forged_idx));
        refused(&format!("idx {forged_idx}"), &forged, &[(Check::Table(Table::Rsqrt), 0)]);
    }
}
