//! work: the block was worked for, by its own model. That the target was right, *chain* says.

use alloc::format;
use alloc::string::String;

use esper_digest::tagged_sha3_512;
use esper_verifier::{SequenceStatement, Statement};

use crate::judge::{Broken, Case, Judged};
use crate::links::proof::check_described;
use crate::links::ticket;
use crate::records::outputs;
use crate::tags;
use crate::verdict::Status;
use crate::wide;

/// It may be missing: the header has the hashes.
pub fn judge(case: &mut Case<'_>) -> Judged {
    let Some(part) = &case.proven.work else { return Ok((Status::Absent, String::new())) };
    let (header, model) = (case.header(), &case.read.block_model);
    if tagged_sha3_512(tags::OUTPUTS, &[&part.outputs]) != header.outputs_hash {
        return Err("the outputs are not the header's".into());
    }
    if tagged_sha3_512(tags::PROOF, &[&part.proof]) != header.proof_hash {
        return Err("the proof is not the header's".into());
    }
    if header.tier != model.tier || header.bank_root != model.bank_root {
        return Err("the header has another tier or bank than the model's entry".into());
    }
    check_described(case, &part.proof, model)?;
    let (openings, answers) = outputs(&part.outputs)
        .map_err(|error| Broken(format!("the outputs cannot be read: must be {}", error.0)))?;

    // Prompts and salt are those of the seed, the answers have the ticket's shape.
    let seed = ticket::seed(&header.work_id);
    let inputs = ticket::inputs(&seed, &openings, model, case.network.salt_bits)?;
    ticket::check_answers(&answers, model, case.network.top_k)?;

    // The result is their digest and wins for the work done.
    let shape = ticket::Shape { puzzle: &model.puzzle, top_k: case.network.top_k };
    if ticket::digest(&seed, model, &shape, &openings, &inputs, &answers)? != header.result {
        return Err("the result is not the answers' digest".into());
    }
    let target = wide::from_bytes(&header.target);
    let (work, reference) = ticket::work(&answers, model).ok_or("a model of that size has no ticket")?;
    let won = wide::product(&wide::from_bytes(&header.result), reference);
    if !wide::less(&won, &wide::product(&target, work)) {
        return Err("the ticket does not win".into());
    }

    // The model gives these answers.
    let sequences = inputs.into_iter().zip(answers).map(|(prompt, answer)| SequenceStatement {
        prompt,
        answer: answer.tokens,
        max_answer: model.puzzle.max_answer as usize,
        top: answer.top,
    });
    let statement = Statement {
        model_id: model.model_id,
        binding: seed,
        rows: model.puzzle.rows as usize,
        top_k: case.network.top_k,
        sequences: sequences.collect(),
    };
    case.judge.verify(&statement, &part.proof).map_err(Broken)?;
    let attempts = wide::attempts(&target);
    let many = if attempts == "1" { "" } else { "s" };
    Ok((Status::Ok, format!("{attempts} attempt{many} expected")))
}
