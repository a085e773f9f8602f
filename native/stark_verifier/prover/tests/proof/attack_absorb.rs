//! Why every item must be absorbed: a verifier that forgot one item is talked into a false logit.
//!
//! [`Mutant`] is the verifier's protocol written out again. With `absorb_finals` it agrees with the real one. Without,
//! it draws delta before the contraction's final values are fixed; a forger then knows delta when it picks them. Two
//! wrong finals w and b whose errors cancel in the combined claim, and whose product is what the sumcheck demands,
//! solve a quadratic equation: the false statement is accepted. The real verifier refuses the same bytes.

use crate::common::{ODD, answered, key, prompts};
use esper_commitment::{
    BasedVectorSpace, EF, F, Field, PrimeCharacteristicRing, PrimeField64, Transcript, commit, open,
    verify_fraction_sum, verify_opening,
};
use esper_model::synthetic::Options;
use esper_prover::cells::Polynomial;
use esper_prover::contraction::{self, Inputs};
use esper_prover::products::{self, Shared};
use esper_prover::witness::Witness;
use esper_prover::{ModelKey, claims, prove_witness, virtuals};
use esper_verifier::claims::{Claimed, Context, ContractionFinals, PublicRows, combine, contraction_e};
use esper_verifier::embedding::EmbeddingRows;
use esper_verifier::layout::Layout;
use esper_verifier::linear::LinearStage;
use esper_verifier::lookup::leaf_claims;
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::points::{ProductPoint, RelationPoints};
use esper_verifier::products::{PRODUCT_DEGREE, summand};
use esper_verifier::proof::{ProofBody, ProofHead};
use esper_verifier::relation::RelationWeights;
use esper_verifier::slots::{CONTRACTION_DEGREE, SlotWeights, Slots};
use esper_verifier::soundness::opening_params;
use esper_verifier::{Statement, transcript, verify};

/// Square root in the base field (Tonelli and Shanks; p - 1 = 2^32 (2^32 - 1), 7 generates).
fn base_root(n: F) -> Option<F> {
    let odd = (1u64 << 32) - 1;
    let mut root = n.exp_u64(odd.div_ceil(2));
    let mut rest = n.exp_u64(odd);
    let mut twist = F::from_u64(7).exp_u64(odd);
    let mut order = 32;
    while rest != F::ONE {
        let mut steps = 0;
        let mut x = rest;
        while x != F::ONE {
            x = x.square();
            steps += 1;
        }
        if steps >= order {
            return None;
        }
        let factor = (0..order - steps - 1).fold(twist, |t, _| t.square());
        root *= factor;
        twist = factor.square();
        rest *= twist;
        order = steps;
    }
    Some(root)
}

/// Square root in the cubic extension: x = N / (x^(p (p + 1) / 2))^2 with the norm N = x^(1 + p + p^2).
fn root(x: EF) -> Option<EF> {
    if x == EF::ZERO {
        return Some(x);
    }
    let conjugate = x.exp_u64(F::ORDER_U64);
    let norm = x * conjugate * conjugate.exp_u64(F::ORDER_U64);
    let coefficients: &[F] = norm.as_basis_coefficients_slice();
    let half = conjugate.exp_u64(F::ORDER_U64 / 2 + 1);
    let r = EF::from(base_root(coefficients[0])?) * half.inverse();
    (r.square() == x).then_some(r)
}

/// The shared beginning of forger and mutant: everything to the relations' points.
struct Start {
    t: Transcript,
    early: Vec<EF>,
    leaf: esper_verifier::lookup::LeafClaims,
    weights: RelationWeights,
    p: RelationPoints,
}

fn start(head: &ProofHead<'_>, s: &Statement, layout: &Layout, body: &ProofBody<'_>) -> Start {
    let d = &head.descriptor;
    let instance = s.check(d).expect("checked");
    let mut t = transcript::start(d, layout, s, &head.modes);
    t.absorb_bytes(&d.encode());
    t.absorb_root(&body.witness_root);
    let early = t.challenges(layout.num_vars);
    t.absorb(body.out_of_domain);
    let [beta, alpha] = [t.challenge(), t.challenge()];
    let sum = verify_fraction_sum(layout.leaf_vars, body.fraction_sum, &mut t).expect("a sum of zero");
    t.absorb(body.leaf_model);
    let ends = [sum.numerator, sum.denominator];
    let leaf = leaf_claims(
        d,
        &instance,
        layout,
        &ModelLayout::new(d),
        &sum.point,
        ends,
        [alpha, beta],
        body.leaf_model,
    );
    let weights = RelationWeights::new(t.challenge(), d.layers.len());
    let p = RelationPoints::draw(d, &instance, &mut t);
    Start { t, early, leaf, weights, p }
}

/// The verifier written out again, with or without one absorb.
fn mutant(s: &Statement, proof: &[u8], absorb_finals: bool) -> Result<(), &'static str> {
    let must = |ok: bool, what: &'static str| if ok { Ok(()) } else { Err(what) };
    let mut head = ProofHead::read(proof).map_err(|_| "head")?;
    let d = head.descriptor.clone();
    let instance = s.check(&d).map_err(|_| "statement")?;
    must(d.model_id() == s.model_id, "model_id")?;
    let layout = Layout::new(&d, &instance, &head.modes);
    let tokens = s.row_tokens(&instance);
    let mut ids = tokens.clone();
    ids.sort_unstable();
    ids.dedup();
    let embedding = EmbeddingRows::read(&mut head.rest, &ids, &d).map_err(|_| "rows")?;
    let rest = std::mem::replace(&mut head.rest, esper_verifier::bytes::Reader::new(&[], "read"));
    let body = ProofBody::read(rest, &d, &instance, &layout).map_err(|_| "body")?;
    let model = ModelLayout::new(&d);
    let Start { mut t, early, leaf, weights: w, p } = start(&head, s, &layout, &body);
    let linear = LinearStage::new(&d, &instance, s, &layout, &p, &w);
    t.absorb_slice(&[body.linear, body.contractions]);
    let claim = -(body.linear + linear.constant + body.contractions);
    let (end, value) = body.products.verify(claim, PRODUCT_DEGREE, &mut t).map_err(|_| "rounds")?;
    t.absorb_slice(&body.finals.values());
    let q = ProductPoint::new(end, &d, &instance);
    must(summand(&d, &instance, &layout, &p, &q, &w, &body.finals) == value, "products")?;
    let slot_weights = SlotWeights::new(t.challenge(), &body.finals);
    let slots = Slots::new(&d, &instance);
    let claim = body.contractions + slot_weights.claim;
    let (end, value) = body.contraction.verify(claim, CONTRACTION_DEGREE, &mut t).map_err(|_| "rounds")?;
    if absorb_finals {
        t.absorb_slice(&body.contraction_finals);
    }
    let [m, a, b] = body.contraction_finals;
    let answer_rows = s.answer_rows(&instance);
    let context = Context {
        d: &d,
        instance: &instance,
        layout: &layout,
        model: &model,
        p: &p,
        q: &q,
        w: &w,
        slots: &slots,
        slot_weights: &slot_weights,
        answer_rows: &answer_rows,
    };
    must(contraction_e(&context, &end) * (m + a) * b == value, "contraction")?;
    let public = PublicRows::fold(&tokens, &embedding, d.dim, q.row()).map_err(|_| "rows")?;
    let delta = t.challenge();
    let values = ContractionFinals { model: m, witness: a, b };
    let claimed = Claimed {
        leaf: &leaf,
        leaf_model: body.leaf_model,
        linear: &linear.functional,
        linear_value: body.linear,
        finals: &body.finals,
        contraction_end: &end,
        contraction: values,
        public: &public,
    };
    let [witness, model_claim] = combine(&context, &claimed, delta);
    let (at, value) = body.witness_claims.verify(witness.value, 2, &mut t).map_err(|_| "rounds")?;
    t.absorb(body.witness_value);
    must(witness.functional.at(&at) * body.witness_value == value, "witness claims")?;
    let (model_at, value) = body.model_claims.verify(model_claim.value, 2, &mut t).map_err(|_| "rounds")?;
    t.absorb(body.model_value);
    must(model_claim.functional.at(&model_at) * body.model_value == value, "model claims")?;
    let (witness_params, model_params) = opening_params(&d, &layout);
    t.absorb_root(&body.witness_root);
    let (points, at_points) = ([at, early], [body.witness_value, body.out_of_domain]);
    let opening = body.witness_opening;
    verify_opening(&body.witness_root, layout.size(), &witness_params, &points, &at_points, opening, &mut t)
        .map_err(|_| "witness opening")?;
    t.absorb_root(&d.root);
    let (value, opening) = ([body.model_value], body.model_opening);
    verify_opening(&d.root, d.size(), &model_params, &[model_at], &value, opening, &mut t)
        .map_err(|_| "model opening")
}

/// A proof of the false `s` from the honest witness `w` of a true statement, for the mutant that forgets the finals;
/// `None` if the quadratic has no root (one time in two).
fn forge(key: &ModelKey, s: &Statement, mut w: Witness) -> Option<Vec<u8>> {
    let d = &key.descriptor;
    w.count(key);
    let again = Witness {
        instance: w.instance,
        modes: w.modes.clone(),
        layout: w.layout.clone(),
        cells: w.cells.clone(),
        ends: w.ends.clone(),
    };
    // The beginning of an ordinary (refused) proof serves as it is.
    let plain = prove_witness(key, s, again);
    let mut head = ProofHead::read(&plain).expect("own bytes");
    let tokens = s.row_tokens(&w.instance);
    let mut ids = tokens.clone();
    ids.sort_unstable();
    ids.dedup();
    let embedding = EmbeddingRows::read(&mut head.rest, &ids, d).expect("own rows");
    let rest = std::mem::replace(&mut head.rest, esper_verifier::bytes::Reader::new(&[], "read"));
    let mut body = ProofBody::read(rest, d, &w.instance, &w.layout).expect("own bytes");
    let Start { mut t, early, leaf, weights, p } = start(&head, s, &w.layout, &body);
    let stage = LinearStage::new(d, &w.instance, s, &w.layout, &p, &weights);
    let answer_rows = s.answer_rows(&w.instance);
    let shared = Shared { residuals: virtuals::residuals(key, &w, &tokens) };
    let inputs = Inputs { key, w: &w, p: &p, weights: &weights, shared: &shared, answer_rows: &answer_rows };
    let slots = Slots::new(d, &w.instance);

    // What the products really sum to: the end of their sumcheck is an affine function of the claim.
    let products_sum = {
        let mut trial = t.clone();
        trial.absorb_slice(&[body.linear, body.contractions]);
        let from = trial.clone();
        let (rounds, q, finals) = products::prove(key, &w, &p, &weights, &shared, &mut trial);
        let end = |claim| rounds.verify(claim, PRODUCT_DEGREE, &mut from.clone()).expect("rounds").1;
        let (zero, one) = (end(EF::ZERO), end(EF::ONE));
        (summand(d, &w.instance, &w.layout, &p, &q, &weights, &finals) - zero) * (one - zero).inverse()
    };
    // The lie: contractions that make the relations' sum zero.
    let lie = -(body.linear + stage.constant + products_sum);
    assert_ne!(lie, body.contractions, "the statement is false");
    body.contractions = lie;
    t.absorb_slice(&[body.linear, body.contractions]);
    let (rounds, q, finals) = products::prove(key, &w, &p, &weights, &shared, &mut t);
    (body.products, body.finals) = (rounds, finals);

    let slot_weights = SlotWeights::new(t.challenge(), &body.finals);
    let factors = inputs.factors(&slots, &q, &slot_weights);
    let before = t.clone();
    let (rounds, end, [m, a, b]) = contraction::prove(factors, &slots, &mut t);
    body.contraction = rounds;
    t = before;
    let claim = body.contractions + slot_weights.claim;
    let (_, wanted) = body.contraction.verify(claim, CONTRACTION_DEGREE, &mut t).expect("rounds");
    // The mutant draws delta here, with the three finals still open.
    let delta = t.challenge();
    let context = Context {
        d,
        instance: &w.instance,
        layout: &w.layout,
        model: &key.layout,
        p: &p,
        q: &q,
        w: &weights,
        slots: &slots,
        slot_weights: &slot_weights,
        answer_rows: &answer_rows,
    };
    let public = PublicRows::fold(&tokens, &embedding, d.dim, q.row()).expect("rows");
    let combined = |witness: EF, b: EF| {
        let claimed = Claimed {
            leaf: &leaf,
            leaf_model: body.leaf_model,
            linear: &stage.functional,
            linear_value: body.linear,
            finals: &body.finals,
            contraction_end: &end,
            contraction: ContractionFinals { model: m, witness, b },
            public: &public,
        };
        combine(&context, &claimed, delta)
    };
    let value = |witness, b| combined(witness, b)[0].value;
    let (zero, by_a, by_b) = (value(EF::ZERO, EF::ZERO), value(EF::ONE, EF::ZERO), value(EF::ZERO, EF::ONE));
    // a' = a - k (b' - b) leaves the combined claim as it is; (m + a') b' = u.
    let k = (by_b - zero) * (by_a - zero).inverse();
    let u = wanted * contraction_e(&context, &end).inverse();
    let sum = m + a + k * b;
    let forged_b = (sum + root(sum.square() - (k * u).double().double())?) * k.double().inverse();
    let forged_a = a - k * (forged_b - b);
    body.contraction_finals = [m, forged_a, forged_b];

    let [witness_claim, model_claim] = combined(forged_a, forged_b);
    let cells = Polynomial::new(&w.cells, w.layout.num_vars);
    let at;
    (body.witness_claims, at, body.witness_value) =
        claims::prove(cells, &witness_claim.functional, 0, witness_claim.value, &mut t);
    t.absorb(body.witness_value);
    let cells = Polynomial::new(key.committed.values(), d.size().num_vars);
    let model_at;
    (body.model_claims, model_at, body.model_value) =
        claims::prove(cells, &model_claim.functional, 0, model_claim.value, &mut t);
    t.absorb(body.model_value);
    let (_, committed) = commit(w.cells.to_vec(), &opening_params(d, &w.layout).0);
    t.absorb_root(&body.witness_root);
    let (_, witness_opening) = open(&committed, &[at, early], &mut t);
    t.absorb_root(&d.root);
    let (_, model_opening) = open(&key.committed, &[model_at], &mut t);
    body.witness_opening = &witness_opening;
    body.model_opening = &model_opening;
    // Descriptor, modes and embedding rows stand before the body as in the ordinary proof.
    let mut old = Vec::new();
    let mut out = plain.clone();
    body.write(&mut old);
    out.truncate(plain.len() - body_len(&plain, s));
    out.extend_from_slice(&old);
    Some(out)
}

/// Bytes behind the embedding rows.
fn body_len(proof: &[u8], s: &Statement) -> usize {
    let mut head = ProofHead::read(proof).expect("own bytes");
    let d = head.descriptor;
    let instance = s.check(&d).expect("checked");
    let layout = Layout::new(&d, &instance, &head.modes);
    let mut ids = s.row_tokens(&instance);
    ids.sort_unstable();
    ids.dedup();
    EmbeddingRows::read(&mut head.rest, &ids, &d).expect("own rows");
    let mut out = Vec::new();
    ProofBody::read(head.rest, &d, &instance, &layout).expect("own bytes").write(&mut out);
    out.len()
}

#[test]
fn finals_chosen_after_delta_would_prove_a_false_logit() {
    let key = key(2, ODD, Options::default());
    let truth = answered(&key, &prompts(ODD.vocab, &[3], 9), 8, 3, 3);
    let witness = || Witness::new(&key, &truth).expect("an honest witness");
    let honest = prove_witness(&key, &truth, witness());
    assert!(verify(&truth, &honest).is_ok());
    assert_eq!(mutant(&truth, &honest, true), Ok(()), "with every absorb, the copy is the verifier");
    assert!(mutant(&truth, &honest, false).is_err(), "without one, it is on another transcript");

    let mut lie = truth.clone();
    lie.sequences[0].top[0][0].1 += 1;
    let plain = prove_witness(&key, &lie, witness());
    assert!(verify(&lie, &plain).is_err());
    assert!(mutant(&lie, &plain, true).is_err());
    let forged = (0..64).find_map(|i| {
        // Another binding, other challenges: half of all have a root.
        lie.binding = [i; 64];
        forge(&key, &lie, witness())
    });
    let forged = forged.expect("64 quadratics without a root");
    assert_eq!(mutant(&lie, &forged, false), Ok(()), "the forgery that the missing absorb allows");
    assert!(mutant(&lie, &forged, true).is_err());
    assert!(verify(&lie, &forged).is_err(), "the real verifier absorbs the finals");
}
