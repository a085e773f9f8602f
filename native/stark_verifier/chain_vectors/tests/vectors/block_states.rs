//! The state after every block: of blocks with nothing but a coinbase, and of some where two stake.
//!
//! The parent is the last leaf of the range over all blocks, with the weight of the chain up to it;
//! the beacon takes in its r and VRF output. The rest is the ledger's.

use num_bigint::BigUint;

use crate::asert::weight;
use crate::blocks::for_each_block_of;
use crate::ledger::{Ledger, Parent};
use crate::msgpack::{Item, read};
use crate::network::network_of;
use crate::reading::{self, sized};
use crate::state;

/// Tokens that the proof of a block covers: its inputs and its answers.
fn proven_tokens(body: &[u8], input_tokens: u64) -> u64 {
    let body = read(body);
    let [_, openings, answers] = body.items()[4].record();
    let answered: usize = answers.items().iter().map(|answer| answer.items()[0].items().len()).sum();
    openings.items().len() as u64 * input_tokens + answered as u64
}

fn in_32_bytes(number: &BigUint) -> [u8; 32] {
    let (digits, mut bytes) = (number.to_bytes_be(), [0; 32]);
    bytes[32 - digits.len()..].copy_from_slice(&digits);
    bytes
}

/// Executes the blocks of a file; the kinds of their transactions but the coinbases.
fn execute(file: &str) -> Vec<u64> {
    let network = network_of(file);
    let mut ledger = Ledger::genesis(&network);
    let (mut chain_weight, mut proven, mut kinds) = (BigUint::ZERO, 0, vec![]);
    for_each_block_of(file, |vector, parent, header| {
        let pre = &header.pre;
        let body = reading::bytes(&vector["body"]);
        let content = read(&body);
        let transactions: Vec<_> = content.items()[1].items().iter().map(Item::bytes).collect();
        let parent = Parent {
            block_id: parent.block_id(),
            time_ms: parent.pre.time_ms,
            weight: in_32_bytes(&chain_weight),
            result: &parent.result,
            vrf_output: &parent.vrf_output,
            proven_tokens: proven,
        };
        ledger.execute(pre.height, &pre.payee, &transactions, &parent);
        assert_eq!(state::root(&ledger.records()), pre.state_root, "{file}: block {}", pre.height);
        assert_eq!(pre.state_root, sized(&vector["state_root"]));
        proven = proven_tokens(&body, network.puzzle.input_tokens);
        chain_weight += weight(&BigUint::from_bytes_be(&pre.target), pre.omega);
        let [signed @ .., _] = &transactions[..] else { panic!("no coinbase") };
        kinds.extend(signed.iter().map(|data| read(data).items()[1].number()));
    });
    kinds
}

#[test]
fn state_roots_after_coinbases() {
    assert!(execute("blocks.json").is_empty());
}

/// Each weighs what five tries of a first tier's do, 5 x 65,536.
#[test]
fn state_roots_after_stakes_and_delegations() {
    assert_eq!(execute("stakes.json"), [1, 2, 2, 9, 2, 3, 3, 9, 9, 2]);
}
