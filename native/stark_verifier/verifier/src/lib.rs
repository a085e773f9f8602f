//! Verifier of the proof of inference.
//!
//! Reading order: [`statement`] (what is claimed), [`descriptor`] (what is known of the model),
//! [`layout`] and [`tables`] (what is committed), [`verify`] (the protocol), and from there
//! [`lookup`], [`linear`], [`products`], [`slots`] and [`claims`], one stage each.
#![no_std]

extern crate alloc;

pub mod boundary;
pub mod bytes;
pub mod claims;
pub mod descriptor;
pub mod descriptor_check;
pub mod embedding;
pub mod error;
pub mod finals;
pub mod functional;
pub mod layout;
pub mod limits;
pub mod linear;
pub mod lookup;
pub mod mle;
pub mod model_layout;
pub mod modes;
pub mod parts;
pub mod points;
pub mod prefix_eq;
pub mod products;
pub mod proof;
pub mod relation;
pub mod slots;
pub mod soundness;
pub mod statement;
pub mod sumcheck;
pub mod tables;
pub mod transcript;
pub mod verify;

pub use error::VerifyError;
pub use parts::{PartsReport, parts_id, verify_parts};
pub use statement::{SequenceStatement, Statement};
pub use verify::{Report, verify};
