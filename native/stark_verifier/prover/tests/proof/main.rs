//! Proofs that are true, and everything that is tried with bytes, cells and statements. No test of this program takes
//! a relation out: those that do stand in `forgery`, because the switch holds for the whole process.

mod attack_absorb;
mod attack_budget;
mod attack_bytes;
mod attack_cells;
mod attack_hollow;
mod attack_statement;
mod attack_support;
mod attack_transcript;
#[path = "../common/mod.rs"]
mod common;
mod enumeration;
mod honest;
mod model_id;
mod parts;
mod parts_figures;
