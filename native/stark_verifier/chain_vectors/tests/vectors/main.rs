//! The golden vectors of rules that are implemented in Python, read by a second implementation.
//!
//! Each file follows the rule's specification and not the Python code: a mistake in one language
//! cannot become the vector's truth.

mod address;
mod asert;
mod omega;
mod reading;
mod signatures;
mod wallet;
