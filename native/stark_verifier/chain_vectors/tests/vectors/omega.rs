//! omega: a model's multiply-accumulates over the genesis model's, in 1/65536, rounded down.

use serde_json::Value;

use crate::cost::{Puzzle, Shape, reference_work};
use crate::reading::{list, number, text, vectors};

const MAINNET: Puzzle =
    Puzzle { sequences: 2, rows: 64, input_tokens: 49, max_answer: 16, top_k: 4, salt_bits: 128 };

fn shape(dimensions: &Value) -> Shape {
    let size = |name: &str| number(&dimensions[name]);
    Shape {
        vocab: size("vocab"),
        dim: size("dim"),
        hidden: size("hidden"),
        layers: size("layers"),
        heads: size("heads"),
        kv_heads: size("kv_heads"),
        head_dim: size("head_dim"),
    }
}

#[test]
fn omega_follows_from_the_shape() {
    let vectors = vectors("omega.json");
    let models = list(&vectors);
    let genesis = models.iter().find(|model| text(&model["name"]) == "genesis").unwrap();
    assert_eq!(number(&genesis["omega"]), 65_536);
    assert!(models.len() > 1, "genesis alone says nothing: its omega is 1 by any formula");
    let unit = u128::from(reference_work(&shape(&genesis["shape"]), &MAINNET));
    for model in models {
        let work = u128::from(reference_work(&shape(&model["shape"]), &MAINNET));
        assert_eq!(work * 65_536 / unit, u128::from(number(&model["omega"])), "{}", model["name"]);
    }
}
