//! The contraction sumcheck: all matrix products, scores, weighted sums and gains as one sum
//! `sum e(x) a(x) b(x)` over slots laid side by side.

use crate::descriptor::Descriptor;
use crate::finals::Finals;
use crate::mle::index_bits;
use crate::relation::{Relation, RelationWeights};
use crate::statement::Instance;
use alloc::vec::Vec;
use esper_commitment::{EF, PrimeCharacteristicRing};

/// Degree in one variable.
pub const CONTRACTION_DEGREE: usize = 3;

/// What a slot contracts; the numbers are layers, and 0 or 1 for the norm before attention or MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// Query and key weights with the first normed input, at the end point's row.
    QueryKey(usize),
    /// Value weights with the first normed input, at the relations' row.
    Value(usize),
    /// Output weights with the attention output.
    Output(usize),
    /// Gate weights with the second normed input, at the relations' row.
    Gate(usize),
    /// Up weights with the second normed input, at the end point's row.
    Up(usize),
    /// Down weights with z.
    Down(usize),
    /// Queries with keys, index (kv head, channel, sequence).
    Score(usize),
    /// exp values with values, index (kv head, sequence, key position).
    Weighted(usize),
    /// Gains with the residual; the last layer index is the final norm.
    Gain(usize, usize),
    /// Head weights with the final normed input at the answer rows.
    Logits,
}

/// A slot: 2^bits entries from `offset` on, aligned.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// What it contracts.
    pub kind: SlotKind,
    /// log2 of its size.
    pub bits: usize,
    /// First entry.
    pub offset: usize,
}

/// The slots of a proof and the number of variables of their sumcheck.
pub struct Slots {
    /// Slots, largest first.
    pub slots: Vec<Slot>,
    /// Variables of the sumcheck.
    pub num_vars: usize,
}

impl Slots {
    /// Slots that follow from a model and sizes.
    pub fn new(d: &Descriptor, instance: &Instance) -> Self {
        let (kv, channel) = (index_bits(d.kv_heads), index_bits(d.head_dim));
        let (position, sequence) = (instance.position_bits(), instance.row_bits() - instance.position_bits());
        let (dim, hidden, q_dim) = (index_bits(d.dim), index_bits(d.hidden), index_bits(d.q_dim()));
        let mut all: Vec<(SlotKind, usize)> = Vec::new();
        for l in 0..d.layers.len() {
            all.extend([
                (SlotKind::QueryKey(l), dim),
                (SlotKind::Value(l), dim),
                (SlotKind::Output(l), q_dim),
                (SlotKind::Gate(l), dim),
                (SlotKind::Up(l), dim),
                (SlotKind::Down(l), hidden),
                (SlotKind::Score(l), kv + channel + sequence),
                (SlotKind::Weighted(l), kv + sequence + position),
                (SlotKind::Gain(l, 0), dim),
                (SlotKind::Gain(l, 1), dim),
            ]);
        }
        if d.has_head() {
            all.extend([(SlotKind::Gain(d.layers.len(), 0), dim), (SlotKind::Logits, dim)]);
        }
        all.sort_by_key(|&(_, bits)| core::cmp::Reverse(bits));
        let mut offset = 0;
        let slots = all
            .into_iter()
            .map(|(kind, bits)| {
                offset += 1usize << bits;
                Slot { kind, bits, offset: offset - (1 << bits) }
            })
            .collect();
        Self { slots, num_vars: index_bits(offset) }
    }
}

/// Weights of the slots: relation weights where a slot stands in a relation, powers of mu where it
/// proves a final value of the products.
pub struct SlotWeights {
    /// Per layer: rotary query and key, up, score.
    pub claims: Vec<[EF; 4]>,
    /// Per norm (two a layer, then the final one if it is there).
    pub gains: Vec<EF>,
    /// Sum over claims of weight * final value.
    pub claim: EF,
}

impl SlotWeights {
    /// Weights by powers of `mu`, starting at mu: power 0 belongs to the relations' own contractions.
    pub fn new(mu: EF, finals: &Finals<EF>) -> Self {
        let (mut power, mut claim) = (EF::ONE, EF::ZERO);
        let mut next = |value: EF| {
            power *= mu;
            claim += power * value;
            power
        };
        let claims = finals
            .layers
            .iter()
            .map(|f| [next(f.rotary[0]), next(f.rotary[1]), next(f.up), next(f.score)])
            .collect();
        let norms = finals.layers.iter().flat_map(|f| &f.norms).chain(&finals.norm);
        let gains = norms.map(|f| next(f.gained)).collect();
        Self { claims, gains, claim }
    }
}

/// Weight of a slot that stands in a relation; None for the others.
pub fn relation_weight(kind: SlotKind, w: &RelationWeights, layers: usize) -> Option<EF> {
    Some(match kind {
        SlotKind::Value(l) => -w.of(l, Relation::Value),
        SlotKind::Output(l) => -w.of(l, Relation::UpdateO),
        SlotKind::Gate(l) => -w.of(l, Relation::Gate),
        SlotKind::Down(l) => -w.of(l, Relation::UpdateDown),
        SlotKind::Weighted(l) => w.of(l, Relation::Division).double(),
        SlotKind::Logits => w.of(layers, Relation::TopK),
        _ => return None,
    })
}
