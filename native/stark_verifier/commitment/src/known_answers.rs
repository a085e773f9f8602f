//! Answers computed by plain Python (`tests/unit/model/test_commitment_root.py`), and pinned schedules.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::LazyCell;

use serde_json::Value;

use crate::field::{BasedVectorSpace, EF, F, Field, PrimeCharacteristicRing, PrimeField64};
use crate::hash::NODE;
use crate::opening_prover::commit;
use crate::params::{MAX_VARS, MIN_VARS, PcsParams};
use crate::transcript::Transcript;
use crate::tree::Tree;

std::thread_local! {
    static VECTORS: LazyCell<Value> = LazyCell::new(|| {
        serde_json::from_str(include_str!("../../../../tests/vectors/commitment.json")).expect("vectors are JSON")
    });
}

fn list(name: &str, parent: &Value) -> Vec<Value> {
    let items = parent[name].as_array().expect("a list").clone();
    assert!(!items.is_empty(), "{name}: no vectors");
    items
}

fn vectors(name: &str) -> Vec<Value> {
    VECTORS.with(|all| list(name, all))
}

fn base(value: &Value) -> F {
    let canonical: u64 = value.as_str().expect("a decimal string").parse().expect("a decimal string");
    assert!(canonical < F::ORDER_U64);
    F::from_u64(canonical)
}

fn ext(value: &Value) -> EF {
    EF::from_basis_coefficients_fn(|i| base(&value[i]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a hexadecimal string");
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal"))
        .collect()
}

#[test]
fn field() {
    for case in vectors("field") {
        let (a, b) = (base(&case["a"]), base(&case["b"]));
        assert_eq!(a + b, base(&case["sum"]));
        assert_eq!(a - b, base(&case["difference"]));
        assert_eq!(a * b, base(&case["product"]));
        assert_eq!(a * b.inverse(), base(&case["quotient"]));
    }
}

#[test]
fn extension() {
    for case in vectors("extension") {
        let (a, b) = (ext(&case["a"]), ext(&case["b"]));
        assert_eq!(a * b, ext(&case["product"]));
        assert_eq!(a.inverse(), ext(&case["inverse_of_a"]));
    }
}

#[test]
fn hashes() {
    let all = VECTORS.with(|all| all["hash"].clone());
    for case in list("leaves", &all) {
        let row: Vec<F> = list("row", &case).iter().map(base).collect();
        // A tree of one row is its leaf.
        assert_eq!(hex(&Tree::new(&row, row.len()).root()), case["leaf"].as_str().expect("hexadecimal"));
    }
    let node = &all["node"];
    let children = [bytes(&node["left"]), bytes(&node["right"])].concat();
    let mut digest = [[0; 32]];
    NODE.digests(&children, &mut digest);
    assert_eq!(digest[0][..], bytes(&node["digest"])[..]);
}

#[test]
fn transcript() {
    let all = VECTORS.with(|all| all["transcript"].clone());
    let mut tr = Transcript::new(all["domain"].as_str().expect("a name"));
    for step in list("steps", &all) {
        let value = &step["value"];
        match step["absorb"].as_str() {
            Some("bytes") => tr.absorb_bytes(&bytes(value)),
            Some("u64") => {
                tr.absorb_u64(value.as_str().and_then(|text| text.parse().ok()).expect("an integer"))
            }
            Some("base") => tr.absorb_base(base(value)),
            Some("extension") => tr.absorb(ext(value)),
            _ => assert_eq!(tr.challenge(), ext(&step["challenge"])),
        }
    }
}

#[test]
fn roots() {
    for case in vectors("roots") {
        let number = |name: &str| case[name].as_u64().expect("an integer") as usize;
        let params = PcsParams { log_inv_rate: number("log_inv_rate"), pow_bits: 3, security_level: 30 };
        let values = (0..number("cells") as i64).map(|i| F::from_i64(i * i * i - 5000 * i)).collect();
        assert_eq!(hex(&commit(values, &params).0.0), case["root"].as_str().expect("hexadecimal"));
    }
}

/// The crate derives query counts with floating point; this pins them for every size.
#[test]
fn schedules() {
    let pinned = vectors("schedules");
    assert_eq!(pinned.len(), MAX_VARS + 1 - MIN_VARS);
    for (num_vars, pinned) in (MIN_VARS..=MAX_VARS).zip(&pinned) {
        for (openings, pinned) in [1, 2, 3, 4, 8].into_iter().zip(list_of(pinned)) {
            let schedule = PcsParams::for_proof(num_vars, openings).schedule(num_vars).expect("in range");
            let derived = schedule.to_string();
            assert_eq!(
                derived, pinned,
                "2^{num_vars}; if the change is meant, it is a new version of the proof"
            );
        }
    }
}

fn list_of(value: &Value) -> Vec<&str> {
    let texts: Vec<&str> =
        value.as_array().expect("a list").iter().map(|text| text.as_str().expect("text")).collect();
    assert_eq!(texts.len(), 5);
    texts
}
