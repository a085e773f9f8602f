//! What the verifier refuses before any proof is looked at.

mod hostile_descriptor;
mod limits;
mod statement_rules;
