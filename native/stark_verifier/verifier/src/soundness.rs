//! Security of a proof in bits, composed from the parameters it really uses.
//!
//! Rests on: mutual correlated agreement up to the Johnson bound by the theorem that the commitment
//! crate cites; 128-bit collision resistance of BLAKE3-256; Fiat-Shamir against classical attackers.

use crate::descriptor::Descriptor;
use crate::finals::Finals;
use crate::layout::Layout;
use crate::points::ProductPoint;
use crate::products::PRODUCT_DEGREE;
use crate::relation::RELATIONS;
use crate::slots::{CONTRACTION_DEGREE, Slots};
use crate::statement::Instance;
use alloc::vec::Vec;
use core::convert::Infallible;
use esper_commitment::{PcsParams, compose, opening_security};

/// log2 of the size of the challenge field: three times log2 p, rounded down.
const FIELD_BITS: f64 = 191.999;

/// Openings in a proof: of the witness, of the model.
pub const OPENINGS: usize = 2;

/// Parameters of the openings of witness and model. Their level follows from the number of all openings of a statement,
/// those of the other parts included.
pub fn opening_params(d: &Descriptor, layout: &Layout) -> (PcsParams, PcsParams) {
    let of = |num_vars: usize| PcsParams::for_proof(num_vars, OPENINGS * d.parts());
    (of(layout.num_vars), of(d.size().num_vars))
}

/// One term of the budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecurityTerm {
    /// What it bounds.
    pub name: &'static str,
    /// Its bits.
    pub bits: f64,
}

/// The terms of a proof; `None` if the commitment has no parameters for its sizes.
pub fn security_terms(d: &Descriptor, instance: &Instance, layout: &Layout) -> Option<Vec<SecurityTerm>> {
    let (witness, model) = opening_params(d, layout);
    let w = opening_security(layout.num_vars, &witness, 2)?;
    let m = opening_security(d.size().num_vars, &model, 1)?;
    let log2 = |n: usize| f64::from(usize::BITS - n.max(1).leading_zeros());
    let loss = |name, n: usize| SecurityTerm { name, bits: FIELD_BITS - log2(n) };
    let (products, contraction) = (ProductPoint::num_vars(d, instance), Slots::new(d, instance).num_vars);
    let mut count = 0usize;
    let finals: Result<Finals<()>, Infallible> = Finals::build(layout, || {
        count += 1;
        Ok(())
    });
    let Ok(_) = finals;
    Some(alloc::vec![
        SecurityTerm { name: "witness opening", bits: w.opening },
        // Two candidates in the list agree at the early point with probability vars / |field|.
        SecurityTerm {
            name: "early out-of-domain point",
            bits: FIELD_BITS - log2(layout.num_vars) - 2.0 * w.list_size + 1.0,
        },
        // The product over leaves is a polynomial in alpha and beta of total degree 3 a leaf; twice for both.
        loss("lookups", 3 << (layout.leaf_vars + 1)),
        loss("fractional sum", 4 * layout.leaf_vars * (layout.leaf_vars + 1)),
        loss("relation weights", (d.layers.len() + 1) * RELATIONS + usize::from(!d.has_head())),
        loss("relation points", 8 * 32),
        loss("products", products * PRODUCT_DEGREE),
        loss("contraction weights", count),
        loss("contraction", contraction * CONTRACTION_DEGREE),
        loss("claim weights", count + 8),
        loss("witness claims", 2 * layout.num_vars),
        loss("model claims", 2 * d.size().num_vars),
        SecurityTerm { name: "model opening", bits: m.opening },
    ])
}

/// All terms together.
pub fn total_bits(terms: &[SecurityTerm]) -> f64 {
    let bits: Vec<f64> = terms.iter().map(|t| t.bits).collect();
    compose(&bits)
}
