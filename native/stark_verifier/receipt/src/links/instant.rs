//! instant: the gateway's promise is about this call and signed by its key.
//!
//! A false height is a way out for the gateway: both ends of how long the promise is evidence are shown.

use alloc::format;
use alloc::string::String;

use esper_digest::tagged_sha3_512;
use fips204::ml_dsa_65::PublicKey;
use fips204::traits::{SerDes, Verifier};

use crate::around::Network;
use crate::form::{Receipt, Signed};
use crate::judge::{Broken, Case, Judged};
use crate::links::model::read_promise;
use crate::links::short;
use crate::records::{Promise, address_of};
use crate::tags;
use crate::verdict::Status;

const ML_DSA_65: u8 = 1;

/// Beside a proof: it may be missing.
pub fn judge(case: &mut Case<'_>) -> Judged {
    let Some(signed) = &case.receipt.instant else {
        return Ok((Status::Absent, String::new()));
    };
    let promise = checked(case.receipt, signed, case.network)?;
    let call = case.call();
    let same = promise.model_id == call.model_id
        && promise.prompt == call.prompt
        && promise.answer == case.answer()
        && promise.max_tokens == call.max_tokens;
    if !same {
        return Err("the promise is about another call or answer".into());
    }
    let latest = case.header().height + case.network.undo_depth;
    if promise.height > latest {
        return Err(Broken(format!("the promise is of height {}, after {latest}", promise.height)));
    }
    Ok((Status::Ok, words(&promise, case.network)))
}

/// By itself.
pub fn judge_promised(receipt: &Receipt<'_>, signed: &Signed, network: &Network) -> Judged {
    Ok((Status::Ok, words(&checked(receipt, signed, network)?, network)))
}

fn checked(receipt: &Receipt<'_>, signed: &Signed, network: &Network) -> Result<Promise, Broken> {
    let promise = read_promise(signed)?;
    if signed.salted {
        return Err("a salt belongs to the records of markets alone".into());
    }
    if promise.genesis_hash != network.genesis_hash {
        return Err(Broken(format!("the promise is of network {}", short(&promise.genesis_hash))));
    }
    if !is_signed(signed) || address_of(ML_DSA_65, &signed.key) != promise.gateway {
        return Err("the signature is not the gateway's".into());
    }
    match receipt.request {
        Some(request) if tagged_sha3_512(tags::REQUEST, &[request]) != promise.request => {
            Err("the promise is about another request".into())
        }
        _ => Ok(promise),
    }
}

fn is_signed(signed: &Signed) -> bool {
    let (Ok(key), Ok(signature)) = (signed.key.as_slice().try_into(), signed.signature.as_slice().try_into())
    else {
        return false;
    };
    let digest = tagged_sha3_512(tags::PROMISE, &[&signed.record]);
    PublicKey::try_from_bytes(key).is_ok_and(|key| key.verify(&digest, &signature, &[]))
}

fn words(promise: &Promise, network: &Network) -> String {
    let last = promise.height + network.unbonding;
    let gateway = crate::links::long(promise.gateway.first_chunk::<5>().unwrap_or(&[0; 5]));
    format!("by {gateway}, evidence from height {} to {last}", promise.height)
}
