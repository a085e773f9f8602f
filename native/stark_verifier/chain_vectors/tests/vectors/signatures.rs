//! The signature suites by libraries that the node does not use.
//!
//! Suite 1 is ML-DSA-65 (FIPS 204), suite 2 SLH-DSA-SHA2-128s (FIPS 205), both in pure mode with an
//! empty context.

use fips204::ml_dsa_65;
use fips205::slh_dsa_sha2_128s;

use crate::address;
use crate::reading::{bytes, list, sized, suite, text, vectors};

/// False for sizes that the suite does not have, too.
pub fn verifies(suite: u8, key: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    match suite {
        1 => ml_dsa_65_verifies(key, digest, signature),
        2 => slh_dsa_verifies(key, digest, signature),
        _ => panic!("suite {suite} is unknown"),
    }
    .unwrap_or(false)
}

fn ml_dsa_65_verifies(key: &[u8], digest: &[u8], signature: &[u8]) -> Option<bool> {
    use fips204::traits::{SerDes, Verifier};
    let key = ml_dsa_65::PublicKey::try_from_bytes(key.try_into().ok()?).ok()?;
    Some(key.verify(digest, &signature.try_into().ok()?, &[]))
}

fn slh_dsa_verifies(key: &[u8], digest: &[u8], signature: &[u8]) -> Option<bool> {
    use fips205::traits::{SerDes, Verifier};
    let key = slh_dsa_sha2_128s::PublicKey::try_from_bytes(key.try_into().ok()?).ok()?;
    Some(key.verify(digest, &signature.try_into().ok()?, &[]))
}

#[test]
fn every_signature_verifies_and_none_with_a_flipped_bit() {
    let vectors = vectors("signatures.json");
    for case in list(&vectors) {
        let suite = suite(&case["suite"]);
        let mut parts = ["key", "digest", "signature"].map(|name| bytes(&case[name]));
        let holds = |parts: &[Vec<u8>; 3]| verifies(suite, &parts[0], &parts[1], &parts[2]);
        assert!(holds(&parts), "suite {suite}");
        for part in 0..parts.len() {
            for place in 0..parts[part].len() {
                let bit = 1 << (place % 8);
                parts[part][place] ^= bit;
                assert!(!holds(&parts), "suite {suite}: bit of byte {place} of part {part}");
                parts[part][place] ^= bit;
            }
        }
        assert!(holds(&parts), "suite {suite}: every bit was put back");
    }
}

#[test]
fn every_transaction_ends_with_its_signature() {
    let vectors = vectors("transactions.json");
    for case in list(&vectors["transactions"]) {
        let suite = suite(&case["suite"]);
        let [key, digest, transaction] = ["public_key", "digest", "bytes"].map(|name| bytes(&case[name]));
        // A MessagePack byte string with a size of two bytes.
        let size: u16 = if suite == 1 { 3_309 } else { 7_856 };
        let (rest, signature) = transaction.split_at(transaction.len() - usize::from(size));
        assert!(rest.ends_with(&[&[0xc5][..], &size.to_be_bytes()].concat()));
        assert!(verifies(suite, &key, &digest, signature), "{}", case["name"]);
    }
}

#[test]
fn both_suites_have_a_case() {
    let vectors = vectors("signatures.json");
    let suites: Vec<_> = list(&vectors).iter().map(|case| suite(&case["suite"])).collect();
    assert_eq!(suites, [1, 2]);
}

#[test]
fn the_secret_of_suite_1_is_the_seed_of_its_key() {
    use fips204::traits::{KeyGen, SerDes};
    let vectors = vectors("signatures.json");
    let (key, _) = ml_dsa_65::KG::keygen_from_seed(&sized(&vectors[0]["secret"]));
    assert_eq!(key.into_bytes()[..], bytes(&vectors[0]["key"]));
}

#[test]
fn the_secret_of_suite_2_is_three_seeds_and_the_root_that_they_give() {
    use fips205::traits::{KeyGen, SerDes};
    let vectors = vectors("signatures.json");
    let secret: [u8; 64] = sized(&vectors[1]["secret"]);
    let [sk_seed, sk_prf, pk_seed] = [0, 16, 32].map(|from| secret[from..from + 16].try_into().unwrap());
    let (key, whole) = slh_dsa_sha2_128s::KG::keygen_from_seed::<16>(&sk_seed, &sk_prf, &pk_seed);
    assert_eq!(key.into_bytes()[..], bytes(&vectors[1]["key"]));
    assert_eq!(whole.into_bytes(), secret);
}

#[test]
fn the_address_is_the_keys() {
    let vectors = vectors("signatures.json");
    for case in list(&vectors) {
        let wire = address::of_key(suite(&case["suite"]), &bytes(&case["key"]));
        assert_eq!(address::to_text("desp", &wire), text(&case["address"]));
    }
}
