//! What beacons draw for proposals, and the heights at which they become active.

use crate::hashing::hash;
use crate::reading::{bytes, list, number, sized, vectors};

/// A big-endian number modulo a small one.
fn modulo(digits: &[u8], divisor: u64) -> u64 {
    digits.iter().fold(0, |rest, &digit| (rest << 8 | u64::from(digit)) % divisor)
}

#[test]
fn seeds_and_activation_heights() {
    let vectors = vectors("dao.json");
    for vector in list(&vectors["draws"]) {
        let seed = hash("esper/dao/seed/v1", &[&bytes(&vector["beacon"]), &bytes(&vector["proposal"])]);
        assert_eq!(seed, sized(&vector["seed"]));
        for (name, periods) in vectors["periods"].as_object().unwrap() {
            let drawn = modulo(&seed, number(&periods["jitter"]));
            let active = number(&vector["final"]) + number(&periods["grace"]) + drawn;
            assert_eq!(active, number(&vector["active"][name]), "{name}");
        }
    }
}
