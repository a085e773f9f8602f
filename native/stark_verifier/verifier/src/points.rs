//! Random points of the protocol, and runs of columns under them.

use crate::descriptor::Descriptor;
use crate::functional::{Run, digit_runs};
use crate::mle::{index_bits, prefix_sums};
use crate::statement::Instance;
use alloc::vec::Vec;
use esper_commitment::{EF, Transcript};

/// Widest column index of any elementwise relation.
pub fn column_bits(d: &Descriptor) -> usize {
    index_bits(d.dim.max(d.hidden).max(d.q_dim()))
}

/// Random weights of the relations' cells, one point for each kind of index.
pub struct RelationPoints {
    /// Columns of elementwise relations; narrower ones use the low coordinates.
    pub col: Vec<EF>,
    /// Rows.
    pub row: Vec<EF>,
    /// Key/value head.
    pub kv: Vec<EF>,
    /// Query head within its group.
    pub member: Vec<EF>,
    /// Half of a rotary pair.
    pub half: Vec<EF>,
    /// Rotary pair.
    pub pair: Vec<EF>,
    /// Key position.
    pub key: Vec<EF>,
    /// Vocabulary.
    pub vocab: Vec<EF>,
    /// Answer.
    pub answer: Vec<EF>,
}

impl RelationPoints {
    /// Draws all of them.
    pub fn draw(d: &Descriptor, instance: &Instance, t: &mut Transcript) -> Self {
        Self {
            col: t.challenges(column_bits(d)),
            row: t.challenges(instance.row_bits()),
            kv: t.challenges(index_bits(d.kv_heads)),
            member: t.challenges(index_bits(d.group())),
            half: t.challenges(1),
            pair: t.challenges(index_bits(d.head_dim / 2)),
            key: t.challenges(instance.position_bits()),
            vocab: t.challenges(index_bits(d.vocab)),
            answer: t.challenges(instance.answer_bits()),
        }
    }

    /// Low coordinates of the column point that index `cols` columns.
    pub fn cols(&self, cols: usize) -> &[EF] {
        low(&self.col, index_bits(cols))
    }

    /// Position part of the row point.
    pub fn position(&self, instance: &Instance) -> &[EF] {
        low(&self.row, instance.position_bits())
    }

    /// Sequence part of the row point.
    pub fn sequence(&self, instance: &Instance) -> &[EF] {
        &self.row[..self.row.len() - instance.position_bits()]
    }

    /// Sum of the weights of all real heads.
    pub fn head_mass(&self, d: &Descriptor) -> EF {
        head_mass(d, &self.kv, &self.member)
    }

    /// Sum of the weights of all real channels of a head.
    pub fn channel_mass(&self, d: &Descriptor) -> EF {
        prefix_sums(&self.pair, d.head_dim / 2).0
    }

    /// Runs over (head, channel) columns.
    pub fn head_channels(&self, d: &Descriptor) -> (Vec<Run>, Vec<EF>) {
        head_channels(d, &self.kv, &self.member, &self.half, &self.pair)
    }

    /// Runs over (kv head, channel) columns.
    pub fn kv_channels(&self, d: &Descriptor) -> (Vec<Run>, Vec<EF>) {
        kv_channels(d, &self.kv, &self.half, &self.pair)
    }
}

/// Sum of eq over real heads.
pub fn head_mass(d: &Descriptor, kv: &[EF], member: &[EF]) -> EF {
    prefix_sums(kv, d.kv_heads).0 * prefix_sums(member, d.group()).0
}

/// Runs over (kv head, member) columns.
pub fn heads(d: &Descriptor, kv: &[EF], member: &[EF]) -> (Vec<Run>, Vec<EF>) {
    digit_runs(&[(d.kv_heads, kv), (d.group(), member)])
}

/// Runs over (kv head, member, half, pair) columns.
pub fn head_channels(
    d: &Descriptor,
    kv: &[EF],
    member: &[EF],
    half: &[EF],
    pair: &[EF],
) -> (Vec<Run>, Vec<EF>) {
    digit_runs(&[(d.kv_heads, kv), (d.group(), member), (2, half), (d.head_dim / 2, pair)])
}

/// Runs over (kv head, half, pair) columns.
pub fn kv_channels(d: &Descriptor, kv: &[EF], half: &[EF], pair: &[EF]) -> (Vec<Run>, Vec<EF>) {
    digit_runs(&[(d.kv_heads, kv), (2, half), (d.head_dim / 2, pair)])
}

/// Runs over (kv head, member, key position) columns.
pub fn head_keys(d: &Descriptor, kv: &[EF], member: &[EF], key: &[EF]) -> (Vec<Run>, Vec<EF>) {
    digit_runs(&[(d.kv_heads, kv), (d.group(), member), (1 << key.len(), key)])
}

/// The last `n` coordinates: the least significant bits.
pub fn low(p: &[EF], n: usize) -> &[EF] {
    &p[p.len() - n..]
}

/// The point at which the products' sumcheck ends, split by kind of index.
pub struct ProductPoint {
    /// All coordinates.
    pub all: Vec<EF>,
    row_bits: usize,
    position_bits: usize,
    kv_bits: usize,
    member_bits: usize,
    pair_bits: usize,
}

impl ProductPoint {
    /// Splits `all` for a model and sizes.
    pub fn new(all: Vec<EF>, d: &Descriptor, instance: &Instance) -> Self {
        Self {
            all,
            row_bits: instance.row_bits(),
            position_bits: instance.position_bits(),
            kv_bits: index_bits(d.kv_heads),
            member_bits: index_bits(d.group()),
            pair_bits: index_bits(d.head_dim / 2),
        }
    }

    /// Variables of the sumcheck: those of its largest group.
    pub fn num_vars(d: &Descriptor, instance: &Instance) -> usize {
        let heads = index_bits(d.kv_heads) + index_bits(d.group());
        let widest =
            (heads + instance.position_bits()).max(column_bits(d)).max(1 + index_bits(d.head_dim / 2));
        widest + instance.row_bits()
    }

    /// Coordinates above the lowest `n`, of a block of `len` that ends there.
    fn above(&self, n: usize, len: usize) -> &[EF] {
        let end = self.all.len() - n;
        &self.all[end - len..end]
    }

    /// Rows.
    pub fn row(&self) -> &[EF] {
        low(&self.all, self.row_bits)
    }

    /// Positions.
    pub fn position(&self) -> &[EF] {
        low(&self.all, self.position_bits)
    }

    /// Sequences.
    pub fn sequence(&self) -> &[EF] {
        self.above(self.position_bits, self.row_bits - self.position_bits)
    }

    /// Columns of an elementwise relation of `cols` columns.
    pub fn cols(&self, cols: usize) -> &[EF] {
        self.above(self.row_bits, index_bits(cols))
    }

    /// Key position (attention).
    pub fn key(&self) -> &[EF] {
        self.above(self.row_bits, self.position_bits)
    }

    /// (kv head, member) of attention, above the key position.
    pub fn attention_heads(&self) -> (&[EF], &[EF]) {
        let n = self.row_bits + self.position_bits;
        (self.above(n + self.member_bits, self.kv_bits), self.above(n, self.member_bits))
    }

    /// (kv head, member) of the division, above the row.
    pub fn division_heads(&self) -> (&[EF], &[EF]) {
        let n = self.row_bits;
        (self.above(n + self.member_bits, self.kv_bits), self.above(n, self.member_bits))
    }

    /// (half, pair) of the rotation, above the row.
    pub fn rotary(&self) -> (&[EF], &[EF]) {
        let n = self.row_bits;
        (self.above(n + self.pair_bits, 1), self.above(n, self.pair_bits))
    }

    /// Product of 1 - x over the coordinates above the lowest `vars`: where a smaller group lives.
    pub fn selector(&self, vars: usize) -> EF {
        use esper_commitment::PrimeCharacteristicRing;
        self.all[..self.all.len() - vars].iter().fold(EF::ONE, |acc, &x| acc * (EF::ONE - x))
    }
}
