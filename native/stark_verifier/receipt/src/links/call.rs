//! call: the block holds the call, or of a lane the result that names it.

use alloc::format;

use crate::form::{Call, Place};
use crate::judge::{Broken, Case, Judged};
use crate::links::short;
use crate::records::{MAX_ANSWER, Payload, Transaction, transaction};
use crate::tags;
use crate::trees::under_root;
use crate::verdict::Status;

pub fn judge(case: &mut Case<'_>) -> Judged {
    let call = case.call();
    envelope(&case.read.made)?;
    if call.prompt.is_empty() || !(1..=MAX_ANSWER).contains(&call.max_tokens) {
        return Err("the call asks for nothing".into());
    }
    match &case.proven.call {
        Call::Listed(listed) => place(case, &listed.place, &case.read.made)?,
        Call::Open(_) => {
            let listed = case.proven.answer.as_ref().ok_or("the answer is missing")?;
            let result = transaction(&listed.transaction, case.network.transaction_bytes)
                .map_err(|error| Broken(format!("the answer cannot be read: must be {}", error.0)))?;
            envelope(&result)?;
            match &result.payload {
                Payload::Call(_) => return Err("the answer is a call, no result".into()),
                Payload::Result { answer, .. } if answer.is_empty() => {
                    return Err("the answer is empty".into());
                }
                Payload::Result { call_id, .. } if *call_id != case.read.made.txid => {
                    return Err("the answer is to another call".into());
                }
                Payload::Result { .. } => {}
            }
            place(case, &listed.place, &result)?;
            case.result = Some(result);
        }
    }
    let (call, id) = (case.call(), short(&case.read.made.txid));
    let (tokens, most, bid) = (call.prompt.len(), call.max_tokens, call.price);
    Ok((Status::Ok, format!("{id}, {tokens} tokens, at most {most}, bid {bid}")))
}

/// The rules that need no chain. Amounts cannot be too great: neither kind pays any.
fn envelope(one: &Transaction) -> Result<(), Broken> {
    let [first, last] = one.window;
    if !(1..=2).contains(&one.suite) || u64::from(one.sender[0]) != one.suite {
        return Err("the suite of a transaction is not its sender's".into());
    }
    if !one.key_fits {
        return Err("the key of a transaction is not its sender's".into());
    }
    if last < first { Err("a transaction is valid at no height".into()) } else { Ok(()) }
}

fn place(case: &Case<'_>, place: &Place, one: &Transaction) -> Result<(), Broken> {
    let id = one.wtxid.as_ref().ok_or("it has no signature")?;
    let at = [place.count, place.index];
    if under_root(tags::TX_ROOT, &case.header().tx_root, at, id, &place.path) {
        Ok(())
    } else {
        Err("the path does not lead to the block's tx_root".into())
    }
}
