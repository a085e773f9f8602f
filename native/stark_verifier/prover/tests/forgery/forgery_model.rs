//! Forgeries by another model (groups 4, 5, 7 and 8): everything is consistent with the integers of a
//! changed model, or with a residual or rotation of the forger's own, and proven under the true key.
//! Needs the feature `relation-switch`: it lets the prover cheat in the lookup argument as well.
#![cfg(feature = "relation-switch")]

use crate::common::forge::{accepted, refused};
use crate::common::replay::{Replay, Step, honest, integers, question, replay, run_only};
use crate::common::{EVEN, ODD, prompts};
use esper_commitment::F;
use esper_model::synthetic::{Options, random_model};
use esper_model::{Linear, Model, Shape};
use esper_prover::ModelKey;
use esper_prover::checker::Check;
use esper_prover::matrix::field_product;
use esper_prover::virtuals::output;
use esper_verifier::Statement;
use esper_verifier::layout::{LayerCells, Site};
use esper_verifier::modes::Modes;
use esper_verifier::relation::Relation as R;
use esper_verifier::tables::Table;
use std::sync::Arc;

const ROWS: usize = 8;

fn model(shape: Shape) -> Model {
    let mut m = random_model(7, shape, Options { gate_bits: 12, ..Options::default() })
        .expect("a model within bounds");
    // The layers' silu tables differ, each with its lowest entry repeated.
    m.layers[1].silu.iter_mut().for_each(|s| *s /= 2);
    m
}

fn keyed(mut model: Model) -> ModelKey {
    model.integers_hash = model.compute_integers_hash();
    ModelKey::new(Arc::new(model)).expect("a key")
}

fn asked(key: &ModelKey) -> Statement {
    question(key, &prompts(key.descriptor.vocab, &[6, 8], 3), ROWS, 3)
}

struct Bench {
    key: ModelKey,
    q: Statement,
}

impl Bench {
    fn new(shape: Shape) -> Self {
        let key = keyed(model(shape));
        let q = asked(&key);
        Self { key, q }
    }

    fn modes(&self) -> Modes {
        Modes::all(&self.key.descriptor)
    }

    /// Runs a changed model, and proves it as this one.
    fn by_model(&self, name: &str, change: impl FnOnce(&mut Model), expected: &[(R, usize)]) {
        let expected: Vec<_> = expected.iter().map(|&(r, l)| (Check::Relation(r), l)).collect();
        self.by_model_checks(name, change, &expected);
    }

    fn by_model_checks(&self, name: &str, change: impl FnOnce(&mut Model), expected: &[(Check, usize)]) {
        let mut model = (*self.key.model).clone();
        change(&mut model);
        assert_ne!(model, *self.key.model, "{name}: nothing changed");
        let run = run_only(&self.key, model);
        let forged = {
            let r = replay(&self.key, &run, &self.q, self.modes(), |_, _| {});
            Replay { key: &self.key, run: &self.key, w: r.w, statement: r.statement }
        };
        refused(name, &forged, expected);
    }

    fn after<'a>(&'a self, at: Step, forge: impl Fn(&mut Replay<'a>)) -> Replay<'a> {
        replay(&self.key, &self.key, &self.q, self.modes(), |step, r| {
            if step == at {
                forge(r);
            }
        })
    }
}

type Pick = fn(&mut Model) -> &mut Linear;

const MATRICES: [(&str, Pick, R); 7] = [
    ("q", |m| &mut m.layers[0].q, R::RotaryQ),
    ("k", |m| &mut m.layers[0].k, R::RotaryK),
    ("v", |m| &mut m.layers[0].v, R::Value),
    ("o", |m| &mut m.layers[0].o, R::UpdateO),
    ("gate", |m| &mut m.layers[0].gate, R::Gate),
    ("up", |m| &mut m.layers[0].up, R::SwiGlu),
    ("down", |m| &mut m.layers[0].down, R::UpdateDown),
];

fn swap_outputs(l: &mut Linear, a: usize, b: usize) {
    (0..l.inp).for_each(|k| l.weight.swap(a * l.inp + k, b * l.inp + k));
}

fn swap_inputs(l: &mut Linear, a: usize, b: usize) {
    (0..l.out).for_each(|o| l.weight.swap(o * l.inp + a, o * l.inp + b));
}

fn drop_tail(l: &mut Linear, first: usize) {
    let inp = l.inp;
    l.weight.iter_mut().enumerate().filter(|(i, _)| i % inp >= first).for_each(|(_, w)| *w = 0);
}

/// 4: parts of a matrix exchanged along its outputs and inputs, and the tail of a width that is no power of two left out.
#[test]
fn every_weight_stands_in_its_place() {
    let bench = Bench::new(ODD);
    let twin = honest(&bench.key, &bench.q, bench.modes());
    accepted("true model", &bench.key, &twin.statement, &twin.w);
    for (name, pick, relation) in MATRICES {
        bench.by_model(
            &format!("{name}: outputs exchanged"),
            |m| swap_outputs(pick(m), 0, 3),
            &[(relation, 0)],
        );
        bench.by_model(
            &format!("{name}: inputs exchanged"),
            |m| swap_inputs(pick(m), 1, 17),
            &[(relation, 0)],
        );
        let tail = |m: &mut Model| {
            let l = pick(m);
            // 20 = 16 + 4, 28 = 16 + 8 + 4, 36 = 32 + 4: the last piece.
            let first = l.inp - 4;
            drop_tail(l, first);
        };
        bench.by_model(&format!("{name}: tail left out"), tail, &[(relation, 0)]);
        bench.by_model(
            &format!("{name}: a multiplier off by one"),
            |m| {
                let l = pick(m);
                // Rotary pairs have equal multipliers.
                l.mult.iter_mut().take(6).for_each(|x| *x += 1);
            },
            &[(relation, 0)],
        );
    }
    let last = ODD.layers;
    bench.by_model("head: outputs exchanged", |m| swap_outputs(&mut m.lm_head, 0, 52), &[(R::TopK, last)]);
    bench.by_model("head: inputs exchanged", |m| swap_inputs(&mut m.lm_head, 3, 18), &[(R::TopK, last)]);
    bench.by_model("head: tail left out", |m| drop_tail(&mut m.lm_head, 16), &[(R::TopK, last)]);
}

/// 4: the same matrix of another layer, the transpose of a square matrix, another shift.
#[test]
fn every_layer_has_its_own_matrices() {
    let bench = Bench::new(EVEN);
    let layers: [(&str, fn(&mut esper_model::Layer) -> &mut Linear, R); 7] = [
        ("q", |l| &mut l.q, R::RotaryQ),
        ("k", |l| &mut l.k, R::RotaryK),
        ("v", |l| &mut l.v, R::Value),
        ("o", |l| &mut l.o, R::UpdateO),
        ("gate", |l| &mut l.gate, R::Gate),
        ("up", |l| &mut l.up, R::SwiGlu),
        ("down", |l| &mut l.down, R::UpdateDown),
    ];
    for (name, pick, relation) in layers {
        let swap = |m: &mut Model| {
            let (a, b) = m.layers.split_at_mut(1);
            std::mem::swap(pick(&mut a[0]), pick(&mut b[0]));
        };
        bench.by_model(&format!("{name} of the other layer"), swap, &[(relation, 0), (relation, 1)]);
    }
    let squares: [(&str, Pick, R); 2] =
        [("q", |m| &mut m.layers[0].q, R::RotaryQ), ("o", |m| &mut m.layers[0].o, R::UpdateO)];
    for (name, pick, relation) in squares {
        let transpose = |m: &mut Model| {
            let l = pick(m);
            let n = l.inp;
            assert_eq!(l.out, n);
            (0..n).for_each(|i| (0..i).for_each(|j| l.weight.swap(i * n + j, j * n + i)));
        };
        bench.by_model(&format!("{name} transposed"), transpose, &[(relation, 0)]);
    }
    let sites: [(&str, Step, fn(&LayerCells) -> &Site, R); 4] = [
        ("value", Step::Value(0), |l| &l.v, R::Value),
        ("gate", Step::Gate(0), |l| &l.gate, R::Gate),
        ("o", Step::UpdateO(0), |l| &l.update_o, R::UpdateO),
        ("down", Step::UpdateDown(0), |l| &l.update_down, R::UpdateDown),
    ];
    for (name, step, site, relation) in sites {
        let forged = bench.after(step, |r| {
            let site = site(&r.w.layout.layers[0]).clone();
            // One bit more is shifted away: the quotient halves.
            for (col, row) in (0..site.cols).flat_map(|c| (0..2 * ROWS).map(move |row| (c, row))) {
                let w = w_of(r, &site, col, row);
                r.set_quotient(&site, col, row, (w + 1) >> 1, 0);
            }
        });
        refused(&format!("{name}: another shift"), &forged, &[(Check::Relation(relation), 0)]);
    }
}

fn w_of(r: &Replay<'_>, site: &Site, col: usize, row: usize) -> i64 {
    let (form, constant) = site.w_form();
    form.iter().map(|&(id, k)| k * r.at(id, col, row)).sum::<i64>() + constant
}

/// 5: sign of the sine, positions shifted by one.
#[test]
fn rotations_are_those_of_the_tables() {
    let bench = Bench::new(ODD);
    let both = [(R::RotaryQ, 0), (R::RotaryK, 0), (R::RotaryQ, 1), (R::RotaryK, 1)];
    bench.by_model("sine negated", |m| m.rope_sin.iter_mut().for_each(|s| *s = -*s), &both);
    bench.by_model("cosine for sine", |m| std::mem::swap(&mut m.rope_cos, &mut m.rope_sin), &both);
    let shift = |m: &mut Model| {
        let pairs = m.shape.head_dim / 2;
        m.rope_cos.rotate_left(pairs);
        m.rope_sin.rotate_left(pairs);
    };
    bench.by_model("position + 1", shift, &both);
    let mirrored = |m: &mut Model| {
        let pairs = m.shape.head_dim / 2;
        m.rope_cos.chunks_mut(pairs).chain(m.rope_sin.chunks_mut(pairs)).for_each(<[i32]>::reverse);
    };
    bench.by_model("pairs in reverse", mirrored, &both);
}

/// Query or key cells of layer 0 by a rotation of the forger's: partner channels and position.
fn rotate_by(
    r: &mut Replay<'_>,
    key: bool,
    partner: fn(usize, usize) -> (usize, usize, usize),
    position: fn(usize) -> usize,
) {
    let cells = r.w.layout.layers[0].clone();
    let model = r.key.model.clone();
    let (site, linear) = if key { (&cells.k, &model.layers[0].k) } else { (&cells.q, &model.layers[0].q) };
    let rows = r.w.instance.rows();
    let (hd, pairs) = (model.shape.head_dim, model.shape.head_dim / 2);
    let a = integers(&field_product(linear, &output(&r.w, &cells.norms[0].site), rows));
    for (col, row) in (0..site.cols).flat_map(|c| (0..rows).map(move |row| (c, row))) {
        let (first, second, pair) = partner(col % hd, hd);
        let base = col / hd * hd;
        let (x, y) = (a[(base + first) * rows + row], a[(base + second) * rows + row]);
        let at = position(row) * pairs + pair;
        let (c, s) = (i64::from(model.rope_cos[at]), i64::from(model.rope_sin[at]));
        let before = if col % hd == first { x * c - y * s } else { x * s + y * c };
        let (q, rem) = Replay::split(before, site.shift);
        r.set_quotient(site, col, row, q, 0);
        r.set_rem(site, col, row, rem);
    }
}

/// 5: interleaved pairs, and a position that goes on in the second sequence.
#[test]
fn pairs_are_halves_and_positions_restart() {
    let bench = Bench::new(ODD);
    let halves: fn(usize, usize) -> (usize, usize, usize) = |c, hd| {
        let pair = c % (hd / 2);
        (pair, pair + hd / 2, pair)
    };
    let interleaved: fn(usize, usize) -> (usize, usize, usize) = |c, _| (c / 2 * 2, c / 2 * 2 + 1, c / 2);
    for (key, step, relation) in [(false, Step::Query(0), R::RotaryQ), (true, Step::Key(0), R::RotaryK)] {
        let twin = bench.after(step, |r| rotate_by(r, key, halves, |row| row % ROWS));
        accepted("own rotation", &bench.key, &twin.statement, &twin.w);
        let expected = [(Check::Relation(relation), 0)];
        let forged = bench.after(step, |r| rotate_by(r, key, interleaved, |row| row % ROWS));
        refused("interleaved pairs", &forged, &expected);
        let forged = bench.after(step, |r| rotate_by(r, key, halves, |row| row));
        refused("position not restarted", &forged, &expected);
    }
}

/// 7: silu of another layer or of g ± 1; the gate's projection in place of up.
#[test]
fn the_gated_product_uses_its_own_table_and_matrix() {
    let bench = Bench::new(EVEN);
    let table = [(Check::Table(Table::Silu(0)), 0)];
    bench.by_model_checks("silu of the other layer", |m| m.layers[0].silu = m.layers[1].silu.clone(), &table);
    // The lowest entry repeats its neighbour in every table that is loaded.
    bench.by_model_checks(
        "silu of g + 1",
        |m| {
            let silu = &mut m.layers[0].silu;
            silu.rotate_left(1);
            let n = silu.len();
            silu[n - 1] = silu[n - 2];
            silu[0] = silu[1];
        },
        &table,
    );
    bench.by_model_checks(
        "silu of g - 1",
        |m| {
            let silu = &mut m.layers[0].silu;
            silu.rotate_right(1);
            silu[0] = silu[1];
        },
        &table,
    );
    let gate_as_up = |m: &mut Model| m.layers[0].up.weight = m.layers[0].gate.weight.clone();
    bench.by_model("gate as up", gate_as_up, &[(R::SwiGlu, 0)]);
    let up_as_gate = |m: &mut Model| m.layers[0].gate.weight = m.layers[0].up.weight.clone();
    bench.by_model("up as gate", up_as_gate, &[(R::Gate, 0)]);
}

/// Output cells of an update.
fn updates(r: &Replay<'_>, layer: usize, down: bool) -> Vec<F> {
    let cells = &r.w.layout.layers[layer];
    let site = if down { &cells.update_down } else { &cells.update_o };
    let [_, _, y] = site.clamp.expect("all modes are on");
    r.w.tensor(y).to_vec()
}

fn put_updates(r: &mut Replay<'_>, layer: usize, down: bool, values: &[F]) {
    let cells = r.w.layout.layers[layer].clone();
    let site = if down { &cells.update_down } else { &cells.update_o };
    let [_, _, y] = site.clamp.expect("all modes are on");
    r.w.tensor_mut(y).copy_from_slice(values);
}

/// 8: the residual before one norm with an update skipped, doubled, or exchanged for another.
#[test]
fn the_residual_is_the_sum_of_all_updates() {
    let bench = Bench::new(ODD);
    // What the forger adds up before the norm: (update in place, factor or other update).
    type Wrong = fn(&Replay<'_>) -> Vec<F>;
    let last = ODD.layers;
    let cases: [(&str, usize, usize, bool, Wrong); 5] = [
        ("o skipped", 1, 0, false, |r| vec![F::default(); updates(r, 0, false).len()]),
        ("o doubled", 1, 0, false, |r| updates(r, 0, false).into_iter().map(|x| x + x).collect()),
        ("down for o", 3, 1, false, |r| updates(r, 0, true)),
        ("another layer's o", 3, 1, false, |r| updates(r, 0, false)),
        ("down skipped", 2 * last, last - 1, true, |r| vec![F::default(); updates(r, 0, false).len()]),
    ];
    for (name, norm, layer, down, wrong) in cases {
        let (layer_step, filled) =
            (if down { Step::UpdateDown(layer) } else { Step::UpdateO(layer) }, Step::Norm(norm));
        let mut saved = vec![];
        let forged = replay(&bench.key, &bench.key, &bench.q, bench.modes(), |step, r| {
            if step == layer_step {
                saved = updates(r, layer, down);
                let values = wrong(r);
                put_updates(r, layer, down, &values);
            }
            if step == filled {
                put_updates(r, layer, down, &saved);
            }
        });
        let relations =
            if norm % 2 == 1 { [R::NormDivision2, R::NormScale2] } else { [R::NormDivision1, R::NormScale1] };
        refused(name, &forged, &relations.map(|r| (Check::Relation(r), norm / 2)));
    }
}

/// 10: a pad token that is not 0, by an embedding of the forger's; an embedding row changed.
#[test]
fn rows_hold_the_embedding_of_their_tokens() {
    let bench = Bench::new(EVEN);
    let all: Vec<(R, usize)> = (0..EVEN.layers)
        .flat_map(|l| [R::NormDivision1, R::NormScale1, R::NormDivision2, R::NormScale2].map(|r| (r, l)))
        .chain([(R::NormDivision1, EVEN.layers), (R::NormScale1, EVEN.layers)])
        .collect();
    let pad = |m: &mut Model| {
        let dim = m.shape.dim;
        let (first, rest) = m.embed.split_at_mut(dim);
        first.copy_from_slice(&rest[..dim]);
    };
    bench.by_model("another pad token", pad, &all);
    let token = bench.q.sequences[0].prompt[2] as usize;
    bench.by_model("another embedding", |m| m.embed[token * m.shape.dim] += 1, &all);
}
