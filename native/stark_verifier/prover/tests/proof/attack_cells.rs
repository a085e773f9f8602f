//! One committed cell changed at a time, in every tensor: the statement stays true, yet a proof from a witness with a
//! wrong cell must be refused, or that cell would be free and some other witness could put a false value there.
//!
//! Cells that are free by design are named in [`free`]; for those the same change must be *accepted*, so that the
//! list cannot hide more than it says.

use crate::attack_support::{Random, forged, outcome};
use crate::common::{EVEN, ODD, answered, key, prompts};
use esper_commitment::{F, PrimeCharacteristicRing};
use esper_model::Shape;
use esper_model::synthetic::{Clamps, Options, ScoreOverflow};
use esper_prover::witness::Witness;
use esper_prover::{ModelKey, prove_witness};
use esper_verifier::Statement;
use esper_verifier::layout::{LayerCells, Layout, TensorId};
use esper_verifier::modes::Modes;

/// What stands beside the mask in attention tensors.
fn off_mask(w: &Witness, cell: usize) -> bool {
    let (rows, positions) = (w.instance.rows(), w.instance.positions);
    cell / rows % positions > cell % positions
}

/// Tensors with a column for each key position.
fn masked_tensors(l: &LayerCells) -> Vec<TensorId> {
    let single = [l.diff, l.exp, l.reached];
    single.into_iter().chain(l.diff_rem).chain(l.overflow.iter().copied()).collect()
}

/// Whether a cell of a tensor is free: one-hots, remainders and overflow of masked keys, and slack of pad answers.
fn free(w: &Witness, id: TensorId, cell: usize) -> bool {
    let layers = &w.layout.layers;
    let hidden = |l: &LayerCells| l.reached == id || l.diff_rem == Some(id) || l.overflow.contains(&id);
    let slack = w.layout.slack.iter().any(|s| s.0 == id);
    (layers.iter().any(hidden) && off_mask(w, cell))
        || (slack && cell % (1 << w.instance.answer_bits()) >= w.instance.answers)
}

/// Cells of a tensor to be changed: `ESPER_ATTACK_SAMPLES` of them spread over it (1 unless set), and one off the mask
/// where there is a mask.
fn samples(w: &Witness, id: TensorId) -> Vec<usize> {
    let count = std::env::var("ESPER_ATTACK_SAMPLES").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let cells = w.layout.tensors[id].cells();
    let mut random = Random(id as u64);
    let mut out: Vec<usize> = (0..count).map(|_| random.below(cells)).collect();
    if w.layout.layers.iter().any(|l| masked_tensors(l).contains(&id)) {
        // The last key position, seen from the first row.
        out.push((w.instance.positions - 1) * w.instance.rows());
    }
    out
}

fn name(layout: &Layout, id: TensorId) -> String {
    let kind = layout.lookups.iter().find(|l| l.key == id).map(|l| format!("{:?}", l.table));
    format!("tensor {id} ({}), {} columns", kind.unwrap_or_else(|| "no key".into()), layout.tensors[id].cols)
}

fn attack(key: &ModelKey, s: &Statement, choose: fn(Modes, &ModelKey) -> Modes) {
    let fresh = || Witness::with_modes(key, s, |m| choose(m, key)).expect("an honest witness");
    let honest = prove_witness(key, s, fresh());
    assert_eq!(outcome(s, &honest, "honest"), Ok(()), "the honest twin");
    let (mut tried, mut frees) = (0, 0);
    let w = fresh();
    for id in 0..w.layout.tensors.len() {
        for cell in samples(&w, id) {
            let mut w = Witness {
                instance: w.instance,
                modes: w.modes.clone(),
                layout: w.layout.clone(),
                cells: w.cells.clone(),
                ends: w.ends.clone(),
            };
            let is_free = free(&w, id, cell);
            let what = format!("{} cell {cell}", name(&w.layout, id));
            // A change that stays inside a range table where there is one.
            let old = w.tensor(id)[cell];
            w.tensor_mut(id)[cell] = if old == F::ONE {
                F::ZERO
            } else if old == F::ZERO {
                F::ONE
            } else {
                old - F::ONE
            };
            let proof = forged(|| prove_witness(key, s, w));
            let result = proof.as_ref().map(|proof| outcome(s, proof, &what));
            let taken = matches!(result, Some(Ok(())));
            assert_eq!(taken, is_free, "{what} (free by design: {is_free}): {result:?}");
            tried += 1;
            frees += u32::from(is_free);
        }
    }
    println!("{tried} cells changed: {frees} free by design, the others refused");
    assert!(frees > 0 && tried > frees);
}

/// Smaller than the shapes of `common`, since every change costs a proof.
const SMALL: Shape = Shape { layers: 1, ..ODD };

#[test]
fn every_tensor_without_modes() {
    let key = key(2, ODD, Options { gate_bits: 12, ..Options::default() });
    let s = answered(&key, &prompts(ODD.vocab, &[3, 2, 1], 9), 4, 2, 3);
    attack(&key, &s, |m, _| m);
}

#[test]
fn every_tensor_with_all_modes() {
    let options = Options {
        clamps: Clamps::ALL,
        score_overflow: ScoreOverflow::TwoLimbs,
        gate_bits: 12,
        z_bits: 18,
        ..Options::default()
    };
    let key = key(3, SMALL, options);
    let s = answered(&key, &prompts(SMALL.vocab, &[3], 9), 8, 3, 3);
    attack(&key, &s, |_, key| Modes::all(&key.descriptor));
}

#[test]
fn every_tensor_of_a_shape_of_powers_of_two() {
    let shape = Shape { layers: 1, ..EVEN };
    let key = key(4, shape, Options { o_bits: 16, ..Options::default() });
    let s = answered(&key, &prompts(shape.vocab, &[5], 9), 8, 2, 1);
    attack(&key, &s, |m, _| m);
}
