//! Addresses: the suite and H32("esper/address/v1", suite || key), 33 bytes, as text in bech32m.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Bech32m, Hrp};
use esper_digest::{Tag, tagged_sha3_256};

use crate::reading::{bytes, list, sized, suite, text, vectors};

const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const PREFIXES: [&str; 4] = ["esp", "tesp", "desp", "resp"];

/// The 33 bytes of a public key's address.
pub fn of_key(suite: u8, key: &[u8]) -> [u8; 33] {
    let mut address = [suite; 33];
    let hash = tagged_sha3_256(Tag::new("esper/address/v1").unwrap(), &[&[suite], key]);
    address[1..].copy_from_slice(&hash);
    address
}

/// The text of an address on the network with this prefix.
pub fn to_text(prefix: &str, address: &[u8; 33]) -> String {
    bech32::encode::<Bech32m>(Hrp::parse(prefix).unwrap(), address).unwrap()
}

/// The bytes of a text; None if it is no bech32m or of another network.
fn from_text(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let checked = CheckedHrpstring::new::<Bech32m>(text).ok()?;
    (checked.hrp() == Hrp::parse(prefix).unwrap()).then(|| checked.byte_iter().collect())
}

/// Calls `check` with every prefix, its text and the 33 bytes.
fn for_each_text(check: impl Fn(&str, &str, [u8; 33])) {
    let vectors = vectors("address.json");
    for case in list(&vectors) {
        assert_eq!(case["text"].as_object().unwrap().len(), PREFIXES.len());
        for prefix in PREFIXES {
            check(prefix, text(&case["text"][prefix]), sized(&case["bytes"]));
        }
    }
}

#[test]
fn a_key_has_this_address() {
    let vectors = vectors("address.json");
    for case in list(&vectors) {
        let (suite, key) = (suite(&case["suite"]), bytes(&case["key"]));
        let wire: [u8; 33] = sized(&case["bytes"]);
        assert_eq!(of_key(suite, &key), wire);
        assert_ne!(of_key(3 - suite, &key)[1..], wire[1..], "the suite is hashed too");
    }
}

#[test]
fn an_address_has_this_text_on_every_network() {
    for_each_text(|prefix, found, wire| {
        assert_eq!(to_text(prefix, &wire), found);
        assert_eq!(from_text(prefix, found), Some(wire.to_vec()));
        for other in PREFIXES.into_iter().filter(|other| *other != prefix) {
            assert_eq!(from_text(other, found), None, "{found} is not of {other}");
        }
    });
}

#[test]
fn a_text_with_one_wrong_letter_is_refused() {
    for_each_text(|prefix, found, _| {
        for place in prefix.len() + 1..found.len() {
            for letter in LETTERS.chars().filter(|letter| !found[place..].starts_with(*letter)) {
                let wrong = format!("{}{letter}{}", &found[..place], &found[place + 1..]);
                assert_eq!(from_text(prefix, &wrong), None, "{wrong}");
            }
        }
    });
}

#[test]
fn the_older_checksum_is_refused() {
    for_each_text(|prefix, found, wire| {
        let older = bech32::encode::<Bech32>(Hrp::parse(prefix).unwrap(), &wire).unwrap();
        assert_eq!(older[..older.len() - 6], found[..found.len() - 6], "only the checksum differs");
        assert_eq!(from_text(prefix, &older), None);
    });
}
