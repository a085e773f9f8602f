//! proof: the model gives these answers to these prompts. Trusts no miner.

use alloc::format;
use alloc::vec::Vec;

use esper_digest::tagged_sha3_512;
use esper_verifier::{SequenceStatement, Statement};

use crate::judge::{Broken, Case, Judged};
use crate::records::{CallGroup, NamedModel};
use crate::tags;
use crate::trees::merkle_root;
use crate::verdict::Status;

/// Only the chosen token's logit is shown.
const TOP_K: usize = 1;

pub fn judge(case: &mut Case<'_>) -> Judged {
    let group = case.group.as_ref().ok_or("no group was read")?;
    let part = &case.proven.group;
    let sequences = part.members.iter().zip(&group.calls).map(|(member, (_, logits))| SequenceStatement {
        prompt: member.prompt.clone(),
        answer: member.answer.clone(),
        max_answer: member.max_tokens as usize,
        top: member.answer.iter().zip(logits).map(|(&token, &logit)| Vec::from([(token, logit)])).collect(),
    });
    let statement = Statement {
        model_id: group.model_id,
        binding: binding(case, group),
        rows: part.rows as usize,
        top_k: TOP_K,
        sequences: sequences.collect(),
    };
    check_described(case, &group.proof, case.call_model())?;
    let rests_on = case.judge.verify(&statement, &group.proof).map_err(Broken)?;
    let (prompt, answer) = (case.call().prompt.len(), case.answer().len());
    Ok((Status::Ok, format!("{rests_on}, {prompt} + {answer} tokens")))
}

/// Of a lane to the result's sender, else to the block's payee.
fn binding(case: &Case<'_>, group: &CallGroup) -> [u8; 64] {
    let genesis = &case.network.genesis_hash;
    if let (Some(result), [(id, _)]) = (&case.result, group.calls.as_slice()) {
        return tagged_sha3_512(tags::CALL_LANE, &[genesis, id, &result.sender]);
    }
    let ids: Vec<&[u8]> = group.calls.iter().map(|(id, _)| id.as_slice()).collect();
    let root = merkle_root(tags::CALL_LIST, &ids);
    tagged_sha3_512(tags::CALL_GROUP, &[genesis, &case.header().payee, &group.model_id, &root])
}

/// The proof's descriptor, whose hash is the model's id, says what the entry says.
pub fn check_described(case: &Case<'_>, proof: &[u8], model: &NamedModel) -> Result<(), Broken> {
    let found = case
        .judge
        .described(proof)
        .map_err(|error| Broken(format!("the proof describes no model: {error}")))?;
    let same = found.model_id == model.model_id
        && found.shape == model.shape
        && (found.bos, found.eos) == (model.bos, model.eos);
    if same { Ok(()) } else { Err("the model's entry differs from what the proof describes".into()) }
}
