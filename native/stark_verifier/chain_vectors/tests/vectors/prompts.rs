//! Prompts from their texts to the root of the bank.
//!
//! A text's hash is over its JSON with sorted keys, without blanks, and with characters as themselves.

use crate::bank::{Prompt, USE};
use crate::fields::Form::{Bytes, List, Number};
use crate::fields::{Fields, Form, checked};
use crate::hashing::hash;
use crate::merkle;
use crate::msgpack::read;
use crate::reading::{bytes, list, sized, vectors};

/// An entry of the bank as a block's body carries it.
pub const PROMPT: Fields =
    &[("tokenizer_id", Bytes), ("tokens", List(&Number)), ("mask_spans", List(&SPAN)), ("json_hash", Bytes)];
/// Start and length.
const SPAN: Form = List(&Number);

#[test]
fn texts_in_canonical_form() {
    let vectors = vectors("prompts.json");
    let prompts = list(&vectors["prompts"]);
    for (vector, prompt) in list(&vectors["texts"]).iter().zip(prompts) {
        // Keys of an object are sorted here and written as they stand.
        let canonical = serde_json::to_vec(&vector["fields"]).unwrap();
        assert_eq!(canonical, bytes(&vector["canonical"]));
        let found = hash("esper/prompt-json/v1", &[&canonical]);
        assert_eq!(found, sized(&vector["json_hash"]));
        assert_eq!(found, sized(&prompt["fields"]["json_hash"]), "its prompt commits to it");
    }
}

#[test]
fn prompts_leaves_and_the_root() {
    let vectors = vectors("prompts.json");
    let leaf = |vector: &serde_json::Value| {
        let found = Prompt::read(&read(&checked(PROMPT, vector))).leaf();
        assert_eq!(found, sized(&vector["leaf"]));
        found
    };
    let leaves: Vec<_> = list(&vectors["prompts"]).iter().map(leaf).collect();
    let items: Vec<&[u8]> = leaves.iter().map(|leaf| &leaf[..]).collect();
    assert_eq!(merkle::root(USE, &items), sized(&vectors["bank_root"]));
}
