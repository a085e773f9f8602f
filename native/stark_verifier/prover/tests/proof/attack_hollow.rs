//! A hollow proof: nothing is behind it, yet it passes every check before the openings, because each value that a
//! check compares is chosen last. It costs its maker nothing, for any descriptor and any statement, and so shows how
//! much work a verifier can be made to do. (The same holds of every such argument: only the openings tie the values
//! to a commitment. If a check before them *refuses* a hollow proof, then by the order of the transcript alone.)

use crate::attack_support::outcome;
use esper_commitment::{EF, F, Field, MIN_VARS, PrimeCharacteristicRing, Root, prove_fraction_sum};
use esper_verifier::claims::{Context, ContractionFinals, PublicRows, combine, contraction_e};
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor, LayerDescriptor};
use esper_verifier::embedding::{EmbeddingRows, EmbeddingTree};
use esper_verifier::finals::Finals;
use esper_verifier::layout::Layout;
use esper_verifier::linear::LinearStage;
use esper_verifier::lookup::leaf_claims;
use esper_verifier::mle::index_bits;
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::modes::Modes;
use esper_verifier::points::{ProductPoint, RelationPoints};
use esper_verifier::products::{PRODUCT_DEGREE, summand};
use esper_verifier::proof::ProofBody;
use esper_verifier::relation::RelationWeights;
use esper_verifier::slots::{CONTRACTION_DEGREE, SlotWeights, Slots};
use esper_verifier::sumcheck::SumcheckProof;
use esper_verifier::{Seeds, SequenceStatement, Statement, VerifyError, bytes::Reader, transcript};

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
        chunk_vars: MIN_VARS,
        roots: vec![],
        embedding_root: EmbeddingTree::new(&vec![0; s.vocab * s.dim], s.dim).root(),
        integers_hash: [0; 64],
    };
    let cells = ModelLayout::new(&d).cells;
    d.chunk_vars = index_bits(cells).clamp(MIN_VARS, 26);
    d.roots = vec![Root([0; 32]); cells.div_ceil(1 << d.chunk_vars)];
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
    out.resize(start + 4 * d.dim * ids.len(), 0);
    let tree = EmbeddingTree::new(&vec![0; d.vocab * d.dim], d.dim);
    tree.siblings(&ids).iter().for_each(|h| out.extend_from_slice(h));
    let mut r = Reader::new(&out[start..], "rows");
    let embedding = EmbeddingRows::read(&mut r, &ids, d.vocab, d.dim, &d.embedding_root).expect("zeros");

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
    let [witness, model_claim] = combine(
        &context,
        &leaf,
        EF::ZERO,
        (&linear.functional, EF::ZERO),
        &finals,
        (&end, values),
        &public,
        delta,
    );
    let witness_claims = zeros(layout.num_vars, 2);
    let (at, value) = witness_claims.verify(witness.value, 2, &mut t).expect("rounds");
    let witness_value = value * witness.functional.at(&at).inverse();
    t.absorb(witness_value);
    let model_claims = zeros(d.chunk_vars, 2);
    let (model_at, value) = model_claims.verify(model_claim.value, 2, &mut t).expect("rounds");
    let mut point = vec![EF::ZERO; index_bits(d.roots.len())];
    point.extend_from_slice(&model_at);
    let mut model_values = vec![EF::ZERO; d.roots.len()];
    model_values[0] = value * model_claim.functional.at(&point).inverse();
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
        model_values,
        witness_opening: &[],
        model_openings: vec![&[]; d.roots.len()],
    }
    .write(&mut out);
    out
}

/// Milliseconds of a processor that this thread has had: what else the machine does is not counted.
fn spent_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock is one of every Unix, and `time` is this function's own.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "no clock of the thread");
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Milliseconds that the verifier spends until it refuses the first opening.
fn cost(what: &str, d: &Descriptor, s: &Statement) -> f64 {
    let proof = hollow(d, s, &Modes::all(d));
    let mut seeds = Seeds::default();
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = spent_ms();
        let result = outcome(s, &proof, &mut seeds, what);
        best = best.min(spent_ms() - start);
        assert_eq!(result, Err(VerifyError::Opening("witness")), "{what}: {} bytes", proof.len());
    }
    println!("{what}: {best:.1} ms for a hollow proof of {} KiB", proof.len() >> 10);
    best
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
#[test]
fn cost_of_the_worst_shape() {
    let shape = Shape {
        vocab: 64,
        dim: 3,
        hidden: 3,
        layers: 16,
        heads: 255,
        kv_heads: 255,
        head_dim: 6,
        gate_bits: 12,
    };
    let d = descriptor(shape);
    let ms = cost("16 layers of 255 heads of width 6", &d, &statement(&d, 1, 2, 2, 4));
    assert!(ms < 10_000.0, "{ms} ms");
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
