//! The prover, in the order of the transcript. Mirrors `esper_verifier::verify`.

use crate::cells::Polynomial;
use crate::contraction::{self, Inputs};
use crate::error::ProveError;
use crate::key::ModelKey;
use crate::leaves::leaves;
use crate::packing::par_eq_table;
use crate::products::{self, Shared};
use crate::small::{self, fold_blocks};
use crate::witness::Witness;
use crate::{claims, virtuals};
use esper_commitment::{EF, F, PrimeCharacteristicRing, open, prove_fraction_sum_packed};
use esper_verifier::boundary::Chain;
use esper_verifier::claims::{Claimed, Context, ContractionFinals, Input, PublicRows, combine};
use esper_verifier::embedding::{EmbeddingRows, encode_row};
use esper_verifier::functional::Functional;
use esper_verifier::linear::LinearStage;
use esper_verifier::lookup::leaf_claims;
use esper_verifier::mle::eq_table;
use esper_verifier::points::RelationPoints;
use esper_verifier::proof::ProofBody;
use esper_verifier::relation::RelationWeights;
use esper_verifier::slots::{SlotWeights, Slots};
use esper_verifier::soundness::opening_params;
use esper_verifier::statement::Statement;
use esper_verifier::{bytes::Reader, transcript};
use rayon::prelude::*;

/// Proves a statement.
///
/// # Errors
/// A statement that is refused in the clear, or that the model does not bear out.
pub fn prove(key: &ModelKey, statement: &Statement) -> Result<Vec<u8>, ProveError> {
    prove_observed(key, statement, &mut |_| {})
}

/// [`prove`], telling `done` the name of every stage that is over.
///
/// # Errors
/// As [`prove`].
pub fn prove_observed(
    key: &ModelKey,
    statement: &Statement,
    done: &mut dyn FnMut(&'static str),
) -> Result<Vec<u8>, ProveError> {
    let mut witness = Witness::new(key, statement)?;
    witness.count(key);
    done("witness");
    Ok(prove_stages(key, statement, witness, None, None, done))
}

/// Proof from a witness, whatever its cells hold: a witness that breaks a relation gives a proof that is refused.
///
/// # Panics
/// If the witness belongs to another model or statement; if a looked-up cell is not in its table (but
/// with the feature `relation-switch`, where the sum is then balanced as a forger would).
pub fn prove_witness(key: &ModelKey, statement: &Statement, mut w: Witness) -> Vec<u8> {
    w.count(key);
    prove_counted(key, statement, w)
}

/// The same with multiplicities as they stand in the cells.
///
/// # Panics
/// As [`prove_witness`].
pub fn prove_counted(key: &ModelKey, statement: &Statement, w: Witness) -> Vec<u8> {
    prove_stages(key, statement, w, None, None, &mut |_| {})
}

/// The same, with a lookup argument about the tables and cells of another model and witness of equal sizes.
///
/// # Panics
/// As [`prove_witness`].
#[cfg(feature = "relation-switch")]
pub fn prove_with_leaves_of(
    key: &ModelKey,
    statement: &Statement,
    w: Witness,
    leaves: (&ModelKey, &Witness),
) -> Vec<u8> {
    prove_stages(key, statement, w, None, Some(leaves), &mut |_| {})
}

/// Proof of a part of a model from a witness between its ends, whatever its cells hold. `key` is the part's, `chain`
/// what all parts are bound to.
///
/// # Panics
/// As [`prove_witness`].
pub fn prove_part_witness(key: &ModelKey, statement: &Statement, chain: &Chain, w: Witness) -> Vec<u8> {
    prove_part_observed_witness(key, statement, chain, w, &mut |_| {})
}

/// The same, telling the name of each stage that is over.
pub(crate) fn prove_part_observed_witness(
    key: &ModelKey,
    statement: &Statement,
    chain: &Chain,
    mut w: Witness,
    done: &mut dyn FnMut(&'static str),
) -> Vec<u8> {
    w.count(key);
    done("witness");
    prove_stages(key, statement, w, Some(chain), None, done)
}

/// Leaves come from the same model and witness unless a forger has others; of a part, `chain` is given.
fn prove_stages(
    key: &ModelKey,
    statement: &Statement,
    mut w: Witness,
    chain: Option<&Chain>,
    leaves_of: Option<(&ModelKey, &Witness)>,
    done: &mut dyn FnMut(&'static str),
) -> Vec<u8> {
    let d = &key.descriptor;
    let tokens = statement.row_tokens(&w.instance);
    let answer_rows = statement.answer_rows(&w.instance);
    let (mut head, embedding) = head(key, &w, &tokens);
    let fold = |row: &[EF]| match &w.ends.taken {
        Some(taken) => PublicRows::fold_boundary(taken, row),
        None => Input::Tokens(&tokens, &embedding).fold(d.dim, row).expect("rows of all tokens were read"),
    };
    let (witness_params, _) = opening_params(d, &w.layout);
    let (witness_root, committed) = w.cells.commit(&witness_params);

    let mut t = match chain {
        None => transcript::start(d, &w.layout, statement, &w.modes),
        Some(chain) => transcript::start_part(d, &w.layout, statement, &w.modes, chain),
    };
    t.absorb_bytes(&d.encode());
    t.absorb_root(&witness_root);
    let early = t.challenges(w.layout.num_vars);
    let out_of_domain = evaluate(&w.cells, &early);
    t.absorb(out_of_domain);
    done("commitment");

    let [beta, alpha] = [t.challenge(), t.challenge()];
    let (leaf_key, leaf_witness) = leaves_of.unwrap_or((key, &w));
    let (numerators, denominators) = leaves(leaf_key, leaf_witness, alpha, beta);
    done("leaves");
    let (fraction_sum, sum) = prove_fraction_sum_packed(numerators, denominators, w.layout.leaf_vars, &mut t);
    // The leaf claims' functionals do not depend on the model part's value; its claim does.
    let leaf_at = |value: EF| {
        let ends = [sum.numerator, sum.denominator];
        leaf_claims(d, &w.instance, &w.layout, &key.layout, &sum.point, ends, [alpha, beta], value)
    };
    let leaf_model = model_value(leaf_key, &leaf_at(EF::ZERO).model);
    t.absorb(leaf_model);
    let leaf = leaf_at(leaf_model);
    done("fractional sum");

    let weights = RelationWeights::new(t.challenge(), d.layers.len());
    let p = RelationPoints::draw(d, &w.instance, &mut t);
    let mut stage = LinearStage::new(d, &w.instance, statement, &w.layout, &p, &weights);
    if let Some(handed) = &w.ends.handed {
        let ends = [&fold(&p.row), &PublicRows::fold_boundary(handed, &p.row)];
        stage = stage.with_boundary(d, &w.layout, &p, &weights, ends);
    }
    let linear = sparse_value(&stage.functional, &w.cells);
    let shared = Shared { residuals: virtuals::residuals(key, &w, &tokens) };
    let inputs = Inputs { key, w: &w, p: &p, weights: &weights, shared: &shared, answer_rows: &answer_rows };
    let slots = Slots::new(d, &w.instance);
    let contractions = inputs.relation_sum(&slots);
    t.absorb_slice(&[linear, contractions]);
    done("linear stage");
    let (product_proof, q, finals) = products::prove(key, &w, &p, &weights, &shared, &mut t);
    done("products");

    let slot_weights = SlotWeights::new(t.challenge(), &finals);
    let factors = inputs.factors(&slots, &q, &slot_weights);
    let (contraction_proof, end, contraction_finals) = contraction::prove(factors, &slots, &mut t);
    done("contraction");

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
    let public = fold(q.row());
    let [model, witness, b] = contraction_finals;
    let delta = t.challenge();
    let claimed = Claimed {
        leaf: &leaf,
        leaf_model,
        linear: &stage.functional,
        linear_value: linear,
        finals: &finals,
        contraction_end: &end,
        contraction: ContractionFinals { model, witness, b },
        public: &public,
    };
    let [witness_claim, model_claim] = combine(&context, &claimed, delta);
    let rows = w.instance.row_bits();
    let (witness_claims, at, witness_value) = claims::prove(
        Polynomial::new(&w.cells, w.layout.num_vars),
        &witness_claim.functional,
        rows,
        witness_claim.value,
        &mut t,
    );
    t.absorb(witness_value);
    done("witness claims");
    let cells = Polynomial::new(key.committed.values(), d.size().num_vars);
    let bits = claims::model_block_bits(&key.layout);
    let (model_claims, model_at, model_value) =
        claims::prove(cells, &model_claim.functional, bits, model_claim.value, &mut t);
    t.absorb(model_value);
    done("model claims");

    t.absorb_root(&witness_root);
    let (_, witness_opening) = open(&committed, &[at, early], &mut t);
    done("witness opening");
    t.absorb_root(&d.root);
    let (_, model_opening) = open(&key.committed, std::slice::from_ref(&model_at), &mut t);
    done("model opening");
    let body = ProofBody {
        witness_root,
        out_of_domain,
        fraction_sum: &fraction_sum,
        leaf_model,
        linear,
        contractions,
        products: product_proof,
        finals,
        contraction: contraction_proof,
        contraction_finals,
        witness_claims,
        witness_value,
        model_claims,
        model_value,
        witness_opening: &witness_opening,
        model_opening: &model_opening,
    };
    body.write(&mut head);
    head
}

/// Descriptor, modes and embedding rows as the proof begins; the rows as the verifier reads them. A part's proof has no
/// descriptor, which stands before all parts, and only the first has rows.
fn head(key: &ModelKey, w: &Witness, tokens: &[u32]) -> (Vec<u8>, EmbeddingRows) {
    let d = &key.descriptor;
    let mut out = Vec::new();
    if d.part.is_none() {
        let descriptor = d.encode();
        out.extend_from_slice(&(descriptor.len() as u32).to_le_bytes());
        out.extend_from_slice(&descriptor);
    }
    out.extend_from_slice(&w.modes.encode());
    if !d.has_embedding() {
        return (out, EmbeddingRows::default());
    }
    let mut ids = tokens.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let start = out.len();
    for &id in &ids {
        encode_row(&key.model.embed[id as usize * d.dim..][..d.dim], d.embed_bits, &mut out);
    }
    key.embedding.siblings(&ids).iter().for_each(|h| out.extend_from_slice(h));
    let mut r = Reader::new(&out[start..], "embedding rows");
    let rows = EmbeddingRows::read(&mut r, &ids, d).expect("the model's own rows");
    (out, rows)
}

/// Variables within a block when cells are evaluated.
const BLOCK_VARS: usize = 5;

/// Extension of the cells at a point, 0 behind them.
fn evaluate(cells: &[F], point: &[EF]) -> EF {
    // A column has 2^5 cells at least: blocks of so many are whole.
    let (high, low) = point.split_at(point.len() - BLOCK_VARS);
    let high = par_eq_table(high);
    let rows = fold_blocks::<small::Lanes>(cells, low.len(), &high[..cells.len() >> BLOCK_VARS]);
    rows.iter().zip(eq_table(low, EF::ONE)).map(|(&x, e)| x * e).sum()
}

/// Value of a functional with terms on few cells or on long runs, cell by cell.
fn sparse_value(f: &Functional, cells: &[F]) -> EF {
    use esper_verifier::functional::ColWeight;
    let tables: Vec<Vec<EF>> = f.points.iter().map(|p| eq_table(p, EF::ONE)).collect();
    let rows: Vec<Vec<EF>> = f.rows.iter().map(|r| r.table()).collect();
    f.terms
        .par_iter()
        .map(|t| {
            let row = t.row.map_or(&[EF::ONE][..], |r| &rows[r]);
            let sum: EF = (0..t.cols)
                .map(|c| {
                    let col = match t.col {
                        ColWeight::Ones => EF::ONE,
                        ColWeight::Eq(p, first) => tables[p][first + c],
                    };
                    let cells = &cells[t.offset + c * row.len()..][..row.len()];
                    col * row.iter().zip(cells).map(|(&w, &x)| w * x).sum::<EF>()
                })
                .sum();
            t.coef * sum
        })
        .sum()
}

/// Value of a functional of the model polynomial.
fn model_value(key: &ModelKey, f: &Functional) -> EF {
    let cells = key.committed.values();
    use esper_verifier::functional::ColWeight;
    let tables: Vec<Vec<EF>> = f.points.iter().map(|p| eq_table(p, EF::ONE)).collect();
    let mut sum = EF::ZERO;
    for t in &f.terms {
        let ColWeight::Eq(p, first) = t.col else { continue };
        for c in 0..t.cols {
            sum += t.coef * tables[p][first + c] * cells[t.offset + c];
        }
    }
    sum
}
