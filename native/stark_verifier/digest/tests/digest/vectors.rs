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
