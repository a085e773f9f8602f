//! Forgeries of the lookup argument (group 11) and of the mode mask (group 12).
//! Needs the feature `relation-switch`: it lets the prover cheat in the lookup argument as well.
#![cfg(feature = "relation-switch")]

use crate::common::forge::{accepted, alone};
use crate::common::replay::{honest, question};
use crate::common::{EVEN, prompts};
use esper_commitment::{F, PrimeCharacteristicRing};
use esper_model::synthetic::{Options, random_model};
use esper_prover::prove::prove_counted;
use esper_prover::witness::Witness;
use esper_prover::{ModelKey, prove_witness};
use esper_verifier::layout::Layout;
use esper_verifier::modes::{Modes, WideSites};
use esper_verifier::tables::Table;
use esper_verifier::{Statement, VerifyError, verify};
use std::sync::Arc;

struct Bench {
    key: ModelKey,
    statement: Statement,
}

impl Bench {
    fn new() -> Self {
        // z is wide in the first layer alone.
        let [mut model, other] = [18, 16].map(|z_bits| {
            random_model(7, EVEN, Options { gate_bits: 12, z_bits, ..Options::default() }).expect("a model")
        });
        model.layers[1] = other.layers[1].clone();
        model.integers_hash = model.compute_integers_hash();
        let key = ModelKey::new(Arc::new(model)).expect("a key");
        let q = question(&key, &prompts(EVEN.vocab, &[6], 3), 8, 3);
        let run = honest(&key, &q, Modes::all(&key.descriptor));
        accepted("honest", &key, &run.statement, &run.w);
        Self { statement: run.statement, key }
    }

    /// An honest witness with its multiplicities.
    fn counted(&self) -> Witness {
        let all = Modes::all(&self.key.descriptor);
        let mut w = Witness::with_modes(&self.key, &self.statement, |_| all).expect("a witness");
        w.count(&self.key);
        w
    }

    fn reason(&mut self, proof: &[u8]) -> Option<VerifyError> {
        alone(|| verify(&self.statement, proof).err())
    }

    #[track_caller]
    fn refused(&mut self, name: &str, w: Witness) {
        let proof = alone(|| prove_counted(&self.key, &self.statement, w));
        assert!(self.reason(&proof).is_some(), "{name}: accepted");
    }

    /// First multiplicity cell of a table.
    fn at(&self, w: &Witness, table: Table) -> usize {
        let first = w.layout.tables.iter().find(|t| t.0 == table).expect("a table in use").1;
        w.layout.multiplicities + first
    }
}

/// 11: multiplicities off by one, moved between entries and between tables.
#[test]
fn multiplicities_count_lookups() {
    let mut bench = Bench::new();
    let proof = prove_counted(&bench.key, &bench.statement, bench.counted());
    assert_eq!(bench.reason(&proof), None);
    for table in bench.counted().layout.tables.iter().map(|t| t.0).collect::<Vec<_>>() {
        let by = if table.tag() % 2 == 0 { 1 } else { -1 };
        let mut w = bench.counted();
        let at = bench.at(&w, table);
        w.cells[at] += F::from_i64(by);
        bench.refused(&format!("{table:?}: multiplicity + {by}"), w);
    }
    let mut w = bench.counted();
    let at = bench.at(&w, Table::Signed(16));
    let used = (at..).find(|&i| w.cells[i] != F::ZERO).expect("a used entry");
    w.cells[used] -= F::ONE;
    w.cells[used + 1] += F::ONE;
    bench.refused("moved to the next entry", w);
    // Key 5 of one table counted at key 5 of another.
    let mut w = bench.counted();
    let (a, b) = (bench.at(&w, Table::Unsigned(16)), bench.at(&w, Table::Unsigned(4)));
    w.cells[a + 5] += F::ONE;
    w.cells[b + 5] -= F::ONE;
    bench.refused("moved to the same key of another table", w);
}

/// 11: keys with the tag of another table, though the entry has the same key there; a tensor without tag.
#[test]
fn tags_are_the_verifiers() {
    let mut bench = Bench::new();
    let reference = bench.counted();
    // Every eighth lookup, to save time; the removals below take others.
    for i in (0..reference.layout.lookups.len()).step_by(8) {
        let mut w = bench.counted();
        let lookup = w.layout.lookups[i];
        if lookup.table == Table::ExpOnMask || lookup.partners != [None; 2] {
            continue;
        }
        // Every limb and every value as an entry of the widest table there is.
        let other = if lookup.table == Table::Unsigned(16) { Table::Signed(16) } else { Table::Unsigned(16) };
        w.layout.lookups[i].table = other;
        w.count(&bench.key);
        let proof = prove_counted(&bench.key, &bench.statement, w);
        assert!(bench.reason(&proof).is_some(), "lookup {i} of {:?} in {other:?}: accepted", lookup.table);
    }
    for i in (1..reference.layout.lookups.len()).step_by(8) {
        let mut w = bench.counted();
        w.layout.lookups.remove(i);
        w.count(&bench.key);
        let proof = prove_counted(&bench.key, &bench.statement, w);
        assert!(bench.reason(&proof).is_some(), "lookup {i} left out: accepted");
    }
}

/// Where the mode mask stands in a proof.
fn mask(key: &ModelKey) -> std::ops::Range<usize> {
    let start = 4 + key.descriptor.encode().len();
    start..start + 2 + key.descriptor.layers.len()
}

/// 12: every bit flipped alone; unknown bits.
#[test]
fn every_bit_of_the_mask_is_bound() {
    let mut bench = Bench::new();
    for modes in [Modes::all(&bench.key.descriptor), Modes::off(EVEN.layers)] {
        // What the honest prompt needs comes in addition.
        let w = Witness::with_modes(&bench.key, &bench.statement, |needed| {
            if modes.slack_top { modes.clone() } else { needed }
        });
        let proof = alone(|| prove_witness(&bench.key, &bench.statement, w.expect("a witness")));
        assert_eq!(bench.reason(&proof), None);
        for byte in mask(&bench.key) {
            for bit in 0..8 {
                let mut other = proof.clone();
                other[byte] ^= 1 << bit;
                assert!(bench.reason(&other).is_some(), "byte {byte} bit {bit}: accepted");
            }
        }
        let first = mask(&bench.key).start;
        for (byte, bit) in [(first, 7), (first + 1, 3), (first + 1, 7), (first + 2, 3), (first + 3, 7)] {
            let mut other = proof.clone();
            other[byte] |= 1 << bit;
            assert_eq!(
                bench.reason(&other),
                Some(VerifyError::Modes("unknown bit")),
                "byte {byte} bit {bit}"
            );
        }
        let mut other = proof.clone();
        other[first + 1] |= 3;
        assert_eq!(bench.reason(&other), Some(VerifyError::Modes("three overflow limbs")));
        let mut other = proof.clone();
        other[first + 3] |= 1 << 2;
        assert_eq!(bench.reason(&other), Some(VerifyError::Modes("full width of a site of 16 bits")));
        // Clamps of z and of the updates, each with the full width of one site off.
        for (class, layer, site) in [(4, 0, 2), (5, 0, 0), (5, 1, 0), (6, 0, 1), (6, 1, 1)] {
            let mut other = proof.clone();
            other[first] = 1 << class;
            other[first + 2] = 0b111 ^ u8::from(layer == 0) << site;
            other[first + 3] = 0b011 & !(u8::from(layer == 1) << site);
            assert_eq!(
                bench.reason(&other),
                Some(VerifyError::Modes("clamp of a site that is not ranged at its width")),
                "class {class} layer {layer}"
            );
        }
    }
}

/// 12: columns of a mode committed with the mode off in the mask, and the other way round.
#[test]
fn columns_follow_the_mask() {
    let mut bench = Bench::new();
    let all = Modes::all(&bench.key.descriptor);
    let d = bench.key.descriptor.clone();
    let mut masks = vec![];
    for i in 0..all.clamp.len() {
        let mut m = all.clone();
        m.clamp[i] = false;
        masks.push(m);
    }
    for overflow in 0..2 {
        masks.push(Modes { overflow, ..all.clone() });
    }
    masks.push(Modes { slack_top: false, ..all.clone() });
    let mut pairs: Vec<(Modes, Modes)> = masks.into_iter().map(|mode| (all.clone(), mode)).collect();
    // A width may be off where the class has no clamp.
    let mut unclamped = all.clone();
    (4..7).for_each(|class| unclamped.clamp[class] = false);
    let narrower: [fn(&mut WideSites); 3] = [|w| w.o = false, |w| w.down = false, |w| w.z = false];
    for narrow in narrower {
        let mut mode = unclamped.clone();
        narrow(&mut mode.wide[0]);
        pairs.push((unclamped.clone(), mode));
    }
    for (most, mode) in pairs {
        for (layout_of, said) in [(&most, &mode), (&mode, &most)] {
            let mut w =
                Witness::with_modes(&bench.key, &bench.statement, |_| layout_of.clone()).expect("a witness");
            assert_ne!(Layout::new(&d, &w.instance, said).lookup_cells, w.layout.lookup_cells);
            w.modes = said.clone();
            let proof = alone(|| prove_witness(&bench.key, &bench.statement, w));
            assert!(bench.reason(&proof).is_some(), "{said:?} with the cells of {layout_of:?}: accepted");
        }
    }
}
