//! What the verifier refuses before any proof is looked at.

mod hostile_descriptor;
mod statement_rules;
