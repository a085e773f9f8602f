//! The golden vectors that the Python tests read too.

use std::path::Path;

use esper_digest::{Tag, Xof, permute, poseidon2_digest, tagged_sha3_256, tagged_sha3_512};
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn tagged_hashes() {
    for vector in vectors("hashing.json").as_array().unwrap() {
        let tag = Tag::new(vector["tag"].as_str().unwrap()).unwrap();
        let message = unhex(vector["message"].as_str().unwrap());
        let (left, right) = message.split_at(message.len() / 2);
        assert_eq!(hex(&tagged_sha3_512(tag, &[&message])), vector["sha3_512"]);
        assert_eq!(hex(&tagged_sha3_512(tag, &[left, right])), vector["sha3_512"]);
        assert_eq!(hex(&tagged_sha3_256(tag, &[left, right])), vector["sha3_256"]);
        let mut stream = Xof::new(tag, &[left, right]);
        let mut squeezed = [0; 100];
        stream.read(&mut squeezed[..33]);
        stream.read(&mut squeezed[33..]);
        assert_eq!(hex(&squeezed), vector["shake256_100"]);
    }
}

#[test]
fn poseidon2() {
    let vectors = vectors("poseidon2.json");
    let permutation: [[u64; 16]; 2] =
        ["input", "output"].map(|side| serde_json::from_value(vectors["permutation"][side].clone()).unwrap());
    assert_eq!(permute(permutation[0]).unwrap(), permutation[1]);

    for vector in vectors["digests"].as_array().unwrap() {
        let tag = Tag::new(vector["tag"].as_str().unwrap()).unwrap();
        let input: Vec<u64> = vector["input"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap().parse().unwrap())
            .collect();
        let digest = poseidon2_digest(tag, &input).unwrap();
        let bytes: Vec<u8> = digest.iter().flat_map(|limb| limb.to_be_bytes()).collect();
        assert_eq!(hex(&bytes), vector["digest"]);
    }
}

/// The Merkle root as `esper/primitives/merkle.py` describes it, over byte strings.
fn merkle_root(used_for: &str, items: &[Vec<u8>]) -> [u8; 64] {
    let tag = |name: &str| Tag::new(name).unwrap();
    let mut level: Vec<[u8; 64]> =
        items.iter().map(|item| tagged_sha3_512(tag("esper/merkle/leaf/v1"), &[item])).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => tagged_sha3_512(tag("esper/merkle/node/v1"), &[left, right]),
                _ => pair[0],
            })
            .collect();
    }
    let top = level.first().copied().unwrap_or([0; 64]);
    let count = (items.len() as u64).to_be_bytes();
    let mut padded = [0; 32];
    padded[..used_for.len()].copy_from_slice(used_for.as_bytes());
    tagged_sha3_512(tag("esper/merkle/root/v1"), &[&padded, &count, &top])
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

/// Where each element of a MessagePack array of integers, byte strings and arrays begins, and where the last one ends.
fn elements(data: &[u8], at: usize) -> Vec<usize> {
    let (count, mut next) = match data[at] {
        head @ 0x90..=0x9f => (usize::from(head & 15), at + 1),
        0xdc => (usize::from(u16::from_be_bytes([data[at + 1], data[at + 2]])), at + 3),
        head => panic!("{head:#x} is no array"),
    };
    let mut begins = vec![next];
    for _ in 0..count {
        next = match data[next] {
            0x00..=0x7f => next + 1,
            0xcc => next + 2,
            0xcd => next + 3,
            0xce => next + 5,
            0xcf => next + 9,
            0xc4 => next + 2 + usize::from(data[next + 1]),
            0xc5 => next + 3 + usize::from(u16::from_be_bytes([data[next + 1], data[next + 2]])),
            _ => *elements(data, next).last().unwrap(),
        };
        begins.push(next);
    }
    begins
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
        let hash = |tag: &str, parts: &[&[u8]]| hex(&tagged_sha3_512(Tag::new(tag).unwrap(), parts));
        assert_eq!(hash("esper/tx/witness-id/v1", &[&bytes]), vector["wtxid"]);
        assert_eq!(hash("esper/tx/id/v1", &[&unsigned]), vector["txid"]);
        assert_eq!(hash("esper/tx/sign/v1", &[&genesis, &suite, &unsigned]), vector["digest"]);
    }
}
