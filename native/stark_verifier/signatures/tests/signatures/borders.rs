//! The golden signatures at the borders of FIPS 204, judged here and by another implementation.

use std::path::Path;

use esper_signatures::Claim;
use fips204::ml_dsa_65::PublicKey;
use fips204::traits::{SerDes, Verifier};
use serde_json::Value;

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/vectors/signature_borders.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16).unwrap();
    digits.chunks(2).map(|pair| (nibble(pair[0]) << 4 | nibble(pair[1])) as u8).collect()
}

#[test]
fn both_judge_every_border_as_it_says() {
    let file = vectors();
    let message = bytes(&file["digest"]);
    let mut seen = [0, 0];
    for case in file["signatures"].as_array().unwrap() {
        let key = bytes(&file["keys"][case["key"].as_u64().unwrap() as usize]);
        let signature = bytes(&case["signature"]);
        let valid = case["valid"].as_bool().unwrap();
        let ours = Claim { key: &key, message: &message, signature: &signature }.holds();
        assert_eq!(ours, valid, "here: {}", case["name"]);
        let theirs = PublicKey::try_from_bytes(key.try_into().unwrap())
            .is_ok_and(|key| key.verify(&message, &signature.try_into().unwrap(), &[]));
        assert_eq!(theirs, valid, "fips204: {}", case["name"]);
        seen[usize::from(valid)] += 1;
    }
    assert!(seen.iter().all(|&count| count > 5), "signatures that hold and that do not: {seen:?}");
}
