//! group: the block proves call and answer, in a group of the right form.

use alloc::format;

use crate::judge::{Broken, Case, Judged};
use crate::records::{NamedModel, Payload, call_group};
use crate::tags;
use crate::trees::under_root;
use crate::verdict::Status;

pub fn judge(case: &mut Case<'_>) -> Judged {
    let part = &case.proven.group;
    let group =
        call_group(&part.data).map_err(|error| Broken(format!("it cannot be read: must be {}", error.0)))?;
    let kind = u64::from(case.result.is_some());
    if group.kind != kind {
        return Err(Broken(format!("it is of kind {}, must be {kind}", group.kind)));
    }
    let at = [part.place.count, part.place.index];
    if !under_root(tags::CALLS_ROOT, &case.header().calls_root, at, &part.data, &part.place.path) {
        return Err("the path does not lead to the block's calls_root".into());
    }
    if group.model_id != case.call().model_id {
        return Err("it is of another model than the call".into());
    }

    // A member a call; a lane's stands alone.
    let (members, calls) = (part.members.len(), group.calls.len());
    if members != calls || (case.result.is_some() && calls != 1) {
        return Err(Broken(format!("{members} members for {calls} calls")));
    }
    let position = part.position;
    let (Some(member), Some((id, _))) = (part.members.get(position), group.calls.get(position)) else {
        return Err(Broken(format!("position {position} of {calls} calls")));
    };
    if *id != case.read.made.txid {
        return Err(Broken(format!("position {position} is another call's")));
    }
    if member.prompt != case.call().prompt || member.max_tokens != case.call().max_tokens {
        return Err("the member is not the call".into());
    }
    if let Some(Payload::Result { answer, .. }) = case.result.as_ref().map(|result| &result.payload)
        && *answer != member.answer
    {
        return Err("the member's answer is not the result's".into());
    }
    for (place, (one, (_, logits))) in part.members.iter().zip(&group.calls).enumerate() {
        let (known, tokens) = (logits.len(), one.answer.len());
        if known != tokens {
            return Err(Broken(format!("member {place} has {known} logits for {tokens} tokens")));
        }
        if !is_answer(&one.answer, one.max_tokens, case.call_model()) {
            return Err(Broken(format!("member {place} is no answer of at most {}", one.max_tokens)));
        }
    }
    if !part.rows.is_power_of_two() || part.rows > case.network.most_rows {
        return Err(Broken(format!("{} rows, which no vote leads to", part.rows)));
    }
    case.group = Some(group);
    let many = if members > 1 { "s" } else { "" };
    Ok((Status::Ok, format!("{members} call{many}, {} rows", part.rows)))
}

/// One token to `most`, ids of the model; EOS at the end, and only missing from a full answer.
fn is_answer(tokens: &[u32], most: u64, model: &NamedModel) -> bool {
    let length = tokens.len() as u64;
    let Some((last, before)) = tokens.split_last() else { return false };
    length <= most
        && tokens.iter().all(|&token| token < model.vocab())
        && !before.contains(&model.eos)
        && (*last == model.eos || length == most)
}
