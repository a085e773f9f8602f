//! The hash that names a model's integers. The canonical bytes are described in `docs/g16-format.md`.

use sha3::{Digest, Sha3_512};

use crate::load::ModelPart;
use crate::model::{Layer, Linear, Model};

/// Domain tag, padded with zero bytes to 32 before hashing.
const TAG: &[u8] = b"esper/model/integers/v1";
/// Version of the format, the first integer hashed.
const FORMAT_VERSION: i64 = 1;

const I8: u8 = 0;
const I16: u8 = 1;
const I32: u8 = 2;

/// A tensor as it enters the hash.
enum Data<'a> {
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
}

impl Model {
    /// SHA3-512 under the tag `esper/model/integers/v1` of every integer parameter and every tensor.
    ///
    /// Computed from the fields, not from [`Model::integers_hash`], which caches it.
    pub fn compute_integers_hash(&self) -> [u8; 64] {
        self.hash_of(&self.layers, &self.embed, &self.lm_head)
    }

    /// What [`Self::compute_integers_hash`] is of the part alone, as [`Model::load_part`] reads it: tells whoever reads a
    /// part whether the file still has the integers that were checked as a whole. It names no model.
    ///
    /// # Panics
    /// If the model has no such layers.
    pub fn part_integers_hash(&self, part: &ModelPart) -> [u8; 64] {
        let none = Linear::none(self.shape.dim);
        let embed = if part.embedding { self.embed.as_slice() } else { &[] };
        let head = if part.head { &self.lm_head } else { &none };
        self.hash_of(&self.layers[part.layers.clone()], embed, head)
    }

    fn hash_of(&self, layers: &[Layer], embed: &[i32], head: &Linear) -> [u8; 64] {
        let mut hasher = Sha3_512::new();
        let mut tag = [0; 32];
        tag[..TAG.len()].copy_from_slice(TAG);
        hasher.update(tag);
        for integer in self.parameters(layers) {
            hasher.update(integer.to_le_bytes());
        }
        let mut tensors = self.tensors(layers, embed, head);
        tensors.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        hasher.update((tensors.len() as u32).to_le_bytes());
        for (name, shape, data) in tensors {
            update_tensor(&mut hasher, &name, &shape, &data);
        }
        hasher.finalize().into()
    }

    /// Integer parameters in the order of the canonical bytes.
    fn parameters(&self, layers: &[Layer]) -> Vec<i64> {
        let s = &self.shape;
        let sizes = [s.vocab, s.dim, s.hidden, layers.len(), s.heads, s.kv_heads, s.head_dim, s.max_seq];
        let mut list = vec![FORMAT_VERSION];
        list.extend(sizes.map(|n| n as i64));
        list.extend([i64::from(self.frac_bits), i64::from(self.emax), self.eps_term.cast_signed()]);
        list.extend([self.final_shift, self.bos, self.eos].map(i64::from));
        for layer in layers {
            list.extend([layer.norm1_shift, layer.norm2_shift, layer.score_shift].map(i64::from));
            list.extend([layer.gate_bits, layer.z_bits, layer.o_bits, layer.down_bits].map(i64::from));
            list.extend(layer.linears().map(|(_, linear)| i64::from(linear.shift)));
        }
        list
    }

    fn tensors<'a>(
        &'a self,
        layers: &'a [Layer],
        embed: &'a [i32],
        head: &'a Linear,
    ) -> Vec<(String, Vec<usize>, Data<'a>)> {
        let s = &self.shape;
        let rope = vec![s.max_seq, s.head_dim / 2];
        let mut list = vec![
            ("embed_tokens".to_string(), vec![s.vocab, s.dim], Data::Int32(embed)),
            ("exp_table".into(), vec![self.exp.len()], Data::Int32(&self.exp)),
            ("final_norm_gain".into(), vec![s.dim], Data::Int32(&self.final_gain)),
            ("rope_cos".into(), rope.clone(), Data::Int32(&self.rope_cos)),
            ("rope_sin".into(), rope, Data::Int32(&self.rope_sin)),
            ("rsqrt_table".into(), vec![self.rsqrt.len()], Data::Int32(&self.rsqrt)),
        ];
        push_linear(&mut list, "lm_head", head);
        for (index, layer) in layers.iter().enumerate() {
            let prefix = format!("layers.{index}");
            list.push((format!("{prefix}.norm1_gain"), vec![s.dim], Data::Int32(&layer.norm1_gain)));
            list.push((format!("{prefix}.norm2_gain"), vec![s.dim], Data::Int32(&layer.norm2_gain)));
            list.push((format!("{prefix}.silu_table"), vec![layer.silu.len()], Data::Int16(&layer.silu)));
            for (name, linear) in layer.linears() {
                push_linear(&mut list, &format!("{prefix}.{name}"), linear);
            }
        }
        list
    }
}

fn push_linear<'a>(list: &mut Vec<(String, Vec<usize>, Data<'a>)>, name: &str, linear: &'a Linear) {
    list.push((format!("{name}.weight"), vec![linear.out, linear.inp], Data::Int8(&linear.weight)));
    list.push((format!("{name}.multiplier"), vec![linear.out], Data::Int32(&linear.mult)));
}

fn update_tensor(hasher: &mut Sha3_512, name: &str, shape: &[usize], data: &Data<'_>) {
    hasher.update((name.len() as u32).to_le_bytes());
    hasher.update(name.as_bytes());
    let code = match data {
        Data::Int8(_) => I8,
        Data::Int16(_) => I16,
        Data::Int32(_) => I32,
    };
    hasher.update([code]);
    hasher.update((shape.len() as u32).to_le_bytes());
    for &size in shape {
        hasher.update((size as u64).to_le_bytes());
    }
    // Bytes go in by blocks: one buffer of the whole tensor would double the memory of a large model.
    const BLOCK: usize = 4096;
    let mut buffer = Vec::with_capacity(BLOCK * 4);
    match data {
        Data::Int8(values) => update_blocks(hasher, &mut buffer, values, |v| v.to_le_bytes()),
        Data::Int16(values) => update_blocks(hasher, &mut buffer, values, |v| v.to_le_bytes()),
        Data::Int32(values) => update_blocks(hasher, &mut buffer, values, |v| v.to_le_bytes()),
    }

    fn update_blocks<T: Copy, const N: usize>(
        hasher: &mut Sha3_512,
        buffer: &mut Vec<u8>,
        values: &[T],
        bytes: impl Fn(T) -> [u8; N],
    ) {
        for block in values.chunks(BLOCK) {
            buffer.clear();
            buffer.extend(block.iter().flat_map(|&v| bytes(v)));
            hasher.update(&buffer);
        }
    }
}
