//! Targets by ASERT and the weight of a block, in exact integers.
//!
//! e = floor((t_parent - t_anchor - tau (h_parent - h_anchor)) 65536 / (hl tau)), s = e >> 16,
//! f = e & 65535, F = 65536 + ((195766423245049 f + 971821376 f^2 + 5127 f^3 + 2^47) >> 48),
//! target = floor(anchor F 2^s / 65536) in [1, Tmax], weight = floor(omega 2^512 / (target + 1)) >> 16.

use num_bigint::BigUint;

use crate::reading::{list, number, text, vectors};

/// tau of mainnet.
const SPACING_MS: i64 = 55_000;
/// hl of mainnet.
const HALF_LIFE_BLOCKS: i64 = 360;
/// 2^512 over the 256 attempts that a block costs at least.
const MAX_TARGET_BITS: u32 = 504;
/// omega of genesis' model.
const ONE: u32 = 1 << 16;

fn power_of_two(exponent: u32) -> BigUint {
    BigUint::from(1u32) << exponent
}

fn target(anchor: &BigUint, blocks: i64, elapsed_ms: i64) -> BigUint {
    let late_ms = i128::from(elapsed_ms - SPACING_MS * blocks);
    let e = (late_ms * 65_536).div_euclid(i128::from(HALF_LIFE_BLOCKS * SPACING_MS));
    let (s, f) = (e >> 16, (e & 65_535) as u128);
    let cubic = 195_766_423_245_049 * f + 971_821_376 * f.pow(2) + 5_127 * f.pow(3) + (1 << 47);
    let scaled = anchor * (65_536 + (cubic >> 48));
    let shift = u32::try_from((s - 16).unsigned_abs()).unwrap();
    let base = if s < 16 { scaled >> shift } else { scaled << shift };
    base.clamp(BigUint::from(1u32), power_of_two(MAX_TARGET_BITS))
}

fn weight(target: &BigUint) -> BigUint {
    (ONE * power_of_two(512) / (target + 1u32)) >> 16
}

fn from_hex(digits: &str) -> BigUint {
    BigUint::parse_bytes(digits.as_bytes(), 16).expect("hexadecimal")
}

#[test]
fn targets_and_weights() {
    let vectors = vectors("asert.json");
    assert_eq!(text(&vectors["network"]), "mainnet");
    let anchor = from_hex(text(&vectors["anchor_target"]));
    for case in list(&vectors["cases"]) {
        let blocks = i64::try_from(number(&case["blocks"])).unwrap();
        let elapsed_ms = blocks * SPACING_MS + case["late_ms"].as_i64().unwrap();
        let found = target(&anchor, blocks, elapsed_ms);
        assert_eq!(found.to_str_radix(16), text(&case["target"]), "{case}");
        assert_eq!(weight(&found), BigUint::from(number(&case["weight"])), "{case}");
    }
}

#[test]
fn the_cases_reach_both_sides_of_the_anchor_and_the_highest_target() {
    let vectors = vectors("asert.json");
    let anchor = from_hex(text(&vectors["anchor_target"]));
    let targets: Vec<_> =
        list(&vectors["cases"]).iter().map(|case| from_hex(text(&case["target"]))).collect();
    assert!(targets.contains(&anchor));
    assert!(targets.iter().any(|target| *target < anchor));
    assert!(targets.contains(&power_of_two(MAX_TARGET_BITS)));
    assert!(targets.iter().any(|target| *target > anchor && *target < power_of_two(MAX_TARGET_BITS)));
}
