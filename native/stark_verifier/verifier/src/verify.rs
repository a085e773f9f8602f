//! The verifier, top to bottom in the order of the transcript.

use crate::boundary::Boundary;
use crate::claims::{Claimed, Context, ContractionFinals, Input, PublicRows, combine, contraction_e};
use crate::descriptor::Descriptor;
use crate::embedding::EmbeddingRows;
use crate::error::VerifyError;
use crate::layout::Layout;
use crate::limits;
use crate::linear::LinearStage;
use crate::lookup::leaf_claims;
use crate::model_layout::ModelLayout;
use crate::modes::Modes;
use crate::points::{ProductPoint, RelationPoints};
use crate::products::{PRODUCT_DEGREE, summand};
use crate::proof::{ProofBody, ProofHead};
use crate::relation::RelationWeights;
use crate::slots::{CONTRACTION_DEGREE, SlotWeights, Slots};
use crate::soundness::{SecurityTerm, opening_params, security_terms, total_bits};
use crate::statement::{Instance, Statement};
use crate::transcript;
use alloc::vec::Vec;
use esper_commitment::{Transcript, verify_fraction_sum, verify_opening};

/// What a verified proof rests on.
#[derive(Clone, Debug)]
pub struct Report {
    /// Terms of the security budget.
    pub terms: Vec<SecurityTerm>,
    /// Their total, in bits.
    pub security_bits: f64,
    /// log2 of the committed witness cells, and of the lookup leaves.
    pub sizes: [usize; 2],
}

/// Checks that the statement holds: the model with this id, run on these tokens, gives these
/// answers and top-K logits. Never panics; allocates by the statement's size, never by a length in the proof. Locks
/// nothing: any number of threads verify at once.
///
/// # Errors
/// The first check that fails, as a [`VerifyError`]; [`VerifyError::is_malformed`] tells bytes that are no proof.
pub fn verify(statement: &Statement, proof: &[u8]) -> Result<Report, VerifyError> {
    // What is checked in the clear.
    let ProofHead { descriptor, modes, rest: mut reader } = ProofHead::read(proof)?;
    let d = &descriptor;
    if d.model_id() != statement.model_id {
        return Err(VerifyError::ModelId);
    }
    let instance = statement.check(d)?;
    let segment = Segment::new(d, modes, statement, instance)?;
    let tokens = statement.row_tokens(&instance);
    let embedding = EmbeddingRows::of_tokens(&mut reader, &tokens, d)?;
    let body = ProofBody::read(reader, d, &instance, &segment.layout)?;
    let t = transcript::start(d, &segment.layout, statement, &segment.modes);
    segment.verify(&body, Input::Tokens(&tokens, &embedding), None, t)
}

/// The layout of a witness that can be committed.
///
/// # Errors
/// [`VerifyError::Sizes`].
pub(crate) fn sized(d: &Descriptor, instance: &Instance, modes: &Modes) -> Result<Layout, VerifyError> {
    let layout = Layout::new(d, instance, modes);
    if limits::WITNESS_VARS.takes(layout.num_vars) && limits::LEAF_VARS.takes(layout.leaf_vars) {
        Ok(layout)
    } else {
        Err(VerifyError::Sizes)
    }
}

/// What one proof is about, all of a model or a part of it, and the sizes that follow.
pub(crate) struct Segment<'a> {
    pub d: &'a Descriptor,
    pub modes: Modes,
    pub statement: &'a Statement,
    pub instance: Instance,
    pub layout: Layout,
    terms: Vec<SecurityTerm>,
}

impl<'a> Segment<'a> {
    /// The sizes of a statement that was checked.
    ///
    /// # Errors
    /// [`VerifyError::Sizes`].
    pub fn new(
        d: &'a Descriptor,
        modes: Modes,
        statement: &'a Statement,
        instance: Instance,
    ) -> Result<Self, VerifyError> {
        let layout = sized(d, &instance, &modes)?;
        let terms = security_terms(d, &instance, &layout).ok_or(VerifyError::Sizes)?;
        Ok(Self { d, modes, statement, instance, layout, terms })
    }

    /// Checks a proof: the layers take `input`, and hand on `handed` where they are not the last. In `t` are all that is
    /// public but for the descriptor.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(
        &self,
        body: &ProofBody<'_>,
        input: Input<'_>,
        handed: Option<&Boundary>,
        mut t: Transcript,
    ) -> Result<Report, VerifyError> {
        let Self { d, statement, instance, layout, terms, .. } = self;
        let model = ModelLayout::new(d);

        // Statement, modes and witness are fixed; the early point leaves one witness.
        t.absorb_bytes(&d.encode());
        t.absorb_root(&body.witness_root);
        let early = t.challenges(layout.num_vars);
        t.absorb(body.out_of_domain);

        // Lookups.
        let [beta, alpha] = [t.challenge(), t.challenge()];
        let sum = verify_fraction_sum(layout.leaf_vars, body.fraction_sum, &mut t)
            .map_err(|_| VerifyError::Lookup)?;
        t.absorb(body.leaf_model);
        let leaf = leaf_claims(
            d,
            instance,
            layout,
            &model,
            &sum.point,
            [sum.numerator, sum.denominator],
            [alpha, beta],
            body.leaf_model,
        );

        // Relations at one random point.
        let w = RelationWeights::new(t.challenge(), d.layers.len());
        let p = RelationPoints::draw(d, instance, &mut t);
        let mut linear = LinearStage::new(d, instance, statement, layout, &p, &w);
        if let Some(handed) = handed {
            let ends = [&input.fold(d.dim, &p.row)?, &PublicRows::fold_boundary(handed, &p.row)];
            linear = linear.with_boundary(d, layout, &p, &w, ends);
        }
        t.absorb_slice(&[body.linear, body.contractions]);
        let claim = -(body.linear + linear.constant + body.contractions);
        let (end, value) = body.products.verify(claim, PRODUCT_DEGREE, &mut t)?;
        t.absorb_slice(&body.finals.values());
        let q = ProductPoint::new(end, d, instance);
        if summand(d, instance, layout, &p, &q, &w, &body.finals) != value {
            return Err(VerifyError::Sumcheck("products"));
        }

        // Contractions.
        let slot_weights = SlotWeights::new(t.challenge(), &body.finals);
        let slots = Slots::new(d, instance);
        let claim = body.contractions + slot_weights.claim;
        let (end, value) = body.contraction.verify(claim, CONTRACTION_DEGREE, &mut t)?;
        t.absorb_slice(&body.contraction_finals);
        let [model_part, witness_part, b] = body.contraction_finals;
        let answer_rows = statement.answer_rows(instance);
        let context = Context {
            d,
            instance,
            layout,
            model: &model,
            p: &p,
            q: &q,
            w: &w,
            slots: &slots,
            slot_weights: &slot_weights,
            answer_rows: &answer_rows,
        };
        if contraction_e(&context, &end) * (model_part + witness_part) * b != value {
            return Err(VerifyError::Sumcheck("contraction"));
        }

        // All claims on the witness, and all on the model, to one each.
        let public = input.fold(d.dim, q.row())?;
        let delta = t.challenge();
        let values = ContractionFinals { model: model_part, witness: witness_part, b };
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
        let (at, value) = body.witness_claims.verify(witness.value, 2, &mut t)?;
        t.absorb(body.witness_value);
        if witness.functional.at(&at) * body.witness_value != value {
            return Err(VerifyError::Sumcheck("witness claims"));
        }
        let (model_at, value) = body.model_claims.verify(model_claim.value, 2, &mut t)?;
        t.absorb(body.model_value);
        if model_claim.functional.at(&model_at) * body.model_value != value {
            return Err(VerifyError::Sumcheck("model claims"));
        }

        // Openings.
        let (witness_params, model_params) = opening_params(d, layout);
        t.absorb_root(&body.witness_root);
        verify_opening(
            &body.witness_root,
            layout.size(),
            &witness_params,
            &[at, early],
            &[body.witness_value, body.out_of_domain],
            body.witness_opening,
            &mut t,
        )
        .map_err(|_| VerifyError::Opening("witness"))?;
        t.absorb_root(&d.root);
        verify_opening(
            &d.root,
            d.size(),
            &model_params,
            core::slice::from_ref(&model_at),
            &[body.model_value],
            body.model_opening,
            &mut t,
        )
        .map_err(|_| VerifyError::Opening("model"))?;
        let security_bits = total_bits(terms);
        Ok(Report { terms: terms.clone(), security_bits, sizes: [layout.num_vars, layout.leaf_vars] })
    }
}
