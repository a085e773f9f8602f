//! The chain's hashes: what they give, and what they refuse.

mod many;
mod refusals;
mod vectors;
