//! The network of the vectors of work and blocks, read from the bytes of its parameters.
//!
//! Parameters are nested arrays in the order of their definition; the genesis hash is over them all.

use crate::cost::{Puzzle, Shape};
use crate::hashing::hash;
use crate::msgpack::read;
use crate::reading::{bytes, sized, vectors};

/// The parameters that the vectors need.
pub struct Network {
    pub genesis_hash: [u8; 64],
    pub genesis_time_ms: u64,
    pub model: Model,
    pub puzzle: Puzzle,
    pub genesis_target: [u8; 64],
    pub subsidy: u64,
    pub bonus_divisor: u64,
    pub maturity: u64,
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
    let data = bytes(&vectors("blocks.json")["parameters"]);
    let parameters = read(&data);
    let [_, _, time, model, tiers, puzzle, difficulty, reward, _, _, _, limits] = parameters.record();
    assert!(tiers.items().is_empty(), "genesis' model alone");
    let [model_id, tier, shape, bos, eos, special_ids, tokenizer_id, bank_root, bank_size] = model.record();
    let [vocab, dim, hidden, layers, heads, kv_heads, head_dim, _] = shape.record();
    let [sequences, rows, input_tokens, max_answer, top_k, salt_bits] = puzzle.record();
    let [_, _, _, _, _, _, genesis_target, _, _] = difficulty.record();
    let [subsidy, _, bonus_divisor, _, maturity, _, allocation] = reward.record();
    assert!(allocation.items().is_empty(), "nobody has coins at genesis");
    Network {
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
        vrf_depth: limits.record::<10>()[9].number() as usize,
    }
}

#[test]
fn the_genesis_hash_is_over_all_parameters() {
    assert_eq!(network().genesis_hash, sized(&vectors("blocks.json")["genesis_hash"]));
}
