//! The field, its extension, and what the other crates need to compute in them.

pub use p3_field::{
    BasedVectorSpace, ExtensionField, Field, PackedFieldExtension, PackedValue, PrimeCharacteristicRing,
    PrimeField64, TwoAdicField,
};

/// The base field: integers modulo `2^64 - 2^32 + 1`.
pub type F = p3_goldilocks::Goldilocks;

/// The challenge field: `F[x] / (x^3 - x - 1)`, about 2^192 elements. Coefficients in the order 1, x, x^2.
pub type EF = p3_field::extension::CubicTrinomialExtensionField<F>;

/// Base-field elements side by side in one vector register; of width 1 where the target has no vectors.
pub type PackedF = <F as Field>::Packing;

/// As many extension elements as [`PackedF`] has lanes, coefficient by coefficient.
pub type PackedEF = <EF as ExtensionField<F>>::ExtensionPacking;

/// Parallel iterators: rayon's with the feature `parallel`, sequential stand-ins without it.
pub mod parallel {
    pub use p3_maybe_rayon::prelude::*;
}
