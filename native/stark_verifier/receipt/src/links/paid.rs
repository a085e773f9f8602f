//! paid: the chain's own receipt says that the call was paid for, and how much. Open where *chain* is.

use alloc::format;
use alloc::string::String;

use crate::judge::{Broken, Case, Judged};
use crate::links::chain::{anchor_header, holds};
use crate::records::{outcome, range};
use crate::verdict::Status;

const KIND_OUTCOMES: u8 = 11;
/// An answer token costs as much as four of the prompt.
const ANSWER_WEIGHT: u64 = 4;

pub fn judge(case: &mut Case<'_>) -> Judged {
    let Some(anchor) = &case.proven.anchor else { return Ok((Status::Open, String::new())) };
    let later = anchor_header(case, anchor)?;
    if !holds(&later, KIND_OUTCOMES, b"receipts", &anchor.outcomes) {
        return Err("the list of receipts does not stand in the anchor's state".into());
    }
    let unread = |error: crate::wire::Malformed| Broken(format!("it cannot be read: must be {}", error.0));
    let outcomes = range(&anchor.outcomes.record).map_err(unread)?;
    let found = outcome(&anchor.outcome).map_err(unread)?;
    if !outcomes.holds(anchor.number, &anchor.outcome, &anchor.outcome_path) {
        return Err(Broken(format!("the receipt is not number {} of the anchor's chain", anchor.number)));
    }
    let one = case.answering();
    if found.of != (one.kind, one.txid, one.sender) {
        return Err("the receipt is of another transaction".into());
    }
    let (prompt, answer) = (case.call().prompt.len() as u64, case.answer().len() as u64);
    let burned = case.call().price * (prompt + ANSWER_WEIGHT * answer);
    if found.burned != burned || found.paid_tokens != prompt + answer {
        let words = format!("{} micro-credits burned, the answer costs {burned}", found.burned);
        return Err(Broken(words));
    }
    let status = if case.chain_holds { Status::Ok } else { Status::Open };
    Ok((status, format!("{burned} micro-credits burned")))
}
