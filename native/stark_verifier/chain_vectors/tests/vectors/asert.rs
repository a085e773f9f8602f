//! Targets by ASERT and the weight of a block, in exact integers.
//!
//! e = floor((t_parent - t_anchor - tau (h_parent - h_anchor)) 65536 / (hl tau)), s = e >> 16,
//! f = e & 65535, F = 65536 + ((195766423245049 f + 971821376 f^2 + 5127 f^3 + 2^47) >> 48),
//! target = floor(anchor F 2^s / 65536) in [1, Tmax], weight = floor(omega 2^512 / (target + 1)).

use num_bigint::BigUint;

use crate::reading::{list, number, text, vectors};

/// tau of mainnet.
const SPACING_MS: i64 = 55_000;
/// hl of mainnet.
const HALF_LIFE_BLOCKS: i64 = 360;
/// 2^512 over the 256 attempts that a block costs at least.
const MAX_TARGET_BITS: u32 = 504;
/// omega of genesis' model.
const ONE: u64 = 1 << 16;

fn power_of_two(exponent: u32) -> BigUint {
    BigUint::from(1u32) << exponent
}

/// e in 1/65536 of a half-life: its whole part s, and f.
fn exponent(blocks: i64, elapsed_ms: i64) -> (i128, u128) {
    let late_ms = i128::from(elapsed_ms - SPACING_MS * blocks);
    let e = (late_ms * 65_536).div_euclid(i128::from(HALF_LIFE_BLOCKS * SPACING_MS));
    (e >> 16, (e & 65_535) as u128)
}

fn target(anchor: &BigUint, blocks: i64, elapsed_ms: i64) -> BigUint {
    let (s, f) = exponent(blocks, elapsed_ms);
    // No number that is not zero stays below 2^504 when doubled so often: its bits need no memory.
    if s > i128::from(MAX_TARGET_BITS) {
        return power_of_two(MAX_TARGET_BITS);
    }
    let cubic = 195_766_423_245_049 * f + 971_821_376 * f.pow(2) + 5_127 * f.pow(3) + (1 << 47);
    let scaled = anchor * (65_536 + (cubic >> 48));
    let shift = u64::try_from((s - 16).unsigned_abs()).unwrap();
    let base = if s < 16 { scaled >> shift } else { scaled << shift };
    base.clamp(BigUint::from(1u32), power_of_two(MAX_TARGET_BITS))
}

/// What a block adds to its chain, in 1/65536 of a ticket of genesis' model.
pub fn weight(target: &BigUint, omega: u64) -> BigUint {
    omega * power_of_two(512) / (target + 1u32)
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
        assert_eq!(weight(&found, ONE).to_str_radix(16), text(&case["weight"]), "{case}");
    }
}

#[test]
fn the_cases_reach_both_ends_and_far_beyond_them() {
    let vectors = vectors("asert.json");
    let anchor = from_hex(text(&vectors["anchor_target"]));
    let (least, greatest) = (BigUint::from(1u32), power_of_two(MAX_TARGET_BITS));
    let cases = list(&vectors["cases"]);
    let targets: Vec<_> = cases.iter().map(|case| from_hex(text(&case["target"]))).collect();
    for reached in [&anchor, &least, &greatest] {
        assert!(targets.contains(reached), "{reached:x}");
    }
    assert!(targets.iter().any(|target| *target > least && *target < anchor));
    assert!(targets.iter().any(|target| *target > anchor && *target < greatest));
    let half_life_ms = HALF_LIFE_BLOCKS * SPACING_MS;
    let doublings = || cases.iter().map(|case| case["late_ms"].as_i64().unwrap() / half_life_ms);
    assert!(doublings().any(|count| count > i64::from(MAX_TARGET_BITS)));
    assert!(doublings().any(|count| count < -i64::from(MAX_TARGET_BITS)));
}
