//! A model committed once and kept: descriptor, polynomial, embedding tree.

use crate::error::ProveError;
use esper_commitment::{Committed, F, PcsParams, PrimeCharacteristicRing, Root, Size, commit};
use esper_model::{Bounds, Layer, Linear, Model};
use esper_verifier::descriptor::{CLAMP_CLASSES, ClampClass, Descriptor, LayerDescriptor};
use esper_verifier::embedding::{EmbeddingTree, least_width};
use esper_verifier::model_layout::{EXP_ENTRIES, Matrix, ModelLayout, RSQRT_ENTRIES, RSQRT_FIRST};
use esper_verifier::soundness::OPENINGS;
use std::sync::Arc;

/// Goldilocks.
const FIELD: u128 = 0xffff_ffff_0000_0001;

/// Everything about a model that proofs share.
pub struct ModelKey {
    /// The integers; of a part of a model, its own.
    pub model: Arc<Model>,
    /// Hashes to model_id.
    pub descriptor: Descriptor,
    /// Its commitment; of a part, the part's id.
    pub model_id: [u8; 64],
    /// Places in the model polynomial.
    pub layout: ModelLayout,
    /// The committed polynomial.
    pub committed: Committed,
    /// Tree of embedding rows; of none in a part that does not begin with them.
    pub embedding: EmbeddingTree,
}

impl ModelKey {
    /// Checks the model again, lays its integers out and commits them.
    ///
    /// # Errors
    /// What [`Model::validate`] refuses, and what the proof's own ranges refuse.
    pub fn new(model: Arc<Model>) -> Result<Self, ProveError> {
        let bounds = model.validate()?;
        let embedding = EmbeddingTree::new(&model.embed, model.shape.dim, least_width(&model.embed));
        let descriptor = describe(&model, &bounds, embedding.root())?;
        Self::commit(model, descriptor, embedding)
    }

    /// Commits the integers that a descriptor, which lacks its cells and its root, is about.
    ///
    /// # Errors
    /// What the proof's own ranges refuse.
    pub(crate) fn commit(
        model: Arc<Model>,
        mut descriptor: Descriptor,
        embedding: EmbeddingTree,
    ) -> Result<Self, ProveError> {
        let layout = ModelLayout::new(&descriptor);
        descriptor.cells = layout.cells;
        // All that is checked but for the root itself, before the work on it.
        descriptor.check().map_err(ProveError::Descriptor)?;
        let params = PcsParams::for_proof(descriptor.size().num_vars, OPENINGS * descriptor.parts());
        let committed;
        (descriptor.root, committed) = commit(lay_out(&model, &layout), &params);
        let model_id = descriptor.model_id();
        Ok(Self { model, descriptor, model_id, layout, committed, embedding })
    }
}

/// What a descriptor says of the layers that are here.
pub(crate) fn describe_layers(model: &Model) -> Vec<LayerDescriptor> {
    let of = |l: &Layer| LayerDescriptor {
        norm1_shift: l.norm1_shift,
        norm2_shift: l.norm2_shift,
        score_shift: l.score_shift,
        gate_bits: l.gate_bits,
        z_bits: l.z_bits,
        o_bits: l.o_bits,
        down_bits: l.down_bits,
        shifts: [l.q.shift, l.k.shift, l.v.shift, l.o.shift, l.gate.shift, l.up.shift, l.down.shift],
    };
    model.layers.iter().map(of).collect()
}

/// The descriptor of a model whose commitment is not known yet.
///
/// # Errors
/// What the proof's own ranges refuse.
pub(crate) fn describe(
    model: &Model,
    bounds: &Bounds,
    embedding_root: [u8; 32],
) -> Result<Descriptor, ProveError> {
    let s = model.shape;
    let layers = describe_layers(model);
    let logits = bounds.find(None, "logits").map_or(1, |b| b.value as u64);
    Ok(Descriptor {
        vocab: s.vocab,
        dim: s.dim,
        hidden: s.hidden,
        heads: s.heads,
        kv_heads: s.kv_heads,
        head_dim: s.head_dim,
        max_seq: s.max_seq,
        bos: model.bos,
        eos: model.eos,
        emax: model.emax,
        eps_term: model.eps_term,
        final_shift: model.final_shift,
        logit_bound: logits.max(1),
        clamp_reach: clamp_reach(model, bounds)?,
        layers,
        cells: 0,
        embed_bits: least_width(&model.embed),
        root: Root([0; 32]),
        embedding_root,
        integers_hash: model.integers_hash,
        part: None,
    })
}

/// Half width of each class's clamp table: the largest quotient of its sites, at least 1, those of z as if all had 16
/// bits; sound at every site of the class (PROOF_SPEC section 1).
fn clamp_reach(model: &Model, bounds: &Bounds) -> Result<[u32; CLAMP_CLASSES], ProveError> {
    let mut sites: Vec<(ClampClass, Option<usize>, &str, u32, u32)> =
        vec![(ClampClass::Norm, None, "final norm x * R * gain", 16, model.final_shift)];
    for (i, l) in model.layers.iter().enumerate() {
        let at = Some(i);
        sites.extend([
            (ClampClass::Norm, at, "norm1 x * R * gain", 16, l.norm1_shift),
            (ClampClass::Norm, at, "norm2 x * R * gain", 16, l.norm2_shift),
            (ClampClass::Qk, at, "q rotary", 16, l.q.shift + 16),
            (ClampClass::Qk, at, "k rotary", 16, l.k.shift + 16),
            (ClampClass::V, at, "v_proj A", 16, l.v.shift),
            (ClampClass::Gate, at, "gate_proj A", l.gate_bits, l.gate.shift),
            (ClampClass::Z, at, "silu * A_up", l.z_bits, l.up.shift),
            (ClampClass::UpdateO, at, "o_proj A", l.o_bits, l.o.shift),
            (ClampClass::UpdateDown, at, "down_proj A", l.down_bits, l.down.shift),
        ]);
    }
    let worst = |layer: Option<usize>, name: &str| bounds.find(layer, name).map_or(u128::MAX, |b| b.value);
    let mut reach = [1u128; CLAMP_CLASSES];
    for &(class, layer, name, bits, shift) in &sites {
        let bits = if class == ClampClass::Z { 16 } else { bits };
        let magnitude = (1u128 << (bits - 1)) - 1;
        let quotient = (((worst(layer, name).saturating_add(1 << (shift - 1))) >> shift) + magnitude)
            / ((1 << bits) - 1);
        reach[class as usize] = reach[class as usize].max(quotient);
    }
    for &(class, layer, name, bits, shift) in &sites {
        let (magnitude, longest) = ((1u128 << (bits - 1)) - 1, reach[class as usize]);
        // As `Descriptor::z_reach`.
        let q = if class == ClampClass::Z { longest.div_ceil(1 << (bits - 16)) } else { longest };
        let span = ((((1u128 << bits) - 1) * q + magnitude) << shift) + (1 << shift);
        if longest >= 1 << 15 || worst(layer, name).saturating_add(span) >= FIELD {
            let place = layer.map_or_else(String::new, |l| format!("layer {l} "));
            return Err(ProveError::ClampReach { site: format!("{place}{name}") });
        }
    }
    Ok(reach.map(|q| q as u32))
}

/// All cells of the model polynomial, without padding behind the last.
fn lay_out(model: &Model, layout: &ModelLayout) -> Vec<F> {
    // Room for the columns' ends, so that the commitment keeps the cells where they are.
    let mut cells = Vec::with_capacity(Size::of(layout.cells).cells());
    cells.resize(layout.cells, F::ZERO);
    if let Some(head) = &layout.head {
        put_matrix(&mut cells, &head.lm_head, &model.lm_head);
        put(&mut cells, head.final_gain, &model.final_gain);
    }
    for (place, l) in layout.layers.iter().zip(&model.layers) {
        for (matrix, linear) in place.linear.iter().zip([&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down]) {
            put_matrix(&mut cells, matrix, linear);
        }
        put(&mut cells, place.gains[0], &l.norm1_gain);
        put(&mut cells, place.gains[1], &l.norm2_gain);
        put(&mut cells, place.silu, &l.silu[1..]);
    }
    let (pairs, max_seq) = (model.shape.head_dim / 2, model.shape.max_seq);
    for i in 0..pairs {
        for t in 0..max_seq {
            cells[layout.cos + i * max_seq + t] = F::from_i64(i64::from(model.rope_cos[t * pairs + i]));
            cells[layout.sin + i * max_seq + t] = F::from_i64(i64::from(model.rope_sin[t * pairs + i]));
        }
    }
    let exp: Vec<i32> =
        (0..EXP_ENTRIES).map(|i| model.exp[((i + 1) >> 1).min(model.exp.len() - 1)]).collect();
    put(&mut cells, layout.exp, &exp);
    put(&mut cells, layout.rsqrt, &model.rsqrt[RSQRT_FIRST..RSQRT_FIRST + RSQRT_ENTRIES]);
    cells
}

fn put<T: Copy + Into<i64>>(cells: &mut [F], at: usize, values: &[T]) {
    cells[at..at + values.len()].iter_mut().zip(values).for_each(|(c, &v)| *c = F::from_i64(v.into()));
}

fn put_matrix(cells: &mut [F], place: &Matrix, linear: &Linear) {
    for piece in &place.pieces {
        for (o, (row, &m)) in linear.weight.chunks(linear.inp).zip(&linear.mult).enumerate() {
            let at = piece.offset + (o << piece.bits);
            let part = &row[piece.first..piece.first + (1 << piece.bits)];
            for (c, &w) in cells[at..].iter_mut().zip(part) {
                *c = F::from_i64(i64::from(w) * i64::from(m));
            }
        }
    }
}
