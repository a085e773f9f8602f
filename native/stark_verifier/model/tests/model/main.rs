//! The format, its bounds and both engines through the crate's public functions.

mod common;
mod engine;
mod fixture;
mod float;
mod malformed;
mod reference;
mod score;
mod serving;
