//! Which descriptors are taken: their bytes, the range of each field, and what ties the fields to each other.

use crate::bytes::Reader;
use crate::descriptor::{
    CLAMP_CLASSES, Descriptor, LayerDescriptor, LinearKind, PART_VERSION, Part, SPEC_VERSION,
};
use crate::error::VerifyError;
use crate::limits::{self, Limit};
use crate::model_layout::ModelLayout;
use alloc::vec::Vec;
use esper_commitment::Root;

fn within(value: impl TryInto<u64>, limit: Limit) -> Result<(), VerifyError> {
    if limit.takes(value) { Ok(()) } else { Err(VerifyError::Descriptor(limit.name)) }
}

impl Descriptor {
    /// Reads exactly what [`Self::encode`] writes of a whole model and checks it.
    ///
    /// # Errors
    /// [`VerifyError::Encoding`] for bytes of another form, [`VerifyError::Descriptor`] as [`Self::check`].
    pub fn decode(bytes: &[u8]) -> Result<Self, VerifyError> {
        Self::read(bytes, SPEC_VERSION)
    }

    /// Reads exactly what [`Self::encode`] writes of a part of a model and checks it.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_part(bytes: &[u8]) -> Result<Self, VerifyError> {
        Self::read(bytes, PART_VERSION)
    }

    fn read(bytes: &[u8], version: u32) -> Result<Self, VerifyError> {
        const PART: &str = "model descriptor";
        let mut r = Reader::new(bytes, PART);
        if r.u64()? != u64::from(version) {
            return Err(VerifyError::Descriptor("spec version"));
        }
        let small = |r: &mut Reader<'_>| -> Result<usize, VerifyError> {
            u32::try_from(r.u64()?).map(|v| v as usize).map_err(|_| VerifyError::Encoding(PART))
        };
        let layer_count = small(&mut r)?;
        let part = if version == PART_VERSION {
            let [index, count, first_layer, all_layers] =
                [small(&mut r)?, small(&mut r)?, small(&mut r)?, small(&mut r)?];
            Some(Part { index, count, first_layer, all_layers })
        } else {
            None
        };
        let [vocab, dim, hidden, heads, kv_heads, head_dim, max_seq, bos, eos, emax, final_shift] = {
            let mut v = [0; 11];
            for x in &mut v {
                *x = small(&mut r)?;
            }
            v
        };
        let (eps_term, logit_bound) = (r.u64()?, r.u64()?);
        let (cells, embed_bits) = (small(&mut r)?, small(&mut r)?);
        let mut clamp_reach = [0; CLAMP_CLASSES];
        for q in &mut clamp_reach {
            *q = small(&mut r)? as u32;
        }
        let mut layers = Vec::new();
        for _ in 0..layer_count {
            let mut v = [0u32; 14];
            for x in &mut v {
                *x = small(&mut r)? as u32;
            }
            let [norm1_shift, norm2_shift, score_shift, gate_bits, z_bits, o_bits, down_bits, ..] = v;
            let mut shifts = [0; 7];
            shifts.copy_from_slice(&v[7..]);
            layers.push(LayerDescriptor {
                norm1_shift,
                norm2_shift,
                score_shift,
                gate_bits,
                z_bits,
                o_bits,
                down_bits,
                shifts,
            });
        }
        let root = Root(r.hash32()?);
        let (embedding_root, integers_hash) = (r.hash32()?, r.hash64()?);
        r.finish()?;
        let d = Self {
            vocab,
            dim,
            hidden,
            heads,
            kv_heads,
            head_dim,
            max_seq,
            bos: bos as u32,
            eos: eos as u32,
            emax: emax as u32,
            eps_term,
            final_shift: final_shift as u32,
            logit_bound,
            clamp_reach,
            layers,
            cells,
            embed_bits: embed_bits as u32,
            root,
            embedding_root,
            integers_hash,
            part,
        };
        d.check()?;
        Ok(d)
    }

    /// Ranges that keep every later computation in bounds, whoever made the descriptor, and the work that follows from
    /// it below a second.
    ///
    /// # Errors
    /// [`VerifyError::Descriptor`] with the name of the limit, as in [`limits`], or of the rule.
    pub fn check(&self) -> Result<(), VerifyError> {
        let must = |ok: bool, what| if ok { Ok(()) } else { Err(VerifyError::Descriptor(what)) };
        within(self.vocab, limits::VOCAB)?;
        within(self.dim, limits::DIM)?;
        within(self.hidden, limits::HIDDEN)?;
        within(self.heads, limits::HEADS)?;
        within(self.kv_heads, limits::KV_HEADS)?;
        must(self.heads.is_multiple_of(self.kv_heads), "kv_heads do not divide heads")?;
        within(self.head_dim, limits::HEAD_DIM)?;
        must(self.head_dim.is_multiple_of(2), "head_dim is odd")?;
        within(self.max_seq, limits::MAX_SEQ)?;
        must((self.bos as usize) < self.vocab, "bos")?;
        must((self.eos as usize) < self.vocab, "eos")?;
        within(self.layers.len(), limits::LAYERS)?;
        within(self.layers.len() * self.heads, limits::LAYER_HEADS)?;
        if let Some(part) = self.part {
            within(part.count, limits::PARTS)?;
            within(part.all_layers, limits::ALL_LAYERS)?;
            must(part.index < part.count, "index of the part")?;
            let end = part.first_layer.saturating_add(self.layers.len());
            must(end <= part.all_layers, "layers of the part")?;
            must(self.has_embedding() == (part.first_layer == 0), "first layer of the part")?;
            must(self.has_head() == (end == part.all_layers), "last layer of the part")?;
        }
        within(self.eps_term, limits::EPS_TERM)?;
        within(self.emax, limits::EMAX)?;
        must(self.emax >= self.emin(), "emax below emin")?;
        within(self.t0() + 2 * (self.emax + 1), limits::NORM_BITS)?;
        within(self.final_shift, limits::NORM_SHIFT)?;
        within(self.logit_bound, limits::LOGIT_BOUND)?;
        self.clamp_reach.iter().try_for_each(|&q| within(q, limits::REACH))?;
        within(self.cells, limits::CELLS)?;
        within(self.embed_bits, limits::EMBED_BITS)?;
        for l in &self.layers {
            within(l.norm1_shift, limits::NORM_SHIFT)?;
            within(l.norm2_shift, limits::NORM_SHIFT)?;
            within(l.score_shift, limits::SCORE_SHIFT)?;
            within(l.gate_bits, limits::GATE_BITS)?;
            let ends = [limits::GATE_BITS.least, limits::GATE_BITS.most];
            must(ends.contains(&u64::from(l.gate_bits)), "gate_bits between two widths")?;
            within(l.z_bits, limits::Z_BITS)?;
            must(l.z_bits.is_multiple_of(2), "odd width of z")?;
            for bits in [l.o_bits, l.down_bits] {
                within(bits, limits::UPDATE_BITS)?;
                must(bits.is_multiple_of(2), "odd width of an update")?;
            }
            l.shifts.iter().try_for_each(|&s| within(s, limits::LINEAR_SHIFT))?;
            for kind in [LinearKind::Q, LinearKind::K] {
                within(l.shifts[kind as usize], limits::ROTARY_SHIFT)?;
            }
        }
        // The size of the commitment, and so the work on it, follows from the other numbers alone.
        must(ModelLayout::new(self).cells == self.cells, "cells do not follow from the shape")
    }
}
