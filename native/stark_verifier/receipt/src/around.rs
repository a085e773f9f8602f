//! What is known beside a receipt: networks, and what whoever asks vouches for.
//!
//! Both come as records of the chain's wire form, which `esper/receipts/twin.py` writes:
//!
//! ```text
//! networks = [1, [[name, genesis_hash, header_bytes, transaction_bytes, undo_depth, unbonding, most_rows,
//!                  salt_bits, top_k, [[MODEL_ENTRY, PUZZLE]]]]]
//! asked    = [1, whose, [[height, block_id]], [model_id], [[MODEL_ENTRY, PUZZLE]]]
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use crate::records::{NamedModel, named};
use crate::wire::{Malformed, Reader, decode};

type Hash = [u8; 64];

const MOST_BYTES: usize = 1 << 20;
const MOST_NETWORKS: u64 = 16;
const MOST_MODELS: u64 = 64;
const MOST_BLOCKS: u64 = 1024;

/// What a check needs to know of a network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its name.
    pub name: Vec<u8>,
    /// Hash of its parameters.
    pub genesis_hash: Hash,
    /// Largest header, in bytes.
    pub header_bytes: usize,
    /// Largest transaction, in bytes.
    pub transaction_bytes: usize,
    /// Deepest reorganisation.
    pub undo_depth: u64,
    /// Blocks for which a promise is evidence.
    pub unbonding: u64,
    /// Most rows of a call's proof that votes may lead to.
    pub most_rows: u64,
    /// Least entropy of a ticket's salt.
    pub salt_bits: u32,
    /// Candidates that a ticket lists for each answer token.
    pub top_k: usize,
    /// Models that it begins with.
    pub models: Vec<NamedModel>,
}

/// Everything that a check may use beside the receipt.
#[derive(Clone, Debug)]
pub struct Around {
    /// By name.
    pub networks: Vec<Network>,
    /// Who knows the blocks, for people.
    pub whose: String,
    /// Heights and ids of blocks of a chain that the asker knows; with none, *chain* stays open.
    pub blocks: Vec<(u64, Hash)>,
    /// Ids of models that the asker names.
    pub trusted: Vec<Hash>,
    /// Models that the asker has at hand.
    pub models: Vec<NamedModel>,
}

fn network(r: &mut Reader<'_>) -> Result<Network, Malformed> {
    r.array(10)?;
    Ok(Network {
        name: r.bytes(32)?.to_vec(),
        genesis_hash: r.fixed()?,
        header_bytes: r.u32()? as usize,
        transaction_bytes: r.u32()? as usize,
        undo_depth: r.unsigned(32)?,
        unbonding: r.unsigned(32)?,
        most_rows: r.unsigned(32)?,
        salt_bits: r.unsigned(8)? as u32,
        top_k: r.unsigned(8)? as usize,
        models: r.list(MOST_MODELS, named)?,
    })
}

impl Around {
    /// Reads both records; without `asked` nobody vouches for anything.
    ///
    /// # Errors
    /// [`Malformed`] for other bytes.
    pub fn read(networks: &[u8], asked: &[u8]) -> Result<Self, Malformed> {
        let networks = decode(networks, MOST_BYTES, |r| {
            r.record(1, 1)?;
            r.list(MOST_NETWORKS, network)
        })?;
        if asked.is_empty() {
            let (whose, blocks, trusted, models) = (String::new(), Vec::new(), Vec::new(), Vec::new());
            return Ok(Self { networks, whose, blocks, trusted, models });
        }
        decode(asked, MOST_BYTES, |r| {
            r.record(4, 1)?;
            let whose = String::from_utf8_lossy(r.bytes(64)?).into_owned();
            let blocks = r.list(MOST_BLOCKS, |r| {
                r.array(2)?;
                Ok((r.unsigned(32)?, r.fixed()?))
            })?;
            let (trusted, models) = (r.list(MOST_MODELS, Reader::fixed)?, r.list(MOST_MODELS, named)?);
            Ok(Self { networks, whose, blocks, trusted, models })
        })
    }
}
