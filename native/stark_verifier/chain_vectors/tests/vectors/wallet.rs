//! From 24 words to entropy, seeds, keys and addresses.
//!
//! The words are BIP-39's English ones. With SHAKE256 under tags of 32 bytes:
//! master = X("esper/wallet/seed/v1", entropy), child(n, i) = X("esper/wallet/child/v1", n || u32 i),
//! 64 bytes each; seed = X("esper/wallet/key/v1", leaf), 32 bytes, of the path network / account /
//! index. The seed is ML-DSA-65's (FIPS 204).

use std::collections::BTreeSet;

use bip39::{Language, Mnemonic};
use esper_digest::{Tag, Xof};
use fips204::ml_dsa_65;
use fips204::traits::{KeyGen, SerDes};
use serde_json::Value;

use crate::address;
use crate::reading::{list, number, sized, text, vectors};

fn squeeze<const N: usize>(tag: &str, parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    Xof::new(Tag::new(tag).unwrap(), parts).read(&mut out);
    out
}

fn seed_at(entropy: &[u8; 32], path: [u32; 3]) -> [u8; 32] {
    let mut node: [u8; 64] = squeeze("esper/wallet/seed/v1", &[entropy]);
    for step in path {
        node = squeeze("esper/wallet/child/v1", &[&node, &step.to_be_bytes()]);
    }
    squeeze("esper/wallet/key/v1", &[&node])
}

/// First step of a path, and the prefix of addresses.
fn network(name: &str) -> (u32, &'static str) {
    match name {
        "mainnet" => (0, "esp"),
        "testnet" => (1, "tesp"),
        "devnet" => (2, "desp"),
        "regtest" => (3, "resp"),
        _ => panic!("network {name} is unknown"),
    }
}

fn entropy_of(words: &str) -> Result<[u8; 32], bip39::Error> {
    let (entropy, size) = Mnemonic::parse_in_normalized(Language::English, words)?.to_entropy_array();
    assert_eq!(size, 32);
    Ok(entropy[..32].try_into().unwrap())
}

fn path_of(key: &Value) -> [u32; 3] {
    let step = |name: &str| u32::try_from(number(&key[name])).unwrap();
    [network(text(&key["network"])).0, step("account"), step("index")]
}

#[test]
fn words_stand_for_the_entropy_and_back() {
    let vectors = vectors("wallet.json");
    for wallet in list(&vectors["wallets"]) {
        let entropy: [u8; 32] = sized(&wallet["entropy"]);
        let words = Mnemonic::from_entropy_in(Language::English, &entropy).unwrap();
        assert_eq!(words.to_string(), text(&wallet["words"]));
        assert_eq!(entropy_of(text(&wallet["words"])).unwrap(), entropy);
    }
}

/// The last word has 3 bits of entropy and 8 of checksum.
#[test]
fn eight_of_all_last_words_fit() {
    let vectors = vectors("wallet.json");
    for wallet in list(&vectors["wallets"]) {
        let (others, last) = text(&wallet["words"]).rsplit_once(' ').unwrap();
        let fits = |word: &&&str| entropy_of(&format!("{others} {word}")).is_ok();
        let fitting: Vec<_> = Language::English.word_list().iter().filter(fits).collect();
        assert_eq!(fitting.len(), 8);
        assert!(fitting.contains(&&last));
    }
}

#[test]
fn seeds_and_addresses_at_every_path() {
    let vectors = vectors("wallet.json");
    for wallet in list(&vectors["wallets"]) {
        let entropy = entropy_of(text(&wallet["words"])).unwrap();
        for vector in list(&wallet["keys"]) {
            let seed = seed_at(&entropy, path_of(vector));
            assert_eq!(seed, sized(&vector["seed"]), "{vector}");
            let (key, _) = ml_dsa_65::KG::keygen_from_seed(&seed);
            let wire = address::of_key(1, &key.into_bytes());
            let prefix = network(text(&vector["network"])).1;
            assert_eq!(address::to_text(prefix, &wire), text(&vector["address"]), "{vector}");
        }
    }
}

#[test]
fn no_two_paths_and_no_two_wallets_share_a_seed() {
    let vectors = vectors("wallet.json");
    let wallets = list(&vectors["wallets"]);
    let keys: Vec<_> = wallets.iter().flat_map(|wallet| list(&wallet["keys"])).collect();
    let networks: BTreeSet<_> = keys.iter().map(|key| path_of(key)[0]).collect();
    let seeds: BTreeSet<_> = keys.iter().map(|key| text(&key["seed"])).collect();
    assert_eq!(networks, BTreeSet::from([0, 1, 2, 3]));
    assert_eq!(seeds.len(), keys.len());
}
