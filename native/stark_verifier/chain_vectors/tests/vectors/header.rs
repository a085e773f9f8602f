//! Headers: their fields, their bytes and the names that follow.
//!
//! work_id = H(pre_header), block_id = H(pre_header || r || H(vrf_proof) || outputs_hash || proof_hash).

use crate::hashing::hash;
use crate::msgpack::{Item, array, bytes, number};

/// What is fixed before the work, in the order of the wire.
pub struct PreHeader {
    pub version: u64,
    pub genesis_hash: [u8; 64],
    pub parent: [u8; 64],
    pub height: u64,
    pub time_ms: u64,
    pub tx_root: [u8; 64],
    pub result_root: [u8; 64],
    pub calls_root: [u8; 64],
    pub state_root: [u8; 32],
    pub payee: [u8; 33],
    pub model_id: [u8; 64],
    pub tier: u64,
    pub target: [u8; 64],
    pub omega: u64,
    pub bank_root: [u8; 64],
    pub vrf_root: [u8; 64],
    pub vrf_index: u64,
    pub nonce: u64,
}

impl PreHeader {
    pub fn read(item: &Item<'_>) -> Self {
        let at: &[Item<'_>; 18] = item.record();
        Self {
            version: at[0].number(),
            genesis_hash: at[1].sized(),
            parent: at[2].sized(),
            height: at[3].number(),
            time_ms: at[4].number(),
            tx_root: at[5].sized(),
            result_root: at[6].sized(),
            calls_root: at[7].sized(),
            state_root: at[8].sized(),
            payee: at[9].sized(),
            model_id: at[10].sized(),
            tier: at[11].number(),
            target: at[12].sized(),
            omega: at[13].number(),
            bank_root: at[14].sized(),
            vrf_root: at[15].sized(),
            vrf_index: at[16].number(),
            nonce: at[17].number(),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        array(&[
            number(self.version),
            bytes(&self.genesis_hash),
            bytes(&self.parent),
            number(self.height),
            number(self.time_ms),
            bytes(&self.tx_root),
            bytes(&self.result_root),
            bytes(&self.calls_root),
            bytes(&self.state_root),
            bytes(&self.payee),
            bytes(&self.model_id),
            number(self.tier),
            bytes(&self.target),
            number(self.omega),
            bytes(&self.bank_root),
            bytes(&self.vrf_root),
            number(self.vrf_index),
            number(self.nonce),
        ])
    }

    pub fn work_id(&self) -> [u8; 64] {
        hash("esper/work/v1", &[&self.to_bytes()])
    }
}

/// A pre-header with what the work gave.
pub struct Header {
    pub pre: PreHeader,
    pub result: [u8; 64],
    pub vrf_value: [u8; 32],
    pub vrf_path: Vec<[u8; 32]>,
    pub vrf_output: [u8; 64],
    pub outputs_hash: [u8; 64],
    pub proof_hash: [u8; 64],
}

impl Header {
    pub fn read(item: &Item<'_>) -> Self {
        let [pre, result, vrf_proof, outputs_hash, proof_hash] = item.record();
        let [value, path, output] = vrf_proof.record();
        Self {
            pre: PreHeader::read(pre),
            result: result.sized(),
            vrf_value: value.sized(),
            vrf_path: path.items().iter().map(Item::sized).collect(),
            vrf_output: output.sized(),
            outputs_hash: outputs_hash.sized(),
            proof_hash: proof_hash.sized(),
        }
    }

    fn vrf_proof(&self) -> Vec<u8> {
        let path: Vec<_> = self.vrf_path.iter().map(|sibling| bytes(sibling)).collect();
        array(&[bytes(&self.vrf_value), array(&path), bytes(&self.vrf_output)])
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        array(&[
            self.pre.to_bytes(),
            bytes(&self.result),
            self.vrf_proof(),
            bytes(&self.outputs_hash),
            bytes(&self.proof_hash),
        ])
    }

    pub fn block_id(&self) -> [u8; 64] {
        let vrf_proof = hash("esper/vrf/proof/v1", &[&self.vrf_proof()]);
        let pre = self.pre.to_bytes();
        let parts: [&[u8]; 5] = [&pre, &self.result, &vrf_proof, &self.outputs_hash, &self.proof_hash];
        hash("esper/header/v1", &parts)
    }
}
