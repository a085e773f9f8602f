//! Blocks: the one that everybody derives from the parameters, and three that were mined on it.

use serde_json::Value;

use crate::hashing::hash;
use crate::header::{Header, PreHeader};
use crate::ledger::Ledger;
use crate::merkle;
use crate::msgpack::{array, number, read};
use crate::network::{Network, network, network_of};
use crate::reading::{bytes, list, sized, vectors};
use crate::state;

/// omega of genesis' model.
const ONE: u64 = 1 << 16;
/// Those that hold chains.
const FILES: [&str; 2] = ["blocks.json", "stakes.json"];

pub fn outputs_hash(outputs: &[u8]) -> [u8; 64] {
    hash("esper/work/outputs/v1", &[outputs])
}

pub fn proof_hash(proof: &[u8]) -> [u8; 64] {
    hash("esper/work/proof/v1", &[proof])
}

pub fn transaction_root(transactions: &[&[u8]]) -> [u8; 64] {
    let ids: Vec<_> =
        transactions.iter().map(|transaction| hash("esper/tx/witness-id/v1", &[transaction])).collect();
    merkle::root("esper/tx/root/v1", &ids.iter().map(|id| &id[..]).collect::<Vec<_>>())
}

/// The header of block 0: no work, no finder, nothing in its body.
pub fn genesis(network: &Network) -> Header {
    let state_root = state::root(&Ledger::genesis(network).records());
    let pre = PreHeader {
        version: 1,
        genesis_hash: network.genesis_hash,
        parent: [0; 64],
        height: 0,
        time_ms: network.genesis_time_ms,
        tx_root: transaction_root(&[]),
        result_root: merkle::root("esper/call/results/v1", &[]),
        calls_root: merkle::root("esper/call/groups/v1", &[]),
        state_root,
        payee: [0; 33],
        model_id: network.model.model_id,
        tier: network.model.tier,
        target: network.genesis_target,
        omega: ONE,
        bank_root: network.model.bank_root,
        vrf_root: [0; 64],
        vrf_index: 0,
        nonce: 0,
    };
    Header {
        pre,
        result: [0; 64],
        vrf_value: [0; 32],
        vrf_path: vec![],
        vrf_output: [0; 64],
        // A version, no openings and no answers.
        outputs_hash: outputs_hash(&array(&[number(1), array(&[]), array(&[])])),
        proof_hash: proof_hash(b""),
    }
}

/// Calls `check` with every mined block: its vector, its parent's header and its own.
pub fn for_each_block(check: impl FnMut(&Value, &Header, &Header)) {
    for_each_block_of("blocks.json", check);
}

/// The same of a file.
pub fn for_each_block_of(file: &str, mut check: impl FnMut(&Value, &Header, &Header)) {
    let mut parent = genesis(&network_of(file));
    for vector in list(&vectors(file)["blocks"]) {
        let header = Header::read(&read(&bytes(&vector["header"])));
        check(vector, &parent, &header);
        parent = header;
    }
}

#[test]
fn the_genesis_block_follows_from_the_parameters() {
    let expected = sized(&vectors("blocks.json")["genesis_block_id"]);
    assert_eq!(genesis(&network()).block_id(), expected);
}

#[test]
fn names_of_blocks_and_their_work() {
    for_each_block(|vector, _, header| {
        assert_eq!(header.to_bytes(), bytes(&vector["header"]));
        assert_eq!(header.pre.work_id(), sized(&vector["work_id"]));
        assert_eq!(header.block_id(), sized(&vector["block_id"]));
        assert_eq!(header.proof_hash, proof_hash(&bytes(&vector["proof"])));
    });
}

#[test]
fn every_header_continues_its_parents() {
    for file in FILES {
        let network = network_of(file);
        for_each_block_of(file, |_, parent, Header { pre, .. }| {
            assert_eq!((pre.version, pre.genesis_hash), (1, network.genesis_hash));
            assert_eq!((pre.parent, pre.height), (parent.block_id(), parent.pre.height + 1));
            assert!(pre.time_ms > parent.pre.time_ms);
            assert_eq!((pre.model_id, pre.tier), (network.model.model_id, network.model.tier));
            // These networks never move their target.
            assert_eq!((pre.target, pre.omega), (network.genesis_target, ONE));
            assert_eq!(pre.bank_root, network.model.bank_root);
        });
    }
}

#[test]
fn every_header_commits_to_its_body() {
    for file in FILES {
        for_each_block_of(file, commits_to_its_body);
    }
}

fn commits_to_its_body(vector: &Value, _: &Header, header: &Header) {
    let data = bytes(&vector["body"]);
    let body = read(&data);
    let [version, transactions, results, groups, outputs] = body.record();
    assert_eq!(version.number(), 1);
    let items = |list: &crate::msgpack::Item<'_>| {
        list.items().iter().map(|item| item.bytes().to_vec()).collect::<Vec<_>>()
    };
    let root = |name, list| merkle::root(name, &items(list).iter().map(|i| &i[..]).collect::<Vec<_>>());
    let transactions = items(transactions);
    let transactions: Vec<_> = transactions.iter().map(|item| &item[..]).collect();
    assert_eq!(header.pre.tx_root, transaction_root(&transactions));
    assert_eq!(header.pre.result_root, root("esper/call/results/v1", results));
    assert_eq!(header.pre.calls_root, root("esper/call/groups/v1", groups));
    assert_eq!(header.outputs_hash, outputs_hash(outputs.span));
}
