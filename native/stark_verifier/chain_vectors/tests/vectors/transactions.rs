//! The names of transactions and what their signatures are over.

use std::collections::BTreeSet;

use crate::hashing::hash;
use crate::msgpack::read;
use crate::reading::{bytes, list, number, sized, suite, vectors};

/// Everything but the signature, the last element, as an array of one less.
pub fn unsigned(data: &[u8]) -> Vec<u8> {
    let transaction = read(data);
    let (signature, unsigned) = transaction.items().split_last().unwrap();
    let fields = &data[1..data.len() - signature.span.len()];
    [&[0x90 | unsigned.len() as u8], fields].concat()
}

#[test]
fn ids_and_digests() {
    let vectors = vectors("transactions.json");
    let genesis = bytes(&vectors["genesis_hash"]);
    let mut kinds = BTreeSet::new();
    for vector in list(&vectors["transactions"]) {
        let data = bytes(&vector["bytes"]);
        let unsigned = unsigned(&data);
        assert_eq!(hash("esper/tx/witness-id/v1", &[&data]), sized(&vector["wtxid"]));
        assert_eq!(hash("esper/tx/id/v1", &[&unsigned]), sized(&vector["txid"]));
        let digest = hash("esper/tx/sign/v1", &[&genesis, &[suite(&vector["suite"])], &unsigned]);
        assert_eq!(digest, sized(&vector["digest"]));
        assert_eq!(read(&data).items()[1].number(), number(&vector["kind"]));
        kinds.insert(number(&vector["kind"]));
    }
    assert_eq!(kinds, (1..=11).collect());
}
