#![no_std]
extern crate alloc;
pub fn judge(d: &[u8]) -> u32 {
    use esper_verifier::*;
    let s = Statement{model_id:[0;64],binding:[0;64],rows:1,top_k:1,sequences:alloc::vec![]};
    let a = verify(&s, d).is_ok();
    use fips204::traits::{SerDes, Verifier};
    let k = fips204::ml_dsa_65::PublicKey::try_from_bytes([1;1952]).unwrap();
    let b = k.verify(d, &[0;3309], &[]);
    a as u32 + b as u32
}
