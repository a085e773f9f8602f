//! A model that is proven part by part: consecutive layers each, with a proof of its own, about one statement.
//!
//! Each part is a proof as [`mod@crate::verify`] checks it, about its own polynomial. The residual between two parts is
//! in the clear: one part proves that it hands it on, the next begins with it. By induction over the parts every
//! residual is that of the model's own integers, so the bounds of the whole model hold in each part.

use crate::boundary::{Boundary, Chain};
use crate::bytes::Reader;
use crate::claims::Input;
use crate::descriptor::Descriptor;
use crate::embedding::EmbeddingRows;
use crate::error::VerifyError;
use crate::limits;
use crate::modes::Modes;
use crate::proof::ProofBody;
use crate::soundness::total_bits;
use crate::statement::{Instance, Statement};
use crate::transcript;
use crate::verify::{Report, Segment, sized};
use alloc::vec::Vec;
use esper_digest::{Tag, tagged_sha3_512};

const PARTS_ID_TAG: Tag = match Tag::new("esper/model/parts/v1") {
    Ok(tag) => tag,
    Err(_) => panic!("a short printable tag"),
};
const PART: &str = "proof in parts";

/// The id of a model in parts: the hash of the parts' ids, in order.
pub fn parts_id(ids: &[[u8; 64]]) -> [u8; 64] {
    tagged_sha3_512(PARTS_ID_TAG, &[ids.as_flattened()])
}

/// What a verified proof in parts rests on.
#[derive(Clone, Debug)]
pub struct PartsReport {
    /// The id that was compared: what the verdict is about, as whoever gave it knows.
    pub parts_id: [u8; 64],
    /// Each part's.
    pub parts: Vec<Report>,
    /// Total of the terms of all parts, in bits.
    pub security_bits: f64,
}

/// Checks that the statement holds as [`crate::verify`] does, of a model that a registry knows by `parts_id` (beside the
/// statement's model_id, which is bound and not checked: look `parts_id` up by the model, never by the proof). Never panics,
/// locks nothing.
///
/// # Errors
/// The first check that fails, as a [`VerifyError`]; [`VerifyError::is_malformed`] tells bytes that are no proof.
pub fn verify_parts(
    statement: &Statement,
    parts_id: &[u8; 64],
    proof: &[u8],
) -> Result<PartsReport, VerifyError> {
    let (descriptors, mut reader) = read_descriptors(proof)?;
    let ids: Vec<[u8; 64]> = descriptors.iter().map(Descriptor::model_id).collect();
    if self::parts_id(&ids) != *parts_id {
        return Err(VerifyError::ModelId);
    }
    // All parts agree on what a statement is checked against.
    let first = &descriptors[0];
    let instance = statement.check(first)?;
    // Nothing is unpacked of what is too large, whatever the modes are: they add cells.
    for d in &descriptors {
        sized(d, &instance, &Modes::off(d.layers.len()))?;
    }
    if !limits::RESIDUAL_VALUES.takes((descriptors.len() - 1) * instance.rows() * first.dim) {
        return Err(VerifyError::Sizes);
    }
    let mut chain = Chain { ids, boundaries: Vec::new() };
    let mut boundaries = Vec::new();
    for index in 0..descriptors.len() - 1 {
        let bytes = reader.take(Boundary::byte_len(first, &instance))?;
        chain.boundaries.push(Boundary::hash(index, first, &instance, bytes));
        let mut r = Reader::new(bytes, PART);
        boundaries.push(Boundary::read(&mut r, first, &instance)?);
        r.finish()?;
    }
    // All of it is decoded before the work on any part of it.
    let mut parts = Vec::new();
    for d in &descriptors {
        let len = reader.u32()? as usize;
        if !limits::PROOF_BYTES.takes(len) {
            return Err(VerifyError::Encoding("a part longer than the limit"));
        }
        parts.push(PartProof::read(statement, d, &instance, reader.take(len)?)?);
    }
    reader.finish()?;
    let mut reports = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let taken = index.checked_sub(1).and_then(|i| boundaries.get(i));
        reports.push(part.verify(&chain, taken, boundaries.get(index))?);
    }
    let terms: Vec<_> = reports.iter().flat_map(|r| r.terms.iter().copied()).collect();
    Ok(PartsReport { parts_id: *parts_id, parts: reports, security_bits: total_bits(&terms) })
}

/// Descriptors of all parts, which are one model's: each layer once, everything else equal.
fn read_descriptors(proof: &[u8]) -> Result<(Vec<Descriptor>, Reader<'_>), VerifyError> {
    if !limits::PARTS_PROOF_BYTES.takes(proof.len()) {
        return Err(VerifyError::Encoding("proof longer than the limit"));
    }
    let mut r = Reader::new(proof, PART);
    let count = r.u32()?;
    if !limits::PARTS.takes(count) {
        return Err(VerifyError::Descriptor(limits::PARTS.name));
    }
    let mut descriptors: Vec<Descriptor> = Vec::new();
    let mut next_layer = 0;
    for index in 0..count as usize {
        let len = r.u32()? as usize;
        let d = Descriptor::decode_part(r.take(len)?)?;
        let must = |ok: bool, what| if ok { Ok(()) } else { Err(VerifyError::Descriptor(what)) };
        let part = d.part.ok_or(VerifyError::Descriptor("no part"))?;
        must(part.index == index, "order of the parts")?;
        must(part.count == count as usize, "number of parts")?;
        must(part.first_layer == next_layer, "layers of adjacent parts")?;
        must(descriptors.first().is_none_or(|first| d.is_of_model(first)), "part of another model")?;
        next_layer += d.layers.len();
        descriptors.push(d);
    }
    Ok((descriptors, r))
}

impl Descriptor {
    /// Whether two parts are of one model: all is equal but which layers they have, and what is committed of them.
    pub fn is_of_model(&self, other: &Self) -> bool {
        let shared = |d: &Self| {
            let mut d = d.clone();
            (d.layers, d.cells, d.root) = (Vec::new(), 0, esper_commitment::Root([0; 32]));
            d.part.iter_mut().for_each(|p| (p.index, p.first_layer) = (0, 0));
            d
        };
        shared(self) == shared(other)
    }
}

/// A part's proof, decoded.
struct PartProof<'a> {
    segment: Segment<'a>,
    tokens: Vec<u32>,
    /// Of the first part.
    embedding: Option<EmbeddingRows>,
    body: ProofBody<'a>,
}

impl<'a> PartProof<'a> {
    fn read(
        statement: &'a Statement,
        d: &'a Descriptor,
        instance: &Instance,
        bytes: &'a [u8],
    ) -> Result<Self, VerifyError> {
        let mut r = Reader::new(bytes, PART);
        let modes = Modes::decode(r.take(2 + d.layers.len())?, d)?;
        let segment = Segment::new(d, modes, statement, *instance)?;
        let tokens = statement.row_tokens(instance);
        let embedding =
            if d.has_embedding() { Some(EmbeddingRows::of_tokens(&mut r, &tokens, d)?) } else { None };
        let body = ProofBody::read(r, d, instance, &segment.layout)?;
        Ok(Self { segment, tokens, embedding, body })
    }

    fn verify(
        &self,
        chain: &Chain,
        taken: Option<&Boundary>,
        handed: Option<&Boundary>,
    ) -> Result<Report, VerifyError> {
        let Segment { d, modes, statement, layout, .. } = &self.segment;
        let input = match (&self.embedding, taken) {
            (Some(rows), None) => Input::Tokens(&self.tokens, rows),
            (None, Some(boundary)) => Input::Boundary(boundary),
            _ => return Err(VerifyError::Boundary),
        };
        let t = transcript::start_part(d, layout, statement, modes, chain);
        self.segment.verify(&self.body, input, handed, t)
    }
}
