//! Names of the relations, and the random weight of each in the one sum that proves them all.

use alloc::vec::Vec;
use esper_commitment::{EF, PrimeCharacteristicRing};

/// A relation of PROOF_SPEC section 3; each holds for every layer unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Relation {
    /// idx P + rem = 2^T0 (sum x^2 + eps), first norm (for the last index: the final norm).
    NormDivision1,
    /// P - 1 - rem = its own limbs.
    NormBound1,
    /// Rounding of x R gain.
    NormScale1,
    /// The same three for the second norm.
    NormDivision2,
    /// See [`Self::NormBound1`].
    NormBound2,
    /// See [`Self::NormScale1`].
    NormScale2,
    /// Rounding of the rotated query.
    RotaryQ,
    /// Rounding of the rotated key.
    RotaryK,
    /// Rounding of the value.
    Value,
    /// mask (M - u - W) = 0.
    ScoreGap,
    /// O (32767 - D') = 0.
    Overflow,
    /// mask B W = 0.
    MaxReached,
    /// sum_j mask B = 1.
    MaxCounted,
    /// 2N + Z = 2Z o + rem.
    Division,
    /// 2Z - 1 - rem = its own limbs.
    DivisionBound,
    /// Rounding of the attention output's update.
    UpdateO,
    /// Rounding of the gate.
    Gate,
    /// Rounding of silu * up.
    SwiGlu,
    /// Rounding of the MLP output's update.
    UpdateDown,
    /// y = (1 - sigma^2) w + Mx sigma at each rounding site.
    ClampNorm1,
    /// See [`Self::ClampNorm1`].
    ClampNorm2,
    /// Queries.
    ClampQ,
    /// Keys.
    ClampK,
    /// Values.
    ClampV,
    /// Attention update.
    ClampUpdateO,
    /// Gate.
    ClampGate,
    /// silu * up.
    ClampZ,
    /// MLP update.
    ClampUpdateDown,
    /// Logits against the list and the slack (once).
    TopK,
    /// Slack of listed entries is zero (once).
    TopKListed,
    /// The residual that a part hands on is the one it took plus its updates (once a part but the last).
    Boundary,
}

/// Whether this build can take relations out of proofs: a test build, which nothing shipped may be.
pub const SWITCHED: bool = cfg!(feature = "relation-switch");

/// Number of relations of a whole model: what a layer takes of the powers. [`Relation::Boundary`] comes behind all of
/// them.
pub const RELATIONS: usize = Relation::TopKListed as usize + 1;

/// Powers of gamma, one for each (layer, relation); the final norm and top-K use index `layers`.
pub struct RelationWeights(Vec<EF>);

impl RelationWeights {
    /// Weights for `layers` layers.
    pub fn new(gamma: EF, layers: usize) -> Self {
        let mut powers = Vec::with_capacity((layers + 1) * RELATIONS);
        let mut power = EF::ONE;
        let last = (layers + 1) * RELATIONS;
        for i in 0..=last {
            let relation = if i == last { Relation::Boundary as usize } else { i % RELATIONS };
            powers.push(if switch::enabled(relation) { power } else { EF::ZERO });
            power *= gamma;
        }
        Self(powers)
    }

    /// Weight of a relation in a layer; that of [`Relation::Boundary`] is asked for at index `layers`.
    pub fn of(&self, layer: usize, relation: Relation) -> EF {
        self.0[layer * RELATIONS + relation as usize]
    }
}

#[cfg(not(feature = "relation-switch"))]
mod switch {
    pub const fn enabled(_: usize) -> bool {
        true
    }

    pub const fn table_enabled(_: u64) -> bool {
        true
    }

    pub const fn leaf_claim_enabled(_: usize) -> bool {
        true
    }
}

/// Whether lookups into the table with this tag count: always, but in builds of the tests.
pub fn table_enabled(tag: u64) -> bool {
    switch::table_enabled(tag)
}

/// Whether a claim of the lookup argument's leaves counts (0 keys, 1 multiplicities, 2 model): always, but in builds
/// of the tests.
pub fn leaf_claim_enabled(claim: usize) -> bool {
    switch::leaf_claim_enabled(claim)
}

/// Lets tests take a relation out on both sides, to show that it is what rejects a forgery.
#[cfg(feature = "relation-switch")]
pub mod switch {
    use core::sync::atomic::{AtomicU64, Ordering};

    static OFF: AtomicU64 = AtomicU64::new(0);

    /// Whether relation `index` counts.
    pub fn enabled(index: usize) -> bool {
        OFF.load(Ordering::SeqCst) >> index & 1 == 0
    }

    /// Takes out the relations of a mask, puts all others in.
    pub fn set_off(mask: u64) {
        OFF.store(mask, Ordering::SeqCst);
    }

    static LEAF_CLAIM_OFF: AtomicU64 = AtomicU64::new(u64::MAX);

    /// Whether a leaf claim counts.
    pub fn leaf_claim_enabled(claim: usize) -> bool {
        LEAF_CLAIM_OFF.load(Ordering::SeqCst) != claim as u64
    }

    /// Takes out one leaf claim and puts the others in, or all.
    pub fn set_leaf_claim_off(claim: Option<usize>) {
        LEAF_CLAIM_OFF.store(claim.map_or(u64::MAX, |c| c as u64), Ordering::SeqCst);
    }

    /// Tags of tables are not zero, so zero is an empty place.
    static TABLES_OFF: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

    /// Whether lookups into the table with this tag count.
    pub fn table_enabled(tag: u64) -> bool {
        TABLES_OFF.iter().all(|off| off.load(Ordering::SeqCst) != tag)
    }

    /// Takes out up to eight tables, by tag: their lookups and entries weigh nothing. Puts all others in.
    pub fn set_tables_off(tags: &[u64]) {
        for (i, off) in TABLES_OFF.iter().enumerate() {
            off.store(tags.get(i).copied().unwrap_or(0), Ordering::SeqCst);
        }
    }
}
