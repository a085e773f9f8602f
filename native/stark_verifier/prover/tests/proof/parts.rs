//! A model in parts: accepted where the whole model's proof is, and refused wherever parts, residuals or descriptors are
//! not those of the one statement. Every forgery begins with the accepted twin's bytes.

use crate::common::parted::{Parted, THREE, changed, id_of, join, permuted};
use crate::common::{EVEN, ODD};
use esper_model::{Linear, Model, Shape};
use esper_prover::parts::{chain, ends};
use esper_prover::witness::{Ends, Witness};
use esper_prover::{
    PartedModel, Plan, ProveError, balanced_cuts, part_key, plan_part, prove, prove_part, prove_parts,
};
use esper_verifier::boundary::{Boundary, Chain};
use esper_verifier::descriptor::{Descriptor, Part};
use esper_verifier::embedding::row_bytes;
use esper_verifier::layout::Layout;
use esper_verifier::modes::Modes;
use esper_verifier::statement::Instance;
use esper_verifier::{Statement, VerifyError, transcript, verify, verify_parts};
use std::sync::Arc;

fn refusal(p: &Parted, bytes: &[u8]) -> VerifyError {
    verify_parts(&p.statement, &p.id, bytes).expect_err("a forgery is accepted")
}

#[test]
fn parts_say_what_the_whole_model_says() {
    let five = Shape { layers: 5, ..EVEN };
    for (shape, cuts) in
        [(THREE, &[][..]), (THREE, &[2]), (THREE, &[1, 2]), (ODD, &[1]), (EVEN, &[1]), (five, &[1, 3])]
    {
        let p = Parted::new(4, shape, cuts, 9, 3);
        assert!(verify(&p.statement, &prove(&p.whole, &p.statement).unwrap()).is_ok());
        let parted = PartedModel::new(Arc::clone(&p.whole.model), cuts).unwrap();
        let parts = parted.descriptors().unwrap();
        assert_eq!(parts, p.parts);
        let bytes = prove_parts(&parted, &parts, &p.statement).unwrap();
        let report = verify_parts(&p.statement, &p.id, &bytes).unwrap();
        // Each part is a task of its own.
        assert!(verify_parts(&p.statement, &p.id, &p.join(&p.proofs())).is_ok());
        assert_eq!(report.parts.len(), cuts.len() + 1);
        assert!(report.security_bits >= 128.0, "{report:?}");
        // A part's proof is none of a whole model, nor the other way round.
        assert!(verify(&p.statement, &bytes).is_err());
        let whole = prove(&p.whole, &p.statement).unwrap();
        assert!(verify_parts(&p.statement, &p.id, &whole).is_err());
    }
}

#[test]
fn statements_that_the_model_does_not_bear_out_are_refused() {
    let mut p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let bytes = p.join(&p.proofs());
    assert!(verify_parts(&p.statement, &p.id, &bytes).is_ok());
    let honest = p.statement.clone();
    p.statement.sequences[1].top[0][0].1 += 1;
    refusal(&p, &bytes);
    let refused = Witness::between(&p.keys[2], &p.statement, ends(&p.between, 2));
    assert!(matches!(refused, Err(ProveError::Answer { .. })));
    for change in [0, 1, 2, 3] {
        p.statement = honest.clone();
        match change {
            0 => p.statement.binding[5] ^= 1,
            1 => p.statement.model_id[0] ^= 1,
            2 => p.statement.sequences.swap(0, 1),
            _ => p.statement.sequences[0].prompt[1] ^= 1,
        }
        refusal(&p, &bytes);
    }
}

#[test]
fn parts_stand_in_their_own_place() {
    let p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let other = Parted::new(4, THREE, &[1, 2], 77, 2);
    let [proofs, of_another] = [p.proofs(), other.proofs()];
    assert!(verify_parts(&p.statement, &p.id, &p.join(&proofs)).is_ok());
    assert!(verify_parts(&other.statement, &other.id, &other.join(&of_another)).is_ok());
    for index in 0..3 {
        let mut forged = proofs.clone();
        forged[index] = of_another[index].clone();
        refusal(&p, &p.join(&forged));
        let mut forged = proofs.clone();
        forged.swap(index, (index + 1) % 3);
        refusal(&p, &p.join(&forged));
        forged = proofs.clone();
        forged[index] = proofs[(index + 1) % 3].clone();
        refusal(&p, &p.join(&forged));
        let mut forged = proofs.clone();
        forged.remove(index);
        refusal(&p, &p.join(&forged));
    }
}

#[test]
fn residuals_are_those_of_both_sides() {
    let p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let other = Parted::new(4, THREE, &[1, 2], 77, 2);
    let proofs = p.proofs();
    assert!(verify_parts(&p.statement, &p.id, &p.join(&proofs)).is_ok());
    let rows = p.instance.rows();
    for at in 0..2 {
        let honest = &p.between[at];
        let forgeries = [
            changed(honest, 0, 0, 1),
            changed(honest, rows - 1, THREE.dim - 1, -1),
            permuted(honest, 0, 1),
            other.between[at].clone(),
            p.between[1 - at].clone(),
            p.first(),
        ];
        for (i, forged) in forgeries.into_iter().enumerate() {
            assert!(forged != *honest, "residual {at}, forgery {i} changes nothing");
            let mut between = p.between.clone();
            between[at] = forged.clone();
            // In the published rows alone.
            refusal(&p, &join(&p.parts, &between, &proofs));
            // With all proofs bound to the published rows, over witnesses of the honest ones.
            let bound: Vec<Vec<u8>> =
                (0..3).map(|index| p.proof(index, &between, p.witness(index, &p.between))).collect();
            refusal(&p, &join(&p.parts, &between, &bound));
            // In what the next part begins with: its cells are the honest ones, or follow from the forged residual.
            let mut bound = proofs.clone();
            let mut w = p.witness(at + 1, &p.between);
            w.ends = ends(&between, at + 1);
            bound[at + 1] = p.proof(at + 1, &p.between, w);
            refusal(&p, &p.join(&bound));
            if at == 0 {
                let w =
                    Witness::between(&p.keys[1], &p.statement, Ends { handed: None, ..ends(&between, 1) });
                let mut w = w.expect("a residual that a norm takes");
                w.ends.handed = Some(p.between[1].clone());
                bound[1] = p.proof(1, &p.between, w);
                refusal(&p, &p.join(&bound));
            }
        }
    }
    let mut swapped = p.between.clone();
    swapped.swap(0, 1);
    refusal(&p, &join(&p.parts, &swapped, &proofs));
}

#[test]
fn the_prover_says_when_a_part_does_not_hand_on_what_it_should() {
    let p = Parted::new(4, THREE, &[1], 9, 2);
    let forged = changed(&p.between[0], 2, 3, 1);
    let refused = Witness::between(&p.keys[0], &p.statement, ends(&[forged], 0));
    assert!(matches!(refused, Err(ProveError::Boundary)));
    let model = &p.whole.model;
    for cuts in [&[0][..], &[3], &[2, 1], &[1, 1], &[4]] {
        assert!(matches!(PartedModel::new(Arc::clone(model), cuts), Err(ProveError::Cuts)), "{cuts:?}");
    }
}

/// A worker has a part's integers and its outline; what it makes is the key that whoever has the whole model makes.
#[test]
fn a_key_is_made_of_the_parts_own_integers() {
    let p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let parted = PartedModel::new(Arc::clone(&p.whole.model), &[1, 2]).unwrap();
    let outlines: Vec<Descriptor> = (0..3).map(|i| parted.outline(i).unwrap()).collect();
    let own = |index: usize| Model::clone(&p.keys[index].model);
    let integers: Vec<[u8; 64]> = (0..3).map(|i| parted.integers_hash(i)).collect();
    for (index, outline) in outlines.iter().enumerate() {
        let key = part_key(own(index), outline.clone(), &integers[index]).unwrap();
        assert_eq!(key.descriptor, p.parts[index]);
        // A root that is there already is computed again.
        let again = part_key(own(index), p.parts[index].clone(), &integers[index]).unwrap();
        assert_eq!(again.descriptor, p.parts[index]);
        let bytes = prove_part(&key, &p.parts, &p.statement, &p.between).unwrap();
        let mut proofs = p.proofs();
        proofs[index] = bytes;
        assert!(verify_parts(&p.statement, &p.id, &p.join(&proofs)).is_ok());
    }
    let refused = |index: usize, change: &dyn Fn(&mut Model), words: &str| {
        let mut model = own(index);
        change(&mut model);
        match part_key(model, outlines[index].clone(), &integers[index]) {
            Err(ProveError::Part(found)) => assert_eq!(found, words),
            _ => panic!("{words}: taken"),
        }
    };
    refused(0, &|m| m.shape.vocab += 1, "sizes");
    refused(1, &|m| m.layers.clear(), "layers");
    refused(1, &|m| m.layers[0].score_shift ^= 1, "layers");
    refused(0, &|m| m.embed.clear(), "ends");
    refused(1, &|m| m.embed = own(0).embed, "ends");
    refused(2, &|m| m.lm_head = Linear::none(THREE.dim), "ends");
    refused(1, &|m| m.eps_term += 1, "numbers");
    refused(0, &|m| m.embed[5] += 1, "embedding");
    // What no size, shift or embedding shows: weights, tables, multipliers, gains.
    refused(1, &|m| m.layers[0].q.weight[3] ^= 1, "integers");
    refused(1, &|m| m.layers[0].o.mult[0] = i32::MAX, "integers");
    refused(1, &|m| m.layers[0].silu[7] ^= 1, "integers");
    refused(1, &|m| m.exp[9] = i32::MAX, "integers");
    refused(1, &|m| m.rsqrt[0] += 1, "integers");
    refused(1, &|m| m.rope_cos[1] += 1, "integers");
    refused(2, &|m| m.final_gain[0] = i32::MAX, "integers");
    refused(2, &|m| m.lm_head.mult[0] = -1, "integers");
    // Under a hash of its own it has another root, and so is no part of the list.
    let mut model = own(1);
    model.layers[0].q.weight[3] ^= 1;
    let others = model.compute_integers_hash();
    let key = part_key(model, outlines[1].clone(), &others).unwrap();
    assert_ne!(key.descriptor.root, p.parts[1].root);
    let refused = prove_part(&key, &p.parts, &p.statement, &p.between);
    assert!(matches!(refused, Err(ProveError::Part("another list of parts"))));
    let refused = prove_part(&p.keys[1], &p.parts, &p.statement, &p.between[1..]);
    assert!(matches!(refused, Err(ProveError::Part("another list of parts"))));
}

#[test]
fn cuts_give_parts_of_about_equal_weight() {
    // SmolLM2-135M, and a shape whose output matrix outweighs all else.
    let smollm2 = Shape {
        vocab: 49152,
        dim: 576,
        hidden: 1536,
        layers: 30,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        max_seq: 2048,
    };
    assert_eq!(balanced_cuts(&smollm2, 1), Some(vec![]));
    assert_eq!(balanced_cuts(&smollm2, 2), Some(vec![19]));
    assert_eq!(balanced_cuts(&smollm2, 4), Some(vec![9, 18, 28]));
    let flat = Shape { vocab: 1 << 18, dim: 16, hidden: 16, layers: 4, ..smollm2 };
    assert_eq!(balanced_cuts(&flat, 3), Some(vec![1, 3]));
    for layers in 1..20 {
        let shape = Shape { layers, ..smollm2 };
        assert_eq!(balanced_cuts(&shape, 0), None);
        assert_eq!(balanced_cuts(&shape, layers + 1), None);
        for count in 1..=layers {
            let cuts = balanced_cuts(&shape, count).expect("enough layers");
            let ends: Vec<usize> = [0].into_iter().chain(cuts).chain([layers]).collect();
            assert_eq!(ends.len(), count + 1);
            assert!(ends.windows(2).all(|w| w[0] < w[1]), "{layers} layers in {count}: {ends:?}");
        }
    }
}

#[test]
fn a_part_is_planned_like_a_model_of_its_layers() {
    let p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let plans: Vec<Plan> = p.parts.iter().map(|d| plan_part(d, [3, 8, 6]).unwrap()).collect();
    let bytes = p.join(&p.proofs());
    let report = verify_parts(&p.statement, &p.id, &bytes).unwrap();
    for ((plan, d), part) in plans.iter().zip(&p.parts).zip(&report.parts) {
        assert_eq!(plan.model_cells, d.cells);
        assert!(plan.witness_cells <= 1 << part.sizes[0], "{plan:?}, 2^{}", part.sizes[0]);
        assert!(plan.memory > 8 * (plan.witness_cells + plan.model_cells));
        let all: f64 = plan.stages.iter().map(|stage| stage.1).sum();
        assert!((all - 1.0).abs() < 1e-9);
    }
    assert!(plan_part(&p.parts[0], [1, 8, 9]).is_err(), "more answers than rows");
}

#[test]
fn lists_of_parts_are_one_model() {
    let p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let other = Parted::new(5, THREE, &[1, 2], 9, 2);
    let proofs = p.proofs();
    assert!(verify_parts(&p.statement, &p.id, &p.join(&proofs)).is_ok());
    // Refused under the honest id, and under the id of the very list that is sent.
    let all = |parts: &[Descriptor], own: &'static str| {
        let bytes = join(parts, &p.between, &proofs);
        assert!(verify_parts(&p.statement, &p.id, &bytes).is_err(), "{own}");
        assert_eq!(
            verify_parts(&p.statement, &id_of(parts), &bytes).err(),
            Some(VerifyError::Descriptor(own)),
            "{own}"
        );
    };
    let with = |change: &dyn Fn(&mut Vec<Descriptor>)| {
        let mut parts = p.parts.clone();
        change(&mut parts);
        parts
    };
    let part = |d: &mut Descriptor, change: &dyn Fn(&mut Part)| d.part.iter_mut().for_each(change);
    all(&with(&|d| drop(d.remove(1))), "number of parts");
    all(&with(&|d| d.insert(1, d[1].clone())), "number of parts");
    all(&with(&|d| d.swap(0, 1)), "order of the parts");
    all(&with(&|d| d[1] = d[0].clone()), "order of the parts");
    all(&with(&|d| d[1] = other.parts[1].clone()), "part of another model");
    all(&with(&|d| part(&mut d[1], &|p| p.first_layer = 0)), "first layer of the part");
    all(&with(&|d| part(&mut d[0], &|p| p.first_layer = 1)), "first layer of the part");
    all(&with(&|d| part(&mut d[1], &|p| p.first_layer = 2)), "last layer of the part");
    all(&with(&|d| part(&mut d[2], &|p| p.first_layer = 3)), "layers of the part");
    all(&with(&|d| part(&mut d[2], &|p| p.first_layer = 1)), "last layer of the part");
    // Parts of two cuts: layers twice, or left out. All that a part says of itself is in order.
    let recut = |first: usize, layers: usize, cells: &Descriptor| {
        let mut d = p.parts[1].clone();
        d.layers = vec![d.layers[0].clone(); layers];
        part(&mut d, &|p| p.first_layer = first);
        d.cells = esper_verifier::model_layout::ModelLayout::new(&d).cells;
        d.root = cells.root;
        d
    };
    let six = |parts: &mut Vec<Descriptor>| parts.iter_mut().for_each(|d| part(d, &|p| p.all_layers = 6));
    for (first, layers) in [(2, 1), (1, 2), (3, 1)] {
        let parts = with(&|d| {
            six(d);
            d[1] = recut(first, layers, &d[1]);
            part(&mut d[1], &|p| p.all_layers = 6);
            part(&mut d[2], &|p| p.first_layer = 5);
        });
        all(&parts, "layers of adjacent parts");
    }
    // Another number for the whole.
    for change in [
        (|d: &mut Descriptor| d.integers_hash[0] ^= 1) as fn(&mut Descriptor),
        |d| d.logit_bound += 1,
        |d| d.clamp_reach[0] += 1,
        |d| d.embedding_root[0] ^= 1,
        |d| d.bos ^= 1,
        |d| d.eps_term += 1,
    ] {
        all(&with(&|d| change(&mut d[1])), "part of another model");
    }
    // A part with the right words and another polynomial is known by its id alone.
    let parts = with(&|d| d[1].root = other.parts[1].root);
    assert_eq!(refusal(&p, &join(&parts, &p.between, &proofs)), VerifyError::ModelId);
    assert!(verify_parts(&p.statement, &id_of(&parts), &join(&parts, &p.between, &proofs)).is_err());
}

#[test]
fn bytes_have_one_form() {
    let p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let proofs = p.proofs();
    let bytes = p.join(&proofs);
    assert!(verify_parts(&p.statement, &p.id, &bytes).is_ok());
    let malformed = |bytes: &[u8], what: &str| {
        let error = refusal(&p, bytes);
        assert!(error.is_malformed(), "{what}: {error}");
    };
    let mut longer = bytes.clone();
    longer.push(0);
    malformed(&longer, "a byte behind the proof");
    malformed(&bytes[..bytes.len() - 1], "a byte less");
    let mut inside = proofs.clone();
    inside[1].push(0);
    malformed(&p.join(&inside), "a byte behind a part");
    inside[1].truncate(proofs[1].len() - 1);
    malformed(&p.join(&inside), "a byte less in a part");
    for count in [0u32, 2, 4, 65, u32::MAX] {
        let mut other = bytes.clone();
        other[..4].copy_from_slice(&count.to_le_bytes());
        malformed(&other, "another count");
    }
    // Residuals: bits behind a row's values, values out of range.
    let d = &p.parts[0];
    let start = 4 + p.parts.iter().map(|d| 4 + d.encode().len()).sum::<usize>();
    let row = row_bytes(d.dim, d.boundary_bits());
    assert_ne!(d.dim * d.boundary_bits() as usize % 8, 0, "no bits behind a row");
    let rows = 2 * p.instance.rows();
    assert_eq!(Boundary::byte_len(d, &p.instance), row * p.instance.rows());
    for r in [0, rows / 2, rows - 1] {
        let mut other = bytes.clone();
        other[start + (r + 1) * row - 1] |= 0x80;
        malformed(&other, "a bit behind a row");
    }
    let (most, dim) = (1i32 << (d.emax + 1), d.dim);
    for (value, columns) in [(-most, 1), (most - 1, dim), (most - 1, 2), (-(most - 1), 2)] {
        let mut values: Vec<i32> = p.between[1].rows().flatten().copied().collect();
        values[dim..dim + columns].fill(value);
        let between = [p.between[0].clone(), Boundary::new(values, dim)];
        assert_eq!(refusal(&p, &join(&p.parts, &between, &proofs)), VerifyError::Boundary);
    }
    // The slack's third limb belongs to the part with the output head.
    let mut modes = proofs.clone();
    modes[0][1] |= 4;
    malformed(&p.join(&modes), "slack of the first part");
    // Descriptors of a whole model, and of a version that is none.
    for version in [2u8, 4] {
        let mut other = bytes.clone();
        other[8] = version;
        malformed(&other, "another version");
    }
}

/// The first challenge of a part depends on everything that is public: what part it is, of which parts, all residuals.
#[test]
fn a_part_is_bound_to_all_parts() {
    let p = Parted::new(4, THREE, &[1, 2], 9, 2);
    let honest = chain(&p.parts, &p.instance, &p.between);
    let challenge = |d: &Descriptor, s: &Statement, chain: &Chain| {
        let modes = Modes::off(d.layers.len());
        let layout = Layout::new(d, &p.instance, &modes);
        transcript::start_part(d, &layout, s, &modes, chain).challenge()
    };
    let mut seen = vec![challenge(&p.parts[0], &p.statement, &honest)];
    let mut differs = |x, what: &str| {
        assert!(!seen.contains(&x), "{what} is not bound");
        seen.push(x);
    };
    for at in 0..3 {
        let mut other = honest.clone();
        other.ids[at][63] ^= 1;
        differs(challenge(&p.parts[0], &p.statement, &other), "an id");
    }
    for at in 0..2 {
        let mut other = honest.clone();
        other.boundaries[at][0] ^= 1;
        differs(challenge(&p.parts[0], &p.statement, &other), "a residual");
    }
    let mut other = honest.clone();
    other.boundaries.swap(0, 1);
    differs(challenge(&p.parts[0], &p.statement, &other), "the residuals' order");
    // An id in a residual's place.
    let mut other = honest.clone();
    let moved = other.ids.remove(2);
    other.boundaries.insert(0, moved);
    differs(challenge(&p.parts[0], &p.statement, &other), "the number of parts");
    let mut d = p.parts[0].clone();
    d.part.iter_mut().for_each(|part| part.index = 1);
    differs(challenge(&d, &p.statement, &honest), "the index");
    let mut s = p.statement.clone();
    s.binding[0] ^= 1;
    differs(challenge(&p.parts[0], &s, &honest), "the binding");
    // A residual's hash says where it stands and how large it is.
    let bytes = p.between[0].encode(&p.parts[0]);
    let hash = |index, d: &Descriptor, rows: usize, bytes: &[u8]| {
        Boundary::hash(index, d, &Instance { sequences: rows / 8, ..p.instance }, bytes)
    };
    let rows = p.instance.rows();
    assert_eq!(hash(0, &p.parts[0], rows, &bytes), honest.boundaries[0]);
    let narrow = Descriptor { dim: THREE.dim - 1, ..p.parts[0].clone() };
    for other in [
        hash(1, &p.parts[0], rows, &bytes),
        hash(0, &p.parts[0], 2 * rows, &bytes),
        hash(0, &narrow, rows, &bytes),
        hash(0, &p.parts[0], rows, &bytes[1..]),
    ] {
        assert_ne!(other, honest.boundaries[0]);
    }
}

#[test]
fn a_changed_byte_is_refused_wherever_it_stands() {
    let p = Parted::new(4, THREE, &[1], 9, 2);
    let bytes = p.join(&p.proofs());
    assert!(verify_parts(&p.statement, &p.id, &bytes).is_ok());
    for at in (0..bytes.len()).step_by(977) {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        refusal(&p, &other);
    }
}
