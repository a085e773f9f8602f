//! The state after blocks whose only transaction is the coinbase.
//!
//! The chain's record: the beacon, which takes in the parent's r and VRF output; the parent's paid
//! and proven tokens; the units issued. And a pending reward for every block until it matures.

use crate::blocks::for_each_block;
use crate::hashing::hash;
use crate::msgpack::{array, bytes, number, read};
use crate::network::{Network, network};
use crate::reading::{self, sized};
use crate::state::{self, Records, path};

const RECORD_VERSION: u64 = 1;
const KIND_REWARD: u8 = 2;
const KIND_CHAIN: u8 = 3;

fn genesis_beacon(network: &Network) -> [u8; 64] {
    hash("esper/beacon/v1", &[&network.genesis_hash])
}

/// Nothing is called for credits here, so no tokens are paid.
fn put_chain(records: &mut Records, beacon: &[u8; 64], proven_tokens: u64, issued: u64) {
    let fields = [number(RECORD_VERSION), bytes(beacon), number(0), number(proven_tokens), number(issued)];
    records.insert(path(KIND_CHAIN, b"chain"), array(&fields));
}

/// The state before any block, of a network where nobody begins with coins.
pub fn genesis_records(network: &Network) -> Records {
    let mut records = Records::new();
    put_chain(&mut records, &genesis_beacon(network), 0, 0);
    records
}

/// Tokens that the proof of a block covers: its inputs and its answers.
fn proven_tokens(body: &[u8]) -> u64 {
    let body = read(body);
    let [_, openings, answers] = body.items()[4].record();
    let answered: usize = answers.items().iter().map(|answer| answer.items()[0].items().len()).sum();
    openings.items().len() as u64 * network().puzzle.input_tokens + answered as u64
}

#[test]
fn state_roots_after_every_block() {
    let network = network();
    let mut records = genesis_records(&network);
    let mut beacon = genesis_beacon(&network);
    let (mut proven, mut issued) = (0, 0);
    for_each_block(|vector, parent, header| {
        let pre = &header.pre;
        assert!(pre.height <= network.maturity, "no reward matures");
        // Without credits burned the finder goes without the bonus.
        let reward = network.subsidy - network.subsidy / network.bonus_divisor;
        let body = reading::bytes(&vector["body"]);
        let transactions = read(&body);
        let [coinbase] = transactions.items()[1].record();
        let fields = [number(1), number(0), number(pre.height), bytes(&pre.payee), number(reward)];
        assert_eq!(coinbase.bytes(), array(&fields));

        beacon = hash("esper/beacon/v1", &[&beacon, &parent.result, &parent.vrf_output]);
        issued += reward;
        put_chain(&mut records, &beacon, proven, issued);
        let pending = [number(RECORD_VERSION), bytes(&pre.payee), number(reward)];
        records.insert(path(KIND_REWARD, &pre.height.to_be_bytes()), array(&pending));
        assert_eq!(state::root(&records), pre.state_root);
        assert_eq!(pre.state_root, sized(&vector["state_root"]));
        proven = proven_tokens(&body);
    });
}
