//! The golden vectors of rules that are implemented in Python, read by a second implementation.
//!
//! Each file follows the rule's specification and not the Python code: a mistake in one language
//! cannot become the vector's truth.

mod accounts;
mod address;
mod asert;
mod bank;
mod beginnings;
mod benchmarks;
mod block_states;
mod block_work;
mod blocks;
mod calls;
mod chain;
mod cost;
mod dao;
mod envelopes;
mod fields;
mod hashing;
mod header;
mod hidden;
mod ledger;
mod market;
mod merkle;
mod messages;
mod msgpack;
mod network;
mod omega;
mod parameters;
mod promises;
mod prompts;
mod reading;
mod receipts;
mod records;
mod signatures;
mod state;
mod transactions;
mod vrf;
mod wallet;
mod work;
