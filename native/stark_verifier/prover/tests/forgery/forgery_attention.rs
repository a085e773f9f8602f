//! Forgeries of attention (group 6): the maximum, the overflow, the mask, the division, the heads.
//! Needs the feature `relation-switch`: it lets the prover cheat in the lookup argument as well.
#![cfg(feature = "relation-switch")]

use crate::common::forge::{accepted, refused};
use crate::common::replay::{Replay, Step, honest, integers, question, replay};
use crate::common::{EVEN, ODD, prompts};
use esper_commitment::{F, Field, PrimeCharacteristicRing};
use esper_model::synthetic::{Options, ScoreOverflow, random_model};
use esper_model::{Model, Shape};
use esper_prover::ModelKey;
use esper_prover::checker::Check;
use esper_prover::virtuals::{exp_sums, output, weighted};
use esper_verifier::Statement;
use esper_verifier::model_layout::EXP_ENTRIES;
use esper_verifier::modes::Modes;
use esper_verifier::relation::Relation as R;
use esper_verifier::tables::{Table, division_top_bits};
use std::sync::Arc;

const ROWS: usize = 8;
/// The last D' of the exp table.
const END: i64 = EXP_ENTRIES as i64;
/// The row of the only answer.
const ROW: usize = 5;

fn options() -> Options {
    Options { gate_bits: 12, ..Options::default() }
}

fn keyed(shape: Shape, options: Options, change: impl FnOnce(&mut Model)) -> ModelKey {
    let mut model = random_model(7, shape, options).expect("a model within bounds");
    change(&mut model);
    model.integers_hash = model.compute_integers_hash();
    ModelKey::new(Arc::new(model)).expect("a key")
}

fn asked(key: &ModelKey, seed: u32) -> Statement {
    question(key, &prompts(key.descriptor.vocab, &[ROW + 1], seed), ROWS, 3)
}

fn relation(r: R) -> (Check, usize) {
    (Check::Relation(r), 0)
}

fn table(t: Table) -> (Check, usize) {
    (Check::Table(t), 0)
}

/// Rewrites cells right after a step of layer 0, all modes on.
fn after<'a>(key: &'a ModelKey, q: &Statement, at: Step, forge: impl Fn(&mut Replay<'a>)) -> Replay<'a> {
    replay(key, key, q, Modes::all(&key.descriptor), |step, r| {
        if step == at {
            forge(r);
        }
    })
}

/// Scores of layer 0 are small integers, so that gaps of every size occur.
fn small_scores(score_shift: u32) -> impl FnOnce(&mut Model) {
    move |m| {
        let l = &mut m.layers[0];
        l.q.mult.fill(1);
        l.k.mult.fill(1);
        l.score_shift = score_shift;
    }
}

/// Column of the best key of head h in a row, and gap to the second best with its column.
fn best_two(r: &Replay<'_>, h: usize, row: usize) -> (usize, usize, i64) {
    let u = r.scores(0);
    let mut keys: Vec<usize> = r.keys(h, row).collect();
    keys.sort_by_key(|&c| (-u[c * ROWS + row], c));
    (keys[0], keys[1], u[keys[0] * ROWS + row] - u[keys[1] * ROWS + row])
}

/// 6: M second best by gaps of 1, 2^(ss-1) - 1, 2^(ss-1), 2^(ss-1) + 1: the best key's D' is not on the mask's table.
#[test]
fn the_second_best_is_no_maximum() {
    let key = keyed(EVEN, options(), small_scores(5));
    for gap in [1, 15, 16, 17] {
        let found = (1..2000).find_map(|seed| {
            let q = asked(&key, seed);
            let mut place = None;
            let run = replay(&key, &key, &q, Modes::all(&key.descriptor), |step, r| {
                if step == Step::Max(0) {
                    place = (0..EVEN.heads).find(|&h| best_two(r, h, ROW).2 == gap);
                }
            });
            drop(run);
            place.map(|h| (q, h))
        });
        let (q, h) = found.expect("some prompt has this gap");
        let forged = after(&key, &q, Step::Max(0), |r| r.add(r.w.layout.layers[0].max, h, ROW, -gap));
        refused(&format!("M second best by {gap}"), &forged, &[table(Table::ExpOnMask)]);
    }
}

/// 6: M + 1, B where W is not 0, on a masked key, twice or nowhere.
#[test]
fn exactly_one_key_reaches_the_maximum() {
    let key = keyed(ODD, options(), |_| ());
    let q = asked(&key, 3);
    for h in [0, 2, 5] {
        let max = after(&key, &q, Step::Max(0), |r| r.add(r.w.layout.layers[0].max, h, ROW, 1));
        refused("M + 1", &max, &[relation(R::MaxReached)]);

        let set = |r: &mut Replay<'_>, cells: &[(usize, i64)]| {
            let (best, _, _) = best_two(r, h, ROW);
            let reached = r.w.layout.layers[0].reached;
            r.set(reached, best, ROW, 0);
            cells.iter().for_each(|&(c, v)| r.set(reached, c, ROW, v));
        };
        let none = after(&key, &q, Step::Reached(0), |r| set(r, &[]));
        refused("sum of B = 0", &none, &[relation(R::MaxCounted)]);
        let two = after(&key, &q, Step::Reached(0), |r| set(r, &[(best_two(r, h, ROW).0, 2)]));
        refused("sum of B = 2", &two, &[relation(R::MaxCounted)]);
        let masked = after(&key, &q, Step::Reached(0), |r| set(r, &[(h * ROWS + ROW + 1, 1)]));
        refused("B on a masked key", &masked, &[relation(R::MaxCounted)]);
        let other = after(&key, &q, Step::Reached(0), |r| set(r, &[(best_two(r, h, ROW).1, 1)]));
        refused("B where W is not 0", &other, &[relation(R::MaxReached)]);
    }
}

/// 6: B = (1/2, 1/2) on two true maxima is accepted: B need not be boolean.
#[test]
fn two_halves_on_two_maxima_are_accepted() {
    let key = keyed(EVEN, options(), small_scores(5));
    let found = (1..2000).find_map(|seed| {
        let q = asked(&key, seed);
        let run = honest(&key, &q, Modes::all(&key.descriptor));
        (0..EVEN.heads).find(|&h| best_two(&run, h, ROW).2 == 0).map(|h| (q, h))
    });
    let (q, h) = found.expect("some prompt has a tie");
    let run = after(&key, &q, Step::Reached(0), |r| {
        let (a, b, _) = best_two(r, h, ROW);
        let reached = r.w.layout.layers[0].reached;
        let half = F::ONE.halve();
        for c in [a, b] {
            r.w.tensor_mut(reached)[c * ROWS + ROW] = half;
        }
    });
    accepted("two halves", &key, &run.statement, &run.w);
}

/// 6: D' = 32767 with a negative O, O = -1, O beside a smaller D'.
#[test]
fn an_overflow_stands_at_the_end_of_the_table_only() {
    for overflow in [ScoreOverflow::None, ScoreOverflow::TwoLimbs] {
        let key = keyed(EVEN, Options { score_overflow: overflow, ..options() }, |_| ());
        let q = asked(&key, 3);
        let shift = |diff: i64| {
            let (key, q) = (&key, &q);
            after(key, q, Step::Gaps(0), move |r| {
                let cells = r.w.layout.layers[0].clone();
                let (best, second, _) = best_two(r, 1, ROW);
                assert_ne!(best, second);
                let full = r.at(cells.diff, second, ROW) + r.limbs_at(&cells.overflow, second, ROW);
                r.set(cells.diff, second, ROW, diff);
                r.set_limbs(&cells.overflow, second, ROW, full - diff);
            })
        };
        let run = honest(&key, &q, Modes::all(&key.descriptor));
        let cells = &run.w.layout.layers[0];
        let (_, second, _) = best_two(&run, 1, ROW);
        let full = run.at(cells.diff, second, ROW) + run.limbs_at(&cells.overflow, second, ROW);
        // A far key attended to: D' = 1 and the rest in O.
        refused("O beside D' = 1", &shift(1), &[relation(R::Overflow)]);
        if full > 32767 {
            refused("O one before the end", &shift(END - 1), &[relation(R::Overflow)]);
        } else {
            // A near key ignored: D' = 32767, O negative.
            refused("D' = 32767 with a negative O", &shift(32767), &[table(Table::Unsigned(16))]);
        }
    }
    // D' one too large with O = -1.
    let key = keyed(EVEN, options(), |_| ());
    let q = asked(&key, 3);
    let minus = after(&key, &q, Step::Gaps(0), |r| {
        let cells = r.w.layout.layers[0].clone();
        let second = best_two(r, 1, ROW).1;
        r.add(cells.diff, second, ROW, 1);
        r.add(cells.overflow[0], second, ROW, -1);
    });
    refused("O = -1", &minus, &[relation(R::Overflow), table(Table::Unsigned(16))]);
}

/// 6: remainders of D' and exp values on and off the mask.
#[test]
fn exp_values_are_those_of_the_table() {
    let key = keyed(ODD, options(), |_| ());
    let q = asked(&key, 3);
    for h in [0, 4] {
        let (visible, hidden) = (h * ROWS + ROW - 1, h * ROWS + ROW + 1);
        let exp = |col: usize, v: i64| {
            after(&key, &q, Step::Exp(0), move |r| r.add(r.w.layout.layers[0].exp, col, ROW, v))
        };
        refused("E + 1 on the mask", &exp(visible, 1), &[table(Table::ExpOnMask)]);
        refused("E on a key of the future", &exp(hidden, 1000), &[table(Table::ExpOffMask)]);
        let diff = after(&key, &q, Step::Gaps(0), |r| {
            let cells = r.w.layout.layers[0].clone();
            r.set(cells.diff, hidden, ROW, 1);
            r.set(cells.exp, hidden, ROW, i64::from(key.model.exp[0]));
        });
        refused("a key of the future as one on the mask", &diff, &[table(Table::ExpOffMask)]);
        let rem = after(&key, &q, Step::Gaps(0), |r| {
            let cells = r.w.layout.layers[0].clone();
            let half = r.run.descriptor.layers[0].score_shift - 1;
            let best = best_two(r, h, ROW).1;
            r.add(cells.diff, best, ROW, 2);
            r.add(cells.diff_rem.expect("a shift above 1"), best, ROW, -(2 << half));
        });
        let width = key.descriptor.layers[0].score_shift - 1;
        refused("r below 0 compensated in D'", &rem, &[table(Table::Unsigned(width))]);
    }
}

/// N and Z of a cell (head, channel) of the answer's row.
fn n_and_z(r: &Replay<'_>, col: usize, row: usize) -> (i64, i64) {
    let (n, z) = (integers(&weighted(r.key, &r.w, 0)), integers(&exp_sums(&r.w, 0)));
    let hd = r.key.descriptor.head_dim;
    (n[col * ROWS + row], z[col / hd * ROWS + row])
}

/// 6: o ± 1 for N < 0, N = 0 and an exact half; rem = 2Z.
#[test]
fn the_quotient_of_a_division_is_unique() {
    // Equal exp values and small values v: zeros and exact halves are frequent.
    let key = keyed(EVEN, options(), |m| {
        small_scores(16)(m);
        m.layers[0].v.mult.fill(1);
    });
    let cases: [(&str, fn(i64, i64) -> bool); 4] = [
        ("N < 0", |n, z| n < -z),
        ("N = 0", |n, _| n == 0),
        ("an exact half", |n, z| (2 * n + z).rem_euclid(2 * z) == 0),
        ("N > 0", |n, z| n > z),
    ];
    let top = Table::Unsigned(division_top_bits(ROWS));
    for (name, is) in cases {
        let found = (1..500).find_map(|seed| {
            let q = asked(&key, seed);
            let run = honest(&key, &q, Modes::all(&key.descriptor));
            let cells = (0..EVEN.q_width()).flat_map(|c| (1..=ROW).map(move |r| (c, r)));
            cells
                .into_iter()
                .find(|&(c, r)| {
                    n_and_z(&run, c, r).1 > 0 && {
                        let (n, z) = n_and_z(&run, c, r);
                        is(n, z)
                    }
                })
                .map(|at| (q, at))
        });
        let (q, (col, row)) = found.expect("some prompt has such a cell");
        for by in [1, -1] {
            let forged = after(&key, &q, Step::Division(0), |r| {
                let (n, z) = n_and_z(r, col, row);
                let o = r.at(r.w.layout.layers[0].o, col, row);
                r.set_o(0, col, row, o + by, n, z);
            });
            refused(&format!("o + {by}, {name}"), &forged, &[table(top)]);
        }
    }
}

/// 6: Z ± 1 in the division; the second remainder alone.
#[test]
fn the_division_uses_the_true_sum() {
    let key = keyed(ODD, options(), |_| ());
    let q = asked(&key, 3);
    let (col, hd) = (3 * ODD.head_dim + 1, ODD.head_dim);
    assert!(col / hd < ODD.heads);
    for by in [1, -1] {
        let forged = after(&key, &q, Step::Division(0), |r| {
            let (n, z) = n_and_z(r, col, ROW);
            let other = z + by;
            let o = (2 * n + other).div_euclid(2 * other);
            let cells = r.w.layout.layers[0].clone();
            r.set(cells.o, col, ROW, o);
            let rem = 2 * n + other - 2 * other * o;
            r.set_limbs(&cells.division[0], col, ROW, rem);
            r.set_limbs(&cells.division[1], col, ROW, 2 * z - 1 - rem);
        });
        refused(&format!("Z + {by}"), &forged, &[relation(R::Division)]);
    }
    let bound = after(&key, &q, Step::Division(0), |r| {
        let cells = r.w.layout.layers[0].clone();
        let value = r.limbs_at(&cells.division[1], col, ROW);
        r.set_limbs(&cells.division[1], col, ROW, (value + 1) & 0x7_ffff);
    });
    refused("2Z - 1 - rem off by one", &bound, &[relation(R::DivisionBound)]);
}

/// 6: o a quotient in the field, with remainder 0. The output weights of this channel are 0, so that
/// nothing else depends on it.
#[test]
fn an_output_modulo_p_is_refused() {
    let col = 2;
    let key = keyed(EVEN, options(), |m| {
        let o = &mut m.layers[0].o;
        let inp = o.inp;
        o.weight.iter_mut().skip(col).step_by(inp).for_each(|w| *w = 0);
    });
    let q = asked(&key, 3);
    let forged = after(&key, &q, Step::Division(0), |r| {
        let (n, z) = n_and_z(r, col, ROW);
        let true_rem = (2 * n + z).rem_euclid(2 * z);
        let rem = i64::from(true_rem == 0);
        r.set_o(0, col, ROW, 0, 0, z);
        let cells = r.w.layout.layers[0].clone();
        r.set_limbs(&cells.division[0], col, ROW, rem);
        r.set_limbs(&cells.division[1], col, ROW, 2 * z - 1 - rem);
        r.w.tensor_mut(cells.o)[col * ROWS + ROW] =
            F::from_i64(2 * n + z - rem) * F::from_i64(2 * z).inverse();
    });
    refused("o a quotient in the field", &forged, &[table(Table::Signed(16))]);
}

/// Key head of a query head, key's row, as a forger would have them.
type Mapping = fn(head: usize, row: usize, key: usize) -> (usize, usize);

fn forged_scores(r: &mut Replay<'_>, mapping: Mapping) {
    let d = r.key.descriptor.clone();
    let cells = r.w.layout.layers[0].clone();
    let (q, k) = (integers(&output(&r.w, &cells.q)), integers(&output(&r.w, &cells.k)));
    let rows = r.w.instance.rows();
    for (h, row) in (0..d.heads).flat_map(|h| (0..rows).map(move |row| (h, row))) {
        let keys: Vec<usize> = r.keys(h, row).collect();
        let score = |c: usize| -> i64 {
            let (kv, at) = mapping(h, row, c % r.w.instance.positions);
            (0..d.head_dim)
                .map(|i| q[(h * d.head_dim + i) * rows + row] * k[(kv * d.head_dim + i) * rows + at])
                .sum()
        };
        let u: Vec<i64> = keys.iter().map(|&c| score(c)).collect();
        let top = u.iter().copied().max().expect("a key");
        r.set(cells.max, h, row, top);
        let mut found = false;
        for (&c, &u) in keys.iter().zip(&u) {
            r.set_gap(0, c, row, top - u);
            r.set(cells.reached, c, row, i64::from(u == top && !found));
            found |= u == top;
        }
    }
}

fn forged_values(r: &mut Replay<'_>, mapping: Mapping) {
    let d = r.key.descriptor.clone();
    let cells = r.w.layout.layers[0].clone();
    let (e, v) = (integers(r.w.tensor(cells.exp)), integers(&output(&r.w, &cells.v)));
    let (rows, positions) = (r.w.instance.rows(), r.w.instance.positions);
    let z = integers(&exp_sums(&r.w, 0));
    for (col, row) in (0..d.q_dim()).flat_map(|c| (0..rows).map(move |row| (c, row))) {
        let (h, channel) = (col / d.head_dim, col % d.head_dim);
        let n: i64 = r
            .keys(h, row)
            .map(|c| {
                let (kv, at) = mapping(h, row, c % positions);
                e[c * rows + row] * v[(kv * d.head_dim + channel) * rows + at]
            })
            .sum();
        let z = z[h * rows + row];
        r.set_o(0, col, row, (2 * n + z).div_euclid(2 * z), n, z);
    }
}

/// 6: h % kv instead of h / group, the third member of a group of three with another head, another
/// sequence's keys: for scores and for values.
#[test]
fn heads_and_sequences_are_not_confused() {
    let mappings: [(&str, Mapping); 4] = [
        ("h % kv", |h, row, key| (h % 2, row / ROWS * ROWS + key)),
        ("third member", |h, row, key| (if h == 2 { 1 } else { h / 3 }, row / ROWS * ROWS + key)),
        ("low bits dropped", |h, row, key| ((h >> 2).min(1), row / ROWS * ROWS + key)),
        ("another sequence's key", |h, row, key| (h / 3, (row / ROWS + 1) % 2 * ROWS + key)),
    ];
    let key = keyed(ODD, options(), |_| ());
    let q = question(&key, &prompts(ODD.vocab, &[6, 8], 3), ROWS, 3);
    let twin = after(&key, &q, Step::Reached(0), |r| {
        forged_scores(r, |h, row, key| (h / 3, row / ROWS * ROWS + key))
    });
    accepted("the true mapping", &key, &twin.statement, &twin.w);
    for (name, mapping) in mappings {
        let scores = after(&key, &q, Step::Reached(0), |r| forged_scores(r, mapping));
        refused(&format!("scores: {name}"), &scores, &[relation(R::ScoreGap)]);
        let values = after(&key, &q, Step::Division(0), |r| forged_values(r, mapping));
        refused(&format!("values: {name}"), &values, &[relation(R::Division)]);
    }
}
