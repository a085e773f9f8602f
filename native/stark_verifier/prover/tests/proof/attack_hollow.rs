//! A hollow proof: nothing is behind it, yet it passes every check before the openings, because each value that a
//! check compares is chosen last. It costs its maker nothing, for any descriptor and any statement, and so shows how
//! much work a verifier can be made to do. (The same holds of every such argument: only the openings tie the values
//! to a commitment. If a check before them *refuses* a hollow proof, then by the order of the transcript alone.)

use crate::attack_support::{elements, outcome, parts};
use esper_commitment::{
    EF, F, Field, PrimeCharacteristicRing, PrimeField64, Root, least_opening_len, prove_fraction_sum,
};
use esper_verifier::claims::{Claimed, Context, ContractionFinals, PublicRows, combine, contraction_e};
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor, LayerDescriptor};
use esper_verifier::embedding::{EmbeddingRows, EmbeddingTree, row_bytes};
use esper_verifier::finals::Finals;
use esper_verifier::layout::Layout;
use esper_verifier::linear::LinearStage;
use esper_verifier::lookup::leaf_claims;
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::modes::Modes;
use esper_verifier::points::{ProductPoint, RelationPoints};
use esper_verifier::products::{PRODUCT_DEGREE, summand};
use esper_verifier::proof::ProofBody;
use esper_verifier::relation::RelationWeights;
use esper_verifier::slots::{CONTRACTION_DEGREE, SlotWeights, Slots};
use esper_verifier::soundness::opening_params;
use esper_verifier::sumcheck::SumcheckProof;
use esper_verifier::{SequenceStatement, Statement, VerifyError, bytes::Reader, transcript};

/// Sizes of a model that exists on paper alone.
#[derive(Clone, Copy)]
struct Shape {
    vocab: usize,
    dim: usize,
    hidden: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    gate_bits: u32,
}

fn descriptor(s: Shape) -> Descriptor {
    let layer = LayerDescriptor {
        norm1_shift: 20,
        norm2_shift: 20,
        score_shift: 8,
        gate_bits: s.gate_bits,
        z_bits: 16,
        o_bits: 20,
        down_bits: 20,
        shifts: [16, 16, 20, 20, 20, 32, 20],
    };
    let mut d = Descriptor {
        vocab: s.vocab,
        dim: s.dim,
        hidden: s.hidden,
        heads: s.heads,
        kv_heads: s.kv_heads,
        head_dim: s.head_dim,
        max_seq: 2048,
        bos: 0,
        eos: 1,
        emax: 20,
        eps_term: 11,
        final_shift: 20,
        logit_bound: 1 << 40,
        clamp_reach: [15; CLAMP_CLASSES],
        layers: vec![layer; s.layers],
        cells: 0,
        embed_bits: 1,
        root: Root([0; 32]),
        embedding_root: EmbeddingTree::new(&vec![0; s.vocab * s.dim], s.dim, 1).root(),
        integers_hash: [0; 64],
        part: None,
    };
    d.cells = ModelLayout::new(&d).cells;
    d.check().expect("a descriptor that is taken");
    d
}

fn statement(d: &Descriptor, sequences: usize, rows: usize, answers: usize, top_k: usize) -> Statement {
    let list: Vec<(u32, i64)> = (0..top_k).map(|i| (2 + i as u32, -(i as i64))).collect();
    let one = SequenceStatement {
        prompt: vec![3; rows + 1 - answers],
        answer: vec![2; answers],
        max_answer: answers,
        top: vec![list; answers],
    };
    Statement { model_id: d.model_id(), binding: [0; 64], rows, top_k, sequences: vec![one; sequences] }
}

fn zeros(rounds: usize, degree: usize) -> SumcheckProof {
    SumcheckProof { rounds: vec![vec![EF::ZERO; degree]; rounds] }
}

/// The hollow proof of a statement.
fn hollow(d: &Descriptor, s: &Statement, modes: &Modes) -> Vec<u8> {
    let instance = s.check(d).expect("a statement that is taken");
    let layout = Layout::new(d, &instance, modes);
    let model = ModelLayout::new(d);
    let tokens = s.row_tokens(&instance);
    let mut ids = tokens.clone();
    ids.sort_unstable();
    ids.dedup();
    let encoded = d.encode();
    let mut out = (encoded.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&encoded);
    out.extend_from_slice(&modes.encode());
    let start = out.len();
    out.resize(start + row_bytes(d.dim, d.embed_bits) * ids.len(), 0);
    let tree = EmbeddingTree::new(&vec![0; d.vocab * d.dim], d.dim, d.embed_bits);
    tree.siblings(&ids).iter().for_each(|h| out.extend_from_slice(h));
    let mut r = Reader::new(&out[start..], "rows");
    let embedding = EmbeddingRows::read(&mut r, &ids, d).expect("zeros");

    let witness_root = Root([1; 32]);
    let mut t = transcript::start(d, &layout, s, modes);
    t.absorb_bytes(&encoded);
    t.absorb_root(&witness_root);
    t.challenges(layout.num_vars);
    t.absorb(EF::ZERO);
    let [beta, alpha] = [t.challenge(), t.challenge()];
    // A sum of 0 / 1: true whatever the lookups are.
    let n = 1 << layout.leaf_vars;
    let (fraction_sum, sum) = prove_fraction_sum(F::zero_vec(n), vec![EF::ONE; n], &mut t);
    t.absorb(EF::ZERO);
    let ends = [sum.numerator, sum.denominator];
    let leaf = leaf_claims(d, &instance, &layout, &model, &sum.point, ends, [alpha, beta], EF::ZERO);
    let w = RelationWeights::new(t.challenge(), d.layers.len());
    let p = RelationPoints::draw(d, &instance, &mut t);
    let linear = LinearStage::new(d, &instance, s, &layout, &p, &w);
    t.absorb_slice(&[EF::ZERO; 2]);

    let products = zeros(ProductPoint::num_vars(d, &instance), PRODUCT_DEGREE);
    let (end, value) = products.verify(-linear.constant, PRODUCT_DEGREE, &mut t).expect("rounds");
    let q = ProductPoint::new(end, d, &instance);
    let mut finals = Finals::build::<()>(&layout, || Ok(EF::ZERO)).expect("never fails");
    finals.layers[0].max = EF::ONE;
    let slope = summand(d, &instance, &layout, &p, &q, &w, &finals);
    finals.layers[0].max = value * slope.inverse();
    t.absorb_slice(&finals.values());

    let slot_weights = SlotWeights::new(t.challenge(), &finals);
    let slots = Slots::new(d, &instance);
    let contraction = zeros(slots.num_vars, CONTRACTION_DEGREE);
    let (end, value) = contraction.verify(slot_weights.claim, CONTRACTION_DEGREE, &mut t).expect("rounds");
    let answer_rows = s.answer_rows(&instance);
    let context = Context {
        d,
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
    let contraction_finals = [value * contraction_e(&context, &end).inverse(), EF::ZERO, EF::ONE];
    t.absorb_slice(&contraction_finals);
    let public = PublicRows::fold(&tokens, &embedding, d.dim, q.row()).expect("rows");
    let delta = t.challenge();
    let values = ContractionFinals { model: contraction_finals[0], witness: EF::ZERO, b: EF::ONE };
    let claimed = Claimed {
        leaf: &leaf,
        leaf_model: EF::ZERO,
        linear: &linear.functional,
        linear_value: EF::ZERO,
        finals: &finals,
        contraction_end: &end,
        contraction: values,
        public: &public,
    };
    let [witness, model_claim] = combine(&context, &claimed, delta);
    let witness_claims = zeros(layout.num_vars, 2);
    let (at, value) = witness_claims.verify(witness.value, 2, &mut t).expect("rounds");
    let witness_value = value * witness.functional.at(&at).inverse();
    t.absorb(witness_value);
    let model_claims = zeros(d.size().num_vars, 2);
    let (model_at, value) = model_claims.verify(model_claim.value, 2, &mut t).expect("rounds");
    let model_value = value * model_claim.functional.at(&model_at).inverse();
    // Openings that decode and show nothing: zeros, without any sibling.
    let (witness_params, model_params) = opening_params(d, &layout);
    let zeros = |size, params| vec![0; least_opening_len(size, params).expect("in range")];
    let witness_opening = zeros(layout.size(), &witness_params);
    let model_opening = zeros(d.size(), &model_params);
    ProofBody {
        witness_root,
        out_of_domain: EF::ZERO,
        fraction_sum: &fraction_sum,
        leaf_model: EF::ZERO,
        linear: EF::ZERO,
        contractions: EF::ZERO,
        products,
        finals,
        contraction,
        contraction_finals,
        witness_claims,
        witness_value,
        model_claims,
        model_value,
        witness_opening: &witness_opening,
        model_opening: &model_opening,
    }
    .write(&mut out);
    out
}

/// Milliseconds of processor time that the verifier spends until it refuses the first opening: what other work the
/// machine has at the time counts for nothing.
fn cost(what: &str, d: &Descriptor, s: &Statement) -> f64 {
    let proof = hollow(d, s, &Modes::all(d));
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = processor_ms();
        let result = outcome(s, &proof, what);
        best = best.min(processor_ms() - start);
        assert_eq!(result, Err(VerifyError::Opening("witness")), "{what}: {} bytes", proof.len());
    }
    println!("{what}: {best:.1} ms for a hollow proof of {} KiB", proof.len() >> 10);
    best
}

/// Processor time of this thread; the verifier uses no other.
fn processor_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock is one of every Unix, and `time` is this function's own.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "no clock of the thread");
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

const REAL: Shape = Shape {
    vocab: 4096,
    dim: 576,
    hidden: 1536,
    layers: 30,
    heads: 9,
    kv_heads: 3,
    head_dim: 64,
    gate_bits: 12,
};

#[test]
fn a_hollow_proof_is_refused_at_its_opening() {
    let d = descriptor(Shape { layers: 2, dim: 20, hidden: 28, head_dim: 6, vocab: 64, ..REAL });
    cost("two layers", &d, &statement(&d, 1, 8, 3, 3));
}

#[test]
fn cost_of_a_model_of_ordinary_shape() {
    let d = descriptor(REAL);
    let ms = cost("30 layers of 9 heads, dim 576", &d, &statement(&d, 1, 2, 2, 4));
    assert!(ms < 500.0, "{ms} ms");
}

/// Sizes that fill no power of two, so that column runs do not merge: the cost grows with layers times heads.
const RUNS: Shape =
    Shape { vocab: 64, dim: 3, hidden: 3, layers: 16, heads: 255, kv_heads: 255, head_dim: 6, gate_bits: 12 };

/// Below a second for any descriptor: the shapes with the most terms for witness and model.
#[test]
fn cost_of_the_worst_shapes() {
    // Ten pieces of inputs to a run; then 16 places of a run against a power of two; then twelve pieces.
    for (what, shape) in [
        ("16 layers of 255 heads of width 6", RUNS),
        ("the same at dim 1023", Shape { dim: 1023, ..RUNS }),
        ("the same at dim 63 and width 30", Shape { dim: 63, head_dim: 30, ..RUNS }),
        ("the same at dim 4095", Shape { dim: 4095, ..RUNS }),
    ] {
        let d = descriptor(shape);
        let what = format!("{what}, {:?}", d.size());
        let ms = cost(&what, &d, &statement(&d, 1, 2, 2, 4));
        assert!(ms < 1_000.0, "{what}: {ms} ms");
    }
}

/// The size of the commitment follows from the shape: neither more nor fewer cells are taken.
#[test]
fn other_cells_than_the_shapes_are_refused() {
    let taken = descriptor(Shape { dim: 1023, ..RUNS });
    for cells in [taken.cells - 1, taken.cells + 1, 1, 1 << 30] {
        let d = Descriptor { cells, ..taken.clone() };
        assert_eq!(d.check(), Err(VerifyError::Descriptor("cells do not follow from the shape")), "{cells}");
    }
}

/// Nearly all elements of a hollow proof are 0, so nearly all have a second encoding that fits 8 bytes: value + p.
/// It is refused everywhere, as bytes that are no proof.
#[test]
fn every_element_of_a_hollow_proof_has_one_encoding() {
    let d = descriptor(Shape { layers: 1, dim: 20, hidden: 28, heads: 3, head_dim: 6, vocab: 64, ..REAL });
    let s = statement(&d, 1, 2, 1, 3);
    let mut proof = hollow(&d, &s, &Modes::off(1));
    assert_eq!(outcome(&s, &proof, "unchanged"), Err(VerifyError::Opening("witness")));
    let elements = elements(&s, &proof);
    let (mut doubled, mut in_openings) = (0, 0);
    for &(name, at) in &elements {
        let value = u64::from_le_bytes(proof[at..at + 8].try_into().expect("eight bytes"));
        let Some(second) = value.checked_add(F::ORDER_U64) else { continue };
        doubled += 1;
        in_openings += usize::from(name.ends_with("opening"));
        proof[at..at + 8].copy_from_slice(&second.to_le_bytes());
        let result = outcome(&s, &proof, name);
        assert!(matches!(result, Err(VerifyError::Encoding(_))), "{name} at {at}: {result:?}");
        proof[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    println!("{doubled} of {} elements written twice, {in_openings} in openings", elements.len());
    assert!(10 * doubled > 9 * elements.len() && in_openings > 1000, "{doubled}, {in_openings}");
    for part in parts(&s, &proof).iter().filter(|p| p.elements) {
        assert!(elements.iter().any(|e| e.0 == part.name), "{} was not looked at", part.name);
    }
}

/// Long lists at many answers: work grows with the statement, which its maker has to send as well.
#[test]
fn cost_of_long_lists() {
    let shape = Shape {
        vocab: 1024,
        dim: 4,
        hidden: 4,
        layers: 1,
        heads: 1,
        kv_heads: 1,
        head_dim: 4,
        gate_bits: 12,
    };
    let d = descriptor(shape);
    let [short, long] = [100, 1000].map(|k| {
        let s = statement(&d, 4, 32, 32, k);
        cost(&format!("128 answers with {k} listed tokens each"), &d, &s)
    });
    assert!(long < 40.0 * short, "more than in proportion: {short} ms, {long} ms");
}
