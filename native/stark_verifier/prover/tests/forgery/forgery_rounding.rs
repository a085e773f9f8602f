//! Forgeries of `y = sat(RS(A, s))` at every rounding site (groups 2, 3 and 14): remainders, clamps,
//! widths, and quotients that are right only modulo p.
//! Needs the feature `relation-switch`: it lets the prover cheat in the lookup argument as well.
#![cfg(feature = "relation-switch")]

use crate::common::forge::{accepted, refused};
use crate::common::replay::{Replay, Step, honest, question, replay};
use crate::common::{EVEN, key, prompts};
use esper_commitment::{F, Field, PrimeCharacteristicRing};
use esper_model::synthetic::{Options, random_model};
use esper_model::{Linear, Model};
use esper_prover::ModelKey;
use esper_prover::checker::Check;
use esper_verifier::Statement;
use esper_verifier::descriptor::ClampClass;
use esper_verifier::layout::{Layout, Ranged, Site};
use esper_verifier::modes::Modes;
use esper_verifier::relation::Relation;
use esper_verifier::tables::{Table, magnitude};
use std::sync::{Arc, OnceLock};

/// A rounding site of layer 0 (or the final norm).
#[derive(Clone, Copy)]
struct Place {
    name: &'static str,
    step: Step,
    site: fn(&Layout) -> Site,
    class: ClampClass,
    relation: Relation,
    layer: usize,
    /// Width of silu times up in the place's model.
    z_bits: u32,
    /// What the value before the rounding is proportional to.
    scale: fn(&mut Model, usize) -> Vec<&mut i32>,
}

fn one(linear: &mut Linear, col: usize) -> Vec<&mut i32> {
    vec![&mut linear.mult[col]]
}

/// Both multipliers of a rotary pair.
fn pair(linear: &mut Linear, col: usize) -> Vec<&mut i32> {
    let (half, first) = (EVEN.head_dim / 2, col / EVEN.head_dim * EVEN.head_dim + col % (EVEN.head_dim / 2));
    linear
        .mult
        .iter_mut()
        .enumerate()
        .filter(|(i, _)| *i == first || *i == first + half)
        .map(|(_, m)| m)
        .collect()
}

const PLACES: [Place; 11] = [
    Place {
        name: "first norm",
        step: Step::Norm(0),
        site: |l| l.layers[0].norms[0].site.clone(),
        class: ClampClass::Norm,
        relation: Relation::ClampNorm1,
        layer: 0,
        z_bits: 16,
        scale: |m, c| vec![&mut m.layers[0].norm1_gain[c]],
    },
    Place {
        name: "second norm",
        step: Step::Norm(1),
        site: |l| l.layers[0].norms[1].site.clone(),
        class: ClampClass::Norm,
        relation: Relation::ClampNorm2,
        layer: 0,
        z_bits: 16,
        scale: |m, c| vec![&mut m.layers[0].norm2_gain[c]],
    },
    Place {
        name: "query",
        step: Step::Query(0),
        site: |l| l.layers[0].q.clone(),
        class: ClampClass::Qk,
        relation: Relation::ClampQ,
        layer: 0,
        z_bits: 16,
        scale: |m, c| pair(&mut m.layers[0].q, c),
    },
    Place {
        name: "key",
        step: Step::Key(0),
        site: |l| l.layers[0].k.clone(),
        class: ClampClass::Qk,
        relation: Relation::ClampK,
        layer: 0,
        z_bits: 16,
        scale: |m, c| pair(&mut m.layers[0].k, c),
    },
    Place {
        name: "value",
        step: Step::Value(0),
        site: |l| l.layers[0].v.clone(),
        class: ClampClass::V,
        relation: Relation::ClampV,
        layer: 0,
        z_bits: 16,
        scale: |m, c| one(&mut m.layers[0].v, c),
    },
    Place {
        name: "attention update",
        step: Step::UpdateO(0),
        site: |l| l.layers[0].update_o.clone(),
        class: ClampClass::UpdateO,
        relation: Relation::ClampUpdateO,
        layer: 0,
        z_bits: 16,
        scale: |m, c| one(&mut m.layers[0].o, c),
    },
    Place {
        name: "gate",
        step: Step::Gate(0),
        site: |l| l.layers[0].gate.clone(),
        class: ClampClass::Gate,
        relation: Relation::ClampGate,
        layer: 0,
        z_bits: 16,
        scale: |m, c| one(&mut m.layers[0].gate, c),
    },
    Place {
        name: "gated value",
        step: Step::Z(0),
        site: |l| l.layers[0].z.clone(),
        class: ClampClass::Z,
        relation: Relation::ClampZ,
        layer: 0,
        z_bits: 16,
        scale: |m, c| one(&mut m.layers[0].up, c),
    },
    Place {
        name: "wide gated value",
        step: Step::Z(0),
        site: |l| l.layers[0].z.clone(),
        class: ClampClass::Z,
        relation: Relation::ClampZ,
        layer: 0,
        z_bits: 20,
        scale: |m, c| one(&mut m.layers[0].up, c),
    },
    Place {
        name: "MLP update",
        step: Step::UpdateDown(0),
        site: |l| l.layers[0].update_down.clone(),
        class: ClampClass::UpdateDown,
        relation: Relation::ClampUpdateDown,
        layer: 0,
        z_bits: 16,
        scale: |m, c| one(&mut m.layers[0].down, c),
    },
    Place {
        name: "final norm",
        step: Step::Norm(2 * EVEN.layers),
        site: |l| l.final_norm.as_ref().expect("a head").site.clone(),
        class: ClampClass::Norm,
        relation: Relation::ClampNorm1,
        layer: EVEN.layers,
        z_bits: 16,
        scale: |m, c| vec![&mut m.final_gain[c]],
    },
];

/// N f + w.
fn quotient(r: &Replay<'_>, site: &Site, col: usize, row: usize) -> i64 {
    let m = magnitude(site.bits);
    let w = match site.w {
        Ranged::One(w) => r.at(w, col, row),
        Ranged::Two(low, high) => {
            r.at(low, col, row) + ((1 << (site.bits / 2)) + 1) * r.at(high, col, row) - m
        }
    };
    w + site.clamp.map_or(0, |[f, ..]| (2 * m + 1) * r.at(f, col, row))
}

/// A model whose value at the place passes its width by exactly one, in one of the rows that the
/// answer depends on: the honest quotient is `sign (Mx + 1)`.
struct Edge {
    key: ModelKey,
    question: Statement,
    col: usize,
    row: usize,
}

fn edge(place: &Place, sign: i64) -> Edge {
    let options = Options { gate_bits: 12, z_bits: place.z_bits, ..Options::default() };
    let model = random_model(5, EVEN, options).expect("a model within bounds");
    let key = ModelKey::new(Arc::new(model.clone())).expect("a key");
    let asked = question(&key, &prompts(EVEN.vocab, &[6], 9), 8, 4);
    let run = honest(&key, &asked, Modes::all(&key.descriptor));
    let site = (place.site)(&run.w.layout);
    // The final norm's rows count only where there is an answer.
    let limit = if place.class == ClampClass::Norm { 1 << 16 } else { 1 << 22 };
    let rows = if place.layer == 0 { 0..6 } else { 5..6 };
    for (row, col) in rows.flat_map(|r| (0..site.cols).map(move |c| (r, c))) {
        let half = 1 << (site.shift - 1);
        let before = (quotient(&run, &site, col, row) << site.shift) + run.rem(&site, col, row) - half;
        let mut changed = model.clone();
        let scale = i64::from(*(place.scale)(&mut changed, col)[0]);
        let target = sign * (magnitude(site.bits) + 1);
        let unit = before / scale;
        if unit == 0 {
            continue;
        }
        let new = ((i128::from(target) << site.shift) / i128::from(unit)) as i64;
        let hits = |m: i64| Replay::split(m * unit, site.shift).0 == target;
        let Some(new) = (new - 1..=new + 1).find(|&m| m.abs() < limit && hits(m)) else { continue };
        if new < 1 && !matches!(place.class, ClampClass::Norm) {
            continue;
        }
        (place.scale)(&mut changed, col).into_iter().for_each(|m| *m = new as i32);
        changed.integers_hash = changed.compute_integers_hash();
        let Ok(key) = ModelKey::new(Arc::new(changed)) else { continue };
        let question = question(&key, &prompts(EVEN.vocab, &[6], 9), 8, 4);
        return Edge { key, question, col, row };
    }
    panic!("{}: no multiplier brings a value to the edge", place.name);
}

impl Edge {
    fn modes(&self) -> Modes {
        Modes::all(&self.key.descriptor)
    }

    /// A replay in which `forge` rewrites the edge's cell right after its step.
    fn forged(&self, place: &Place, modes: Modes, forge: impl Fn(&mut Replay<'_>, &Site, i64)) -> Replay<'_> {
        replay(&self.key, &self.key, &self.question, modes, |step, r| {
            if step == place.step {
                let site = (place.site)(&r.w.layout);
                let q = quotient(r, &site, self.col, self.row);
                forge(r, &site, q);
            }
        })
    }
}

/// The table of w that an overflow by one leaves, with the table of the gate's output if that is w.
fn width_tables(place: &Place, site: &Site, output_too: bool) -> Vec<(Check, usize)> {
    let mut tables = vec![match site.w {
        Ranged::Two(..) => Table::WideHigh(site.bits),
        Ranged::One(_) if place.class == ClampClass::Gate && site.clamp.is_none() => Table::Silu(0),
        Ranged::One(_) => Table::Signed(site.bits),
    }];
    if output_too && place.class == ClampClass::Gate && site.clamp.is_some() {
        tables.push(Table::Silu(0));
    }
    tables.into_iter().map(|t| (Check::Table(t), place.layer)).collect()
}

/// An edge on either side of every place, made once.
fn edges() -> &'static [[Edge; 2]] {
    static EDGES: OnceLock<Vec<[Edge; 2]>> = OnceLock::new();
    EDGES.get_or_init(|| PLACES.iter().map(|p| [edge(p, 1), edge(p, -1)]).collect())
}

/// Every place, on both sides or on one after the other in turn.
fn at_edges(both_signs: bool, test: impl Fn(&Place, i64, &Edge, &Site)) {
    for (i, (place, both)) in PLACES.iter().zip(edges()).enumerate() {
        for (side, (sign, edge)) in [1, -1].into_iter().zip(both).enumerate() {
            if !both_signs && side != i % 2 {
                continue;
            }
            let run = honest(&edge.key, &edge.question, edge.modes());
            let site = (place.site)(&run.w.layout);
            assert_eq!(
                quotient(&run, &site, edge.col, edge.row),
                sign * (magnitude(site.bits) + 1),
                "{}",
                place.name
            );
            test(place, sign, edge, &site);
        }
    }
}

/// 2: the true quotient is ±(Mx + 1). Accepted with the clamp; refused unclamped, with the mode on or off.
#[test]
fn an_overflow_by_one_must_be_clamped() {
    at_edges(true, |place, sign, edge, site| {
        let (col, row) = (edge.col, edge.row);
        let run = honest(&edge.key, &edge.question, edge.modes());
        accepted(place.name, &edge.key, &run.statement, &run.w);

        let on = edge.forged(place, edge.modes(), |r, site, q| r.set_quotient(site, col, row, q, 0));
        refused(&format!("{}: w = {sign} (Mx + 1)", place.name), &on, &width_tables(place, site, true));

        let mut off = edge.modes();
        off.clamp[place.class as usize] = false;
        let off = honest(&edge.key, &edge.question, off);
        let bare = (place.site)(&off.w.layout);
        refused(
            &format!("{}: q = {sign} (Mx + 1) without the mode", place.name),
            &off,
            &width_tables(place, &bare, true),
        );
    });
}

/// 2: the sign and the output of a clamp.
#[test]
fn a_clamp_gives_the_bound_of_its_own_sign() {
    at_edges(false, |place, sign, edge, site| {
        let (col, row, m) = (edge.col, edge.row, magnitude(site.bits));
        let clamp = [(Check::Relation(place.relation), place.layer)];
        let table = [(Check::Table(Table::clamp_sign(place.class, site.bits)), place.layer)];
        let cells = |site: &Site| site.clamp.expect("the mode is on");

        let other = edge.forged(place, edge.modes(), |r, site, _| r.set(cells(site)[2], col, row, -sign * m));
        refused(&format!("{}: the other bound", place.name), &other, &clamp);

        let sigma = edge.forged(place, edge.modes(), |r, site, _| {
            r.set(cells(site)[1], col, row, -sign);
            r.set(cells(site)[2], col, row, -sign * m);
        });
        refused(&format!("{}: sigma against f", place.name), &sigma, &table);

        let zero = edge.forged(place, edge.modes(), |r, site, q| {
            let [_, sigma, y] = cells(site);
            r.set(sigma, col, row, 0);
            r.set(y, col, row, q - sign * (2 * m + 1));
        });
        refused(&format!("{}: sigma 0 with f = ±1", place.name), &zero, &table);
    });
}

/// 2: f = ±1 where nothing overflows, and f beyond its table.
#[test]
fn a_clamp_without_an_overflow_is_refused() {
    at_edges(false, |place, sign, edge, site| {
        let row = edge.row;
        let col = (edge.col + 1) % site.cols;
        let low = match site.w {
            Ranged::Two(..) => Table::WideHigh(site.bits),
            Ranged::One(_) => Table::Signed(site.bits),
        };
        let w = (Check::Table(low), place.layer);
        let unclamped = edge.forged(place, edge.modes(), |r, site, _| {
            let q = quotient(r, site, col, row);
            r.set_quotient(site, col, row, q, sign);
        });
        refused(&format!("{}: f = {sign} unclamped", place.name), &unclamped, &[w]);

        let f_table = Table::clamp_sign(place.class, site.bits);
        let reach = -f_table.first_key(&edge.key.descriptor);
        let beyond = edge.forged(place, edge.modes(), |r, site, _| {
            let q = quotient(r, site, col, row);
            r.set_quotient(site, col, row, q, sign * (reach + 1));
        });
        let f = (Check::Table(f_table), place.layer);
        refused(&format!("{}: f = {sign} (Q + 1)", place.name), &beyond, &[w, f]);
    });
}

/// 2: rem ± 2^s compensated in w.
#[test]
fn a_remainder_stays_below_its_shift() {
    for (place, [edge, _]) in PLACES.iter().zip(edges()) {
        for up in [1, -1] {
            let (col, row) = ((edge.col + 1) % 8, edge.row);
            let forged = edge.forged(place, edge.modes(), |r, site, _| {
                let (q, rem) = (quotient(r, site, col, row), r.rem(site, col, row));
                r.set_quotient(site, col, row, q - up, 0);
                r.set_rem(site, col, row, rem + (up << site.shift));
            });
            let top = (place.site)(&forged.w.layout).rem.last().expect("a shift").1;
            let expected = [(Check::Table(Table::Unsigned(top)), place.layer)];
            refused(&format!("{}: rem + {up} 2^s", place.name), &forged, &expected);
        }
    }
}

/// 2 and 14: q + k p / 2^s, for every remainder's neighbour: only the range of w rejects it.
#[test]
fn a_quotient_modulo_p_is_refused() {
    for (place, [edge, _]) in PLACES.iter().zip(edges()) {
        let (col, row) = (edge.col, edge.row);
        let forged = edge.forged(place, edge.modes(), |r, site, q| {
            let (rem, n) = (r.rem(site, col, row), 2 * magnitude(site.bits) + 1);
            let other = if rem == 0 { 1 } else { rem - 1 };
            // 2^s (N + w) + other = 2^s q + rem, over the field.
            let shift = F::from_u64(1 << site.shift);
            let w = F::from_i64(q - n) + F::from_i64(rem - other) * shift.inverse();
            r.set_rem(site, col, row, other);
            r.set_w(site, col, row, 0);
            let rows = r.w.instance.rows();
            let (Ranged::One(cell) | Ranged::Two(cell, _)) = site.w;
            r.w.tensor_mut(cell)[col * rows + row] += w;
        });
        let site = (place.site)(&forged.w.layout);
        let table = match site.w {
            Ranged::Two(..) => Table::WideLow(site.bits),
            Ranged::One(_) => Table::Signed(site.bits),
        };
        refused(&format!("{}: q + k p / 2^s", place.name), &forged, &[(Check::Table(table), place.layer)]);
    }
}

/// The places whose values have two digits.
fn wide_places() -> impl Iterator<Item = (&'static Place, &'static [Edge; 2])> {
    let wide = |p: &Place| matches!(p.class, ClampClass::UpdateO | ClampClass::UpdateDown) || p.z_bits > 16;
    PLACES.iter().zip(edges()).filter(move |(p, _)| wide(p))
}

/// 3: ±2^(b-1) of the wide updates and of wide z is in [`an_overflow_by_one_must_be_clamped`]; here each digit one past
/// its table.
#[test]
fn digits_of_a_wide_value_stay_in_their_tables() {
    for (place, [edge, _]) in wide_places() {
        let (col, row) = ((edge.col + 1) % 8, edge.row);
        // The same w with low = 2^(b/2) + 1 more and high one less, or the other way round.
        for up in [1, -1] {
            let forged = edge.forged(place, edge.modes(), |r, site, _| {
                let Ranged::Two(low, high) = site.w else { panic!("a wide value") };
                r.add(low, col, row, up * ((1 << (site.bits / 2)) + 1));
                r.add(high, col, row, -up);
            });
            let bits = (place.site)(&forged.w.layout).bits;
            let expected = [(Check::Table(Table::WideLow(bits)), place.layer)];
            refused(&format!("{}: low digit past its table", place.name), &forged, &expected);
        }
    }
}

/// 3: a gated value beyond 16 bits, where nothing clamps: accepted at its full width, refused by the table of 16 bits
/// where that width is off in one layer.
#[test]
fn a_gated_value_beyond_16_bits_needs_its_full_width() {
    let key = key(33, EVEN, Options { gate_bits: 12, z_bits: 22, ..Options::default() });
    let asked = question(&key, &prompts(EVEN.vocab, &[6], 5), 8, 4);
    let mut modes = Modes::all(&key.descriptor);
    modes.clamp[ClampClass::Z as usize] = false;
    let run = honest(&key, &asked, modes.clone());
    accepted("wide", &key, &run.statement, &run.w);
    for layer in 0..EVEN.layers {
        let mut narrow = modes.clone();
        narrow.wide[layer].z = false;
        let forged = honest(&key, &asked, narrow);
        refused(&format!("narrow in layer {layer}"), &forged, &[(Check::Table(Table::Signed(16)), layer)]);
    }
}
