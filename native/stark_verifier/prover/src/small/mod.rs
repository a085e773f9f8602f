//! Sums of small cells with weights of the extension, in integers.
//!
//! Nearly all cells of a witness and of a model are integers of few bits. A product of such a cell with a weight is six
//! products of 32 bits, one for each half of the weight's coefficients, and many are added before anything is reduced:
//!
//! | | bound |
//! |---|---|
//! | small cell c | -2^24 <= c < 2^24 |
//! | half h of a weight (`halves`) | -2^31 <= h < 2^31 |
//! | their product | magnitude at most 2^55 |
//! | sum of [`TERMS`] = 64 of them | magnitude at most 2^61, below 2^63 |
//!
//! Cells that are not small, which a forger may commit but no honest prover does often, take the field's own products.
//! The sums are exact either way, so a proof's bytes depend neither on the path nor on the processor.
//!
//! Every sum is written once, over [`Eight`]; [`Lanes`] is the best form of it that the build may use.

#[cfg(all(target_arch = "x86_64", target_feature = "avx512f"))]
mod avx512;
mod eight;
mod halves;
mod sums;

pub use eight::Eight;
pub use sums::{Halves, fold_blocks, fold_rows, fold_top};

/// Eight integers, as this build multiplies them.
#[cfg(all(target_arch = "x86_64", target_feature = "avx512f"))]
pub type Lanes = avx512::Register;
/// Eight integers, as this build multiplies them.
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx512f")))]
pub type Lanes = [i64; 8];

/// Cells from -SMALL on and below SMALL are small.
const SMALL: i64 = 1 << 24;
/// Products added at most before the sum is reduced.
pub const TERMS: usize = 64;
