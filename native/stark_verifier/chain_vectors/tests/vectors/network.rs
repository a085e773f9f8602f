//! The network of the vectors of work and blocks, read from the bytes of its parameters.
//!
//! Parameters are nested arrays in the order of their definition; the genesis hash is over them all.

use crate::accounts::Credits;
use crate::beginnings::{self, Tier};
use crate::cost::{Puzzle, Shape};
use crate::hashing::hash;
use crate::msgpack::read;
use crate::reading::{bytes, sized, vectors};
use crate::state::Records;

/// The parameters that the vectors need.
pub struct Network {
    /// Of the model, in the bytes of the parameters.
    model_bytes: Vec<u8>,
    /// Hashes of the texts that suites must be made from.
    texts: Vec<Vec<u8>>,
    pub genesis_hash: [u8; 64],
    pub genesis_time_ms: u64,
    pub model: Model,
    pub puzzle: Puzzle,
    pub genesis_target: [u8; 64],
    pub subsidy: u64,
    pub bonus_divisor: u64,
    pub maturity: u64,
    pub unbonding: u64,
    pub credits: Credits,
    pub vrf_depth: usize,
}

pub struct Model {
    pub model_id: [u8; 64],
    pub tier: u64,
    pub shape: Shape,
    pub bos: u64,
    pub eos: u64,
    pub special_ids: Vec<u64>,
    pub tokenizer_id: [u8; 64],
    pub bank_root: [u8; 64],
    pub bank_size: u64,
}

pub fn network() -> Network {
    network_of("blocks.json")
}

/// The network of a file.
pub fn network_of(file: &str) -> Network {
    let data = bytes(&vectors(file)["parameters"]);
    let parameters = read(&data);
    let [_, _, time, model, tiers, puzzle, difficulty, reward, credits, _, governance, limits] =
        parameters.record();
    assert!(tiers.items().is_empty(), "genesis' model alone");
    let [model_id, tier, shape, bos, eos, special_ids, tokenizer_id, bank_root, bank_size] = model.record();
    let [vocab, dim, hidden, layers, heads, kv_heads, head_dim, _] = shape.record();
    let [sequences, rows, input_tokens, max_answer, top_k, salt_bits] = puzzle.record();
    let [_, _, _, _, _, _, genesis_target, _, _] = difficulty.record();
    let [subsidy, _, bonus_divisor, _, maturity, unbonding, allocation] = reward.record();
    assert!(allocation.items().is_empty(), "nobody has coins at genesis");
    let [epoch_blocks, per_block, minimum_stake, _, _, _] = credits.record();
    let texts = &governance.record::<26>()[18];
    Network {
        model_bytes: model.span.to_vec(),
        texts: texts.items().iter().map(|text| text.bytes().to_vec()).collect(),
        genesis_hash: hash("esper/genesis/v1", &[&data]),
        genesis_time_ms: time.number(),
        model: Model {
            model_id: model_id.sized(),
            tier: tier.number(),
            shape: Shape {
                vocab: vocab.number(),
                dim: dim.number(),
                hidden: hidden.number(),
                layers: layers.number(),
                heads: heads.number(),
                kv_heads: kv_heads.number(),
                head_dim: head_dim.number(),
            },
            bos: bos.number(),
            eos: eos.number(),
            special_ids: special_ids.items().iter().map(|id| id.number()).collect(),
            tokenizer_id: tokenizer_id.sized(),
            bank_root: bank_root.sized(),
            bank_size: bank_size.number(),
        },
        puzzle: Puzzle {
            sequences: sequences.number(),
            rows: rows.number(),
            input_tokens: input_tokens.number(),
            max_answer: max_answer.number(),
            top_k: top_k.number(),
            salt_bits: u32::try_from(salt_bits.number()).unwrap(),
        },
        genesis_target: genesis_target.sized(),
        subsidy: subsidy.number(),
        bonus_divisor: bonus_divisor.number(),
        maturity: maturity.number(),
        unbonding: unbonding.number(),
        credits: Credits {
            epoch_blocks: epoch_blocks.number(),
            per_block: per_block.number(),
            minimum_stake: minimum_stake.number(),
        },
        vrf_depth: limits.record::<10>()[9].number() as usize,
    }
}

impl Network {
    /// Puts what the DAO begins with: the one tier of all blocks.
    pub fn put_beginnings(&self, records: &mut Records) {
        let tier = Tier {
            id: u8::try_from(self.model.tier).unwrap(),
            model: self.model_bytes.clone(),
            shape: self.model.shape.clone(),
            share: None,
        };
        beginnings::put(records, &[tier], &self.puzzle, &self.texts);
    }
}

#[test]
fn the_genesis_hash_is_over_all_parameters() {
    for file in ["blocks.json", "stakes.json"] {
        assert_eq!(network_of(file).genesis_hash, sized(&vectors(file)["genesis_hash"]));
    }
}
