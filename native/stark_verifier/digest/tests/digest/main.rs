//! The chain's hashes: what they give, and what they refuse.

mod refusals;
mod vectors;
