//! The golden vectors of the chain's bytes and names, read from their descriptions in Python alone.

mod common;

use std::collections::BTreeMap;

use common::{byte_string, elements, hash, hash32, hex, unhex, vectors};
use esper_digest::{Tag, Xof, poseidon2_digest};

/// The Merkle root as `esper/primitives/merkle.py` describes it, over byte strings.
fn merkle_root(used_for: &str, items: &[Vec<u8>]) -> [u8; 64] {
    let mut level: Vec<[u8; 64]> = items.iter().map(|item| hash("esper/merkle/leaf/v1", &[item])).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash("esper/merkle/node/v1", &[left, right]),
                _ => pair[0],
            })
            .collect();
    }
    let top = level.first().copied().unwrap_or([0; 64]);
    let count = (items.len() as u64).to_be_bytes();
    let mut padded = [0; 32];
    padded[..used_for.len()].copy_from_slice(used_for.as_bytes());
    hash("esper/merkle/root/v1", &[&padded, &count, &top])
}

#[test]
fn merkle_roots() {
    let used_for = "esper/test/v1";
    for vector in vectors("merkle.json").as_array().unwrap() {
        let count = usize::try_from(vector["count"].as_u64().unwrap()).unwrap();
        let items: Vec<Vec<u8>> = (0..count).map(|i| vec![(i % 256) as u8; i]).collect();
        assert_eq!(hex(&merkle_root(used_for, &items)), vector["root"]);
    }
}

#[test]
fn transaction_ids_and_digests() {
    let vectors = vectors("transactions.json");
    let genesis = unhex(vectors["genesis_hash"].as_str().unwrap());
    for vector in vectors["transactions"].as_array().unwrap() {
        let bytes = unhex(vector["bytes"].as_str().unwrap());
        let begins = elements(&bytes, 0);
        assert_eq!(begins.last(), Some(&bytes.len()));
        // Everything but the signature, the last element, as an array of one less.
        let unsigned = [&[bytes[0] - 1], &bytes[1..begins[begins.len() - 2]]].concat();
        let suite = [u8::try_from(vector["suite"].as_u64().unwrap()).unwrap()];
        assert_eq!(hex(&hash("esper/tx/witness-id/v1", &[&bytes])), vector["wtxid"]);
        assert_eq!(hex(&hash("esper/tx/id/v1", &[&unsigned])), vector["txid"]);
        assert_eq!(hex(&hash("esper/tx/sign/v1", &[&genesis, &suite, &unsigned])), vector["digest"]);
    }
}

type Entries = BTreeMap<[u8; 32], Vec<u8>>;

/// A subtree of one leaf is that leaf (`esper/vm/state_tree.py`).
fn state_top(entries: &Entries, depth: usize) -> [u8; 32] {
    match entries.len() {
        0 => [0; 32],
        1 => {
            let (path, value) = entries.first_key_value().unwrap();
            let value = hash32("esper/state/value/v1", &[value]);
            hash32("esper/state/leaf/v1", &[path, &value])
        }
        _ => {
            let right = |path: &[u8; 32]| path[depth / 8] >> (7 - depth % 8) & 1 == 1;
            let (upper, lower): (Entries, Entries) =
                entries.clone().into_iter().partition(|(path, _)| right(path));
            let halves = [state_top(&lower, depth + 1), state_top(&upper, depth + 1)];
            hash32("esper/state/node/v1", &[&halves[0], &halves[1]])
        }
    }
}

#[test]
fn state_roots() {
    let mut entries = Entries::new();
    for step in vectors("state_tree.json").as_array().unwrap() {
        let place = |name: &str| step[name].as_u64().map(|n| u8::try_from(n).unwrap());
        let path = |n: u8| hash32("esper/state/key/v1", &[&[1], &[n]]);
        if let Some(n) = place("put") {
            entries.insert(path(n), format!("value {n}").into_bytes());
        } else {
            entries.remove(&path(place("delete").unwrap()));
        }
        let count = (entries.len() as u64).to_be_bytes();
        assert_eq!(hex(&hash32("esper/state/root/v1", &[&count, &state_top(&entries, 0)])), step["root"]);
    }
}

#[test]
fn vrf_paths_and_outputs() {
    let vectors = vectors("vrf.json");
    let start = vectors["start"].as_u64().unwrap();
    let depth = vectors["depth"].as_u64().unwrap();
    let payee = unhex(vectors["payee"].as_str().unwrap());
    let key = [&start.to_be_bytes()[..], &[u8::try_from(depth).unwrap()], &payee].concat();
    for proof in vectors["proofs"].as_array().unwrap() {
        let index = proof["height"].as_u64().unwrap() - start;
        let place = [&key[..], &index.to_be_bytes()].concat();
        let value = unhex(proof["value"].as_str().unwrap());
        let inner = hash32("esper/vrf/inner/v1", &[&place, &value]);
        let mut node = hash32("esper/vrf/leaf/v1", &[&place, &inner]);
        for (level, sibling) in proof["path"].as_array().unwrap().iter().enumerate() {
            let sibling = unhex(sibling.as_str().unwrap());
            let left_first = index >> level & 1 == 0;
            let pair: [&[u8]; 2] = if left_first { [&node, &sibling] } else { [&sibling, &node] };
            node = hash32("esper/vrf/node/v1", &pair);
        }
        let root = hash("esper/vrf/key/v1", &[&key, &node]);
        assert_eq!(hex(&root), vectors["root"]);
        let parent = unhex(proof["parent_work_id"].as_str().unwrap());
        let tag = Tag::new("esper/vrf/output/v1").unwrap();
        let mut output = [0; 64];
        Xof::new(tag, &[&root, &index.to_be_bytes(), &parent, &value]).read(&mut output);
        assert_eq!(hex(&output), proof["output"]);
    }
}

fn seed_of(work_id: &[u8]) -> [u8; 64] {
    let mut seed = [0; 64];
    Xof::new(Tag::new("esper/work/seed/v1").unwrap(), &[work_id]).read(&mut seed);
    seed
}

#[test]
fn work_ids_seeds_and_results() {
    for vector in vectors("work.json").as_array().unwrap() {
        let work_id = hash("esper/work/v1", &[&unhex(vector["pre_header"].as_str().unwrap())]);
        assert_eq!(hex(&work_id), vector["work_id"]);
        assert_eq!(hex(&seed_of(&work_id)), vector["seed"]);
        let elements: Vec<u64> = vector["elements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e.as_str().unwrap().parse().unwrap())
            .collect();
        let result = poseidon2_digest(Tag::new("esper/work/digest/v1").unwrap(), &elements).unwrap();
        let bytes: Vec<u8> = result.iter().flat_map(|limb| limb.to_be_bytes()).collect();
        assert_eq!(hex(&bytes), vector["result"]);
    }
}

#[test]
fn genesis_hash_and_block_ids() {
    let vectors = vectors("blocks.json");
    let parameters = unhex(vectors["parameters"].as_str().unwrap());
    assert_eq!(hex(&hash("esper/genesis/v1", &[&parameters])), vectors["genesis_hash"]);
    for vector in vectors["blocks"].as_array().unwrap() {
        let header = unhex(vector["header"].as_str().unwrap());
        // [pre_header, r, vrf_proof, outputs_hash, proof_hash]
        let at = elements(&header, 0);
        assert_eq!((at.len(), at[5]), (6, header.len()));
        let part = |n: usize| &header[at[n]..at[n + 1]];
        assert_eq!(hex(&hash("esper/work/v1", &[part(0)])), vector["work_id"]);
        let vrf_proof = hash("esper/vrf/proof/v1", &[part(2)]);
        let proof = unhex(vector["proof"].as_str().unwrap());
        let proof_hash = hash("esper/work/proof/v1", &[&proof]);
        assert_eq!(proof_hash, *byte_string(&header, at[4]));
        let outputs_hash = byte_string(&header, at[3]);
        let result = byte_string(&header, at[1]);
        let block_id = hash("esper/header/v1", &[part(0), result, &vrf_proof, outputs_hash, &proof_hash]);
        assert_eq!(hex(&block_id), vector["block_id"]);
    }
}
