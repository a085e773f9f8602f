//! The proof's bytes: every count follows from the statement, the descriptor and the modes, apart
//! from the lengths of the descriptor and of each opening, which are checked against what is there.
//!
//! All of it is decoded before anything is computed, so that bytes which are no proof are told from a proof that shows
//! nothing.

use crate::bytes::{EF_BYTES, Reader, put_ext};
use crate::descriptor::Descriptor;
use crate::error::VerifyError;
use crate::finals::Finals;
use crate::layout::Layout;
use crate::limits;
use crate::modes::Modes;
use crate::points::ProductPoint;
use crate::products::PRODUCT_DEGREE;
use crate::slots::{CONTRACTION_DEGREE, Slots};
use crate::soundness::opening_params;
use crate::statement::Instance;
use crate::sumcheck::SumcheckProof;
use alloc::vec::Vec;
use esper_commitment::{EF, PcsParams, Root, Size, check_opening_encoding, fraction_proof_len};

/// Largest proof that is looked at.
pub const MAX_PROOF_BYTES: usize = limits::PROOF_BYTES.most as usize;

/// Part of the proof whose shape follows from the model and the statement alone.
pub struct ProofHead<'a> {
    /// Model.
    pub descriptor: Descriptor,
    /// Mode mask.
    pub modes: Modes,
    /// Everything behind.
    pub rest: Reader<'a>,
}

/// What follows the embedding rows.
pub struct ProofBody<'a> {
    /// Commitment of the witness.
    pub witness_root: Root,
    /// Witness at the early out-of-domain point.
    pub out_of_domain: EF,
    /// The lookup argument's fractional sum.
    pub fraction_sum: &'a [u8],
    /// Model part of the table keys at the leaf point.
    pub leaf_model: EF,
    /// Linear parts of the relations.
    pub linear: EF,
    /// Contractions that stand in relations.
    pub contractions: EF,
    /// Products.
    pub products: SumcheckProof,
    /// Their final values.
    pub finals: Finals<EF>,
    /// Contraction.
    pub contraction: SumcheckProof,
    /// Its factors: model part of a, witness part of a, b.
    pub contraction_finals: [EF; 3],
    /// Claims on the witness to one.
    pub witness_claims: SumcheckProof,
    /// Witness at its end.
    pub witness_value: EF,
    /// Claims on the model to one.
    pub model_claims: SumcheckProof,
    /// Model at its end.
    pub model_value: EF,
    /// Opening of the witness.
    pub witness_opening: &'a [u8],
    /// Opening of the model.
    pub model_opening: &'a [u8],
}

impl<'a> ProofHead<'a> {
    /// Reads descriptor and modes.
    pub fn read(bytes: &'a [u8]) -> Result<Self, VerifyError> {
        if !limits::PROOF_BYTES.takes(bytes.len()) {
            return Err(VerifyError::Encoding("proof longer than the limit"));
        }
        let mut r = Reader::new(bytes, "proof");
        let len = r.u32()? as usize;
        let descriptor = Descriptor::decode(r.take(len)?)?;
        let modes = Modes::decode(r.take(2 + descriptor.layers.len())?, &descriptor)?;
        Ok(Self { descriptor, modes, rest: r })
    }
}

impl<'a> ProofBody<'a> {
    /// Reads everything to the end.
    ///
    /// # Errors
    /// [`VerifyError::Encoding`] with the part that does not decode.
    pub fn read(
        mut r: Reader<'a>,
        d: &Descriptor,
        instance: &Instance,
        layout: &Layout,
    ) -> Result<Self, VerifyError> {
        let witness_root = Root(r.hash32()?);
        let out_of_domain = r.ext()?;
        let fraction_sum = r.ext_bytes(fraction_proof_len(layout.leaf_vars) / EF_BYTES)?;
        let [leaf_model, linear, contractions] = [r.ext()?, r.ext()?, r.ext()?];
        let products = SumcheckProof::read(&mut r, ProductPoint::num_vars(d, instance), PRODUCT_DEGREE)?;
        let finals = Finals::read(&mut r, layout)?;
        let contraction = SumcheckProof::read(&mut r, Slots::new(d, instance).num_vars, CONTRACTION_DEGREE)?;
        let contraction_finals = [r.ext()?, r.ext()?, r.ext()?];
        let witness_claims = SumcheckProof::read(&mut r, layout.num_vars, 2)?;
        let witness_value = r.ext()?;
        let model_claims = SumcheckProof::read(&mut r, d.size().num_vars, 2)?;
        let model_value = r.ext()?;
        let mut opening =
            |part: &'static str, size: Size, params: &PcsParams| -> Result<&'a [u8], VerifyError> {
                let len = r.u32()? as usize;
                let bytes = r.take(len)?;
                check_opening_encoding(size, params, bytes).map_err(|_| VerifyError::Encoding(part))?;
                Ok(bytes)
            };
        let (witness_params, model_params) = opening_params(d, layout);
        let witness_opening = opening("witness opening", layout.size(), &witness_params)?;
        let model_opening = opening("model opening", d.size(), &model_params)?;
        r.finish()?;
        Ok(Self {
            witness_root,
            out_of_domain,
            fraction_sum,
            leaf_model,
            linear,
            contractions,
            products,
            finals,
            contraction,
            contraction_finals,
            witness_claims,
            witness_value,
            model_claims,
            model_value,
            witness_opening,
            model_opening,
        })
    }

    /// Appends everything that [`Self::read`] reads.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self {
            witness_root,
            out_of_domain,
            fraction_sum,
            leaf_model,
            linear,
            contractions,
            products,
            finals,
            contraction,
            contraction_finals,
            witness_claims,
            witness_value,
            model_claims,
            model_value,
            witness_opening,
            model_opening,
        } = self;
        out.extend_from_slice(&witness_root.0);
        put_ext(out, *out_of_domain);
        out.extend_from_slice(fraction_sum);
        [leaf_model, linear, contractions].into_iter().for_each(|&x| put_ext(out, x));
        products.write(out);
        finals.values().into_iter().for_each(|x| put_ext(out, x));
        contraction.write(out);
        contraction_finals.iter().for_each(|&x| put_ext(out, x));
        witness_claims.write(out);
        put_ext(out, *witness_value);
        model_claims.write(out);
        put_ext(out, *model_value);
        for opening in [witness_opening, model_opening] {
            out.extend_from_slice(&(opening.len() as u32).to_le_bytes());
            out.extend_from_slice(opening);
        }
    }
}
