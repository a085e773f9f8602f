//! A model in parts: one key at a time, each of some layers, so that a part bounds the memory.

use crate::error::ProveError;
use crate::key::{ModelKey, describe, describe_layers};
use crate::prove::prove_part_observed_witness;
use crate::trace::{boundary_of, embedded, run_layer};
use crate::witness::{Ends, Witness};
use esper_model::{Linear, Model, ModelPart, Shape};
use esper_verifier::boundary::{Boundary, Chain};
use esper_verifier::descriptor::{Descriptor, Part};
use esper_verifier::embedding::{EmbeddingTree, least_width, row_bytes};
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::statement::{Instance, Statement};
use std::ops::Range;
use std::sync::Arc;

/// A model and where it is cut.
pub struct PartedModel {
    model: Arc<Model>,
    /// Of the whole model, without cells and root.
    whole: Descriptor,
    /// First layer of each part, and the number of layers.
    ends: Vec<usize>,
}

impl PartedModel {
    /// Checks the model again; a part begins at layer 0 and at each of `cuts`.
    ///
    /// # Errors
    /// [`ProveError::Cuts`] unless the cuts are ascending and between the first and the last layer; as [`ModelKey::new`].
    pub fn new(model: Arc<Model>, cuts: &[usize]) -> Result<Self, ProveError> {
        let layers = model.layers.len();
        let ends: Vec<usize> = [0].iter().chain(cuts).chain(&[layers]).copied().collect();
        if ends.windows(2).any(|w| w[0] >= w[1]) {
            return Err(ProveError::Cuts);
        }
        let bounds = model.validate()?;
        let root = EmbeddingTree::new(&model.embed, model.shape.dim, least_width(&model.embed)).root();
        let whole = describe(&model, &bounds, root)?;
        Ok(Self { model, whole, ends })
    }

    /// Parts.
    pub fn count(&self) -> usize {
        self.ends.len() - 1
    }

    /// Which layers part `index` has.
    ///
    /// # Panics
    /// If there is no such part.
    pub fn layers(&self, index: usize) -> Range<usize> {
        self.ends[index]..self.ends[index + 1]
    }

    /// The descriptor of part `index` but for its root: what whoever has the part's integers makes its key of.
    ///
    /// # Errors
    /// What the proof's own ranges refuse.
    ///
    /// # Panics
    /// If there is no such part.
    pub fn outline(&self, index: usize) -> Result<Descriptor, ProveError> {
        let range = self.layers(index);
        let mut d = self.whole.clone();
        d.layers = self.whole.layers[range.clone()].to_vec();
        let (count, all_layers) = (self.count(), self.model.layers.len());
        d.part = Some(Part { index, count, first_layer: range.start, all_layers });
        d.cells = ModelLayout::new(&d).cells;
        d.check().map_err(ProveError::Descriptor)?;
        Ok(d)
    }

    /// Bytes and values of the residuals between the parts, for so many rows.
    ///
    /// # Errors
    /// What the proof's own ranges refuse.
    pub fn residuals(&self, rows: usize) -> Result<[u64; 2], ProveError> {
        let d = self.outline(0)?;
        let all = (rows * (self.count() - 1)) as u64;
        Ok([all * row_bytes(d.dim, d.boundary_bits()) as u64, all * d.dim as u64])
    }

    /// Which integers part `index` has.
    ///
    /// # Panics
    /// If there is no such part.
    pub fn part(&self, index: usize) -> ModelPart {
        let head = index + 1 == self.count();
        ModelPart { layers: self.layers(index), embedding: index == 0, head }
    }

    /// Hash of the integers of part `index`, which were checked with all others: what [`part_key`] is to find.
    ///
    /// # Panics
    /// If there is no such part.
    pub fn integers_hash(&self, index: usize) -> [u8; 64] {
        self.model.part_integers_hash(&self.part(index))
    }

    /// The key of part `index`: a copy of its integers, and their commitment. The polynomial of the whole model is never
    /// there.
    ///
    /// # Errors
    /// What the proof's own ranges refuse.
    ///
    /// # Panics
    /// If there is no such part.
    pub fn key(&self, index: usize) -> Result<ModelKey, ProveError> {
        let (d, m) = (self.outline(index)?, &self.model);
        let layers = m.layers[self.layers(index)].to_vec();
        let model = Model {
            shape: Shape { layers: layers.len(), ..m.shape },
            layers,
            embed: if d.has_embedding() { m.embed.clone() } else { vec![] },
            lm_head: if d.has_head() { m.lm_head.clone() } else { Linear::none(m.shape.dim) },
            final_gain: m.final_gain.clone(),
            final_shift: m.final_shift,
            exp: m.exp.clone(),
            rsqrt: m.rsqrt.clone(),
            rope_cos: m.rope_cos.clone(),
            rope_sin: m.rope_sin.clone(),
            emax: m.emax,
            eps_term: m.eps_term,
            frac_bits: m.frac_bits,
            bos: m.bos,
            eos: m.eos,
            integers_hash: m.integers_hash,
        };
        part_key(model, d, &self.integers_hash(index))
    }

    /// Descriptors of all parts: each is committed and forgotten again. What a registry computes.
    ///
    /// # Errors
    /// As [`Self::key`].
    pub fn descriptors(&self) -> Result<Vec<Descriptor>, ProveError> {
        (0..self.count()).map(|index| Ok(self.key(index)?.descriptor)).collect()
    }
}

/// The key of a part by the integers that it alone has, its outline, and the hash of these integers by whoever checked the
/// model as a whole ([`PartedModel::integers_hash`]): a part alone shows neither worst cases nor whose it is, and what the
/// outline says of the whole model is taken as it stands.
///
/// # Errors
/// [`ProveError::Part`] for integers of other sizes, shifts or embedding, and for others than were checked.
pub fn part_key(model: Model, outline: Descriptor, integers: &[u8; 64]) -> Result<ModelKey, ProveError> {
    let d = &outline;
    let s = model.shape;
    let sizes = [s.vocab, s.dim, s.hidden, s.heads, s.kv_heads, s.head_dim, s.max_seq];
    if sizes != [d.vocab, d.dim, d.hidden, d.heads, d.kv_heads, d.head_dim, d.max_seq] {
        return Err(ProveError::Part("sizes"));
    }
    if describe_layers(&model) != d.layers {
        return Err(ProveError::Part("layers"));
    }
    let there = |rows: usize, is_there: bool| rows == if is_there { d.vocab } else { 0 };
    if !there(model.embed.len() / d.dim, d.has_embedding()) || !there(model.lm_head.out, d.has_head()) {
        return Err(ProveError::Part("ends"));
    }
    let numbers = (model.emax, model.eps_term, model.final_shift, model.bos, model.eos);
    if numbers != (d.emax, d.eps_term, d.final_shift, d.bos, d.eos) {
        return Err(ProveError::Part("numbers"));
    }
    let embedding = EmbeddingTree::new(&model.embed, s.dim, d.embed_bits);
    if d.has_embedding() && embedding.root() != d.embedding_root {
        return Err(ProveError::Part("embedding"));
    }
    if model.compute_integers_hash() != *integers {
        return Err(ProveError::Part("integers"));
    }
    ModelKey::commit(Arc::new(model), outline, embedding)
}

/// Where a model is cut into `count` parts of about as many weights each: its last part has fewer layers, for it has the
/// output matrix. None if it has fewer layers than parts, or `count` is 0.
pub fn balanced_cuts(shape: &Shape, count: usize) -> Option<Vec<usize>> {
    let layers = shape.layers;
    if count == 0 || count > layers {
        return None;
    }
    let layer = shape.dim * (2 * (shape.q_width() + shape.kv_width()) + 3 * shape.hidden);
    let largest = |last: usize| {
        let others = (layers - last).div_ceil((count - 1).max(1));
        (others * layer).max(last * layer + shape.vocab * shape.dim)
    };
    let fitting = if count == 1 { layers..=layers } else { 1..=layers + 1 - count };
    let before = layers - fitting.rev().min_by_key(|&last| largest(last))?;
    Some((1..count).map(|i| i * before / (count - 1)).collect())
}

/// The residuals between the parts, of one pass over all layers; `statement` is checked in the clear.
///
/// # Errors
/// A statement that is refused.
pub fn boundaries(parted: &PartedModel, statement: &Statement) -> Result<Vec<Boundary>, ProveError> {
    let model = &parted.model;
    let instance = statement.check(&parted.whole).map_err(ProveError::Statement)?;
    let mut x = embedded(model, &statement.row_tokens(&instance));
    let mut out = vec![];
    for index in 0..parted.count() - 1 {
        for l in &model.layers[parted.layers(index)] {
            run_layer(model, l, &mut x, &instance);
        }
        out.push(boundary_of(&x, model.shape.dim));
    }
    Ok(out)
}

/// What every part of a proof is bound to: the parts' ids and the hashes of the residuals between them.
pub fn chain(parts: &[Descriptor], instance: &Instance, between: &[Boundary]) -> Chain {
    let hash = |(i, b): (usize, &Boundary)| Boundary::hash(i, &parts[0], instance, &b.encode(&parts[0]));
    Chain {
        ids: parts.iter().map(Descriptor::model_id).collect(),
        boundaries: between.iter().enumerate().map(hash).collect(),
    }
}

/// The residuals before and behind part `index`.
pub fn ends(between: &[Boundary], index: usize) -> Ends {
    Ends {
        taken: index.checked_sub(1).and_then(|i| between.get(i)).cloned(),
        handed: between.get(index).cloned(),
    }
}

/// Proves one part: a task of its own. `key` is the part's, `parts` are the descriptors of all, `between` all residuals.
///
/// # Errors
/// A statement that is refused, or that the part's layers do not bear out.
pub fn prove_part(
    key: &ModelKey,
    parts: &[Descriptor],
    statement: &Statement,
    between: &[Boundary],
) -> Result<Vec<u8>, ProveError> {
    prove_part_observed(key, parts, statement, between, &mut |_| {})
}

/// The same, telling the name of each stage that is over.
///
/// # Errors
/// As [`prove_part`].
pub fn prove_part_observed(
    key: &ModelKey,
    parts: &[Descriptor],
    statement: &Statement,
    between: &[Boundary],
    done: &mut dyn FnMut(&'static str),
) -> Result<Vec<u8>, ProveError> {
    let index = key.descriptor.part.map_or(0, |p| p.index);
    if parts.get(index) != Some(&key.descriptor) || between.len() + 1 != parts.len() {
        return Err(ProveError::Part("another list of parts"));
    }
    let witness = Witness::between(key, statement, ends(between, index))?;
    let chain = chain(parts, &witness.instance, between);
    Ok(prove_part_observed_witness(key, statement, &chain, witness, done))
}

/// The bytes of a proof in parts from the encoded descriptors, the packed residuals and the proofs of all parts.
pub fn join(parts: &[Vec<u8>], between: &[Vec<u8>], proofs: &[Vec<u8>]) -> Vec<u8> {
    let mut out = (parts.len() as u32).to_le_bytes().to_vec();
    let mut put = |bytes: &[u8], with_length: bool| {
        if with_length {
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        }
        out.extend_from_slice(bytes);
    };
    parts.iter().for_each(|d| put(d, true));
    between.iter().for_each(|b| put(b, false));
    proofs.iter().for_each(|proof| put(proof, true));
    out
}

/// Proves a statement part after part; the key of one is dropped before the next is made. `parts` are the descriptors of
/// [`PartedModel::descriptors`].
///
/// # Errors
/// As [`prove_part`] and [`PartedModel::key`].
pub fn prove_parts(
    parted: &PartedModel,
    parts: &[Descriptor],
    statement: &Statement,
) -> Result<Vec<u8>, ProveError> {
    let between = boundaries(parted, statement)?;
    let proofs: Result<Vec<Vec<u8>>, ProveError> = (0..parted.count())
        .map(|index| prove_part(&parted.key(index)?, parts, statement, &between))
        .collect();
    let between: Vec<Vec<u8>> = between.iter().map(|b| b.encode(&parts[0])).collect();
    let parts: Vec<Vec<u8>> = parts.iter().map(Descriptor::encode).collect();
    Ok(join(&parts, &between, &proofs?))
}
