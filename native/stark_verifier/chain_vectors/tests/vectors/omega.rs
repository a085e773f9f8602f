//! omega: a model's multiply-accumulates over the genesis model's, in 1/65536, rounded down.
//!
//! W_ref = n [(Lin + g - 1) c_row + g c_head]; a row is every linear layer and its attention, which
//! looks back at (T + 1) / 2 rows in the mean, twice heads * head_dim products each.

use serde_json::Value;

use crate::reading::{list, number, text, vectors};

/// n of mainnet's puzzle.
const SEQUENCES: u128 = 2;
/// T.
const ROWS: u128 = 64;
/// Lin.
const INPUT_TOKENS: u128 = 49;
/// g.
const MAX_ANSWER: u128 = 16;

fn reference_work(shape: &Value) -> u128 {
    let size = |name: &str| u128::from(number(&shape[name]));
    let queries = size("heads") * size("head_dim");
    let keys = size("kv_heads") * size("head_dim");
    // Queries and output, keys and values, then gate, up and down.
    let linear = size("dim") * (2 * queries + 2 * keys) + 3 * size("dim") * size("hidden");
    let attention = queries * (ROWS + 1);
    let row = size("layers") * (linear + attention);
    let head = size("vocab") * size("dim");
    SEQUENCES * ((INPUT_TOKENS + MAX_ANSWER - 1) * row + MAX_ANSWER * head)
}

#[test]
fn omega_follows_from_the_shape() {
    let vectors = vectors("omega.json");
    let models = list(&vectors);
    let genesis = models.iter().find(|model| text(&model["name"]) == "genesis").unwrap();
    assert_eq!(number(&genesis["omega"]), 65_536);
    assert!(models.len() > 1, "genesis alone says nothing: its omega is 1 by any formula");
    let unit = reference_work(&genesis["shape"]);
    for model in models {
        let omega = reference_work(&model["shape"]) * 65_536 / unit;
        assert_eq!(omega, u128::from(number(&model["omega"])), "{}", model["name"]);
    }
}
