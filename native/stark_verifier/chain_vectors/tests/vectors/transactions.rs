//! The names of transactions and what their signatures are over.

use crate::hashing::hash;
use crate::msgpack::read;
use crate::reading::{bytes, list, sized, suite, vectors};

#[test]
fn ids_and_digests() {
    let vectors = vectors("transactions.json");
    let genesis = bytes(&vectors["genesis_hash"]);
    for vector in list(&vectors["transactions"]) {
        let data = bytes(&vector["bytes"]);
        let transaction = read(&data);
        // Everything but the signature, the last element, as an array of one less.
        let (signature, unsigned) = transaction.items().split_last().unwrap();
        let fields = &data[1..data.len() - signature.span.len()];
        let unsigned = [&[0x90 | unsigned.len() as u8], fields].concat();
        assert_eq!(hash("esper/tx/witness-id/v1", &[&data]), sized(&vector["wtxid"]));
        assert_eq!(hash("esper/tx/id/v1", &[&unsigned]), sized(&vector["txid"]));
        let digest = hash("esper/tx/sign/v1", &[&genesis, &[suite(&vector["suite"])], &unsigned]);
        assert_eq!(digest, sized(&vector["digest"]));
    }
}
