//! text: there is no tokenizer here, so it stays open; its id and the places of special tokens are judged all the same.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::form::Receipt;
use crate::judge::{Case, Judged};
use crate::records::{NamedModel, Promise};
use crate::verdict::Status;

pub fn judge(case: &mut Case<'_>) -> Judged {
    judged(case.receipt, &case.call().prompt, case.call_model())
}

/// Of a promise.
pub fn judge_promised(receipt: &Receipt<'_>, promise: &Promise, model: Option<&NamedModel>) -> Judged {
    match model {
        Some(model) => judged(receipt, &promise.prompt, model),
        None => Ok((Status::Open, "the model's entry is not at hand".to_string())),
    }
}

fn judged(receipt: &Receipt<'_>, prompt: &[u32], model: &NamedModel) -> Judged {
    if receipt.tokenizer_id != model.tokenizer_id {
        return Err("the tokenizer is not the model's".into());
    }
    // Special ids are numbers, each longest run between them is one text.
    let mut runs: Vec<Option<u32>> = Vec::new();
    for &token in prompt {
        let special = model.special_ids.binary_search(&token).is_ok().then_some(token);
        if special.is_some() || runs.last() != Some(&None) {
            runs.push(special);
        }
    }
    if runs != receipt.prompt {
        return Err("the prompt has other special tokens than the call".into());
    }
    Ok((Status::Open, "not compared: the tokenizer is not here".to_string()))
}
