//! model: the models of call and block are those of a network that somebody here vouches for.
//!
//! Reads the call, the header and `models`: exactly those used that are not the genesis block's.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::around::{Around, Network};
use crate::form::{Call, Proven, Signed};
use crate::judge::Broken;
use crate::links::{long, short};
use crate::records::{
    Header, LlmCall, NamedModel, Payload, Promise, Transaction, header, named_model, promise, transaction,
    unsigned_call,
};
use crate::verdict::Status;

/// Of models that the anchor alone names, until *chain* is ok.
pub const SETTLED: &str = "settled with chain";

const ROWS: [u64; 3] = [64, 128, 256];
const MOST_SEQUENCES: u64 = 4;
const LEAST_ANSWER: u64 = 8;
const MOST_ANSWER: u64 = 64;
const LEAST_ALPHABET: u64 = 256;
const LEAST_PROMPT: u64 = 16;

/// What this link reads.
pub struct ReadParts {
    pub call: LlmCall,
    /// The call's transaction; of a lane without its signature.
    pub made: Transaction,
    pub header: Header,
    pub call_model: NamedModel,
    pub block_model: NamedModel,
}

/// The parts, and what is said of their models.
pub fn read(
    proven: &Proven,
    network: &Network,
    around: &Around,
) -> Result<(ReadParts, (Status, String)), Broken> {
    let limit = network.transaction_bytes;
    let made = match &proven.call {
        Call::Listed(listed) => transaction(&listed.transaction, limit),
        Call::Open(unsigned) => unsigned_call(unsigned, limit),
    };
    let mut made = made.map_err(|error| Broken(format!("the call cannot be read: must be {}", error.0)))?;
    let none = Payload::Result { call_id: made.txid, answer: Vec::new() };
    let Payload::Call(call) = core::mem::replace(&mut made.payload, none) else {
        return Err("the transaction is no call".into());
    };
    let header = header(&proven.header, network.header_bytes)
        .map_err(|error| Broken(format!("the header cannot be read: must be {}", error.0)))?;

    let given = given(&proven.models, &[call.model_id, header.model_id], network)?;
    let known = |id: &[u8; 64]| given.iter().chain(&network.models).find(|one| one.model_id == *id).cloned();
    let missing = || Broken("a model of call or block is not named".to_string());
    let call_model = known(&call.model_id).ok_or_else(missing)?;
    let block_model = known(&header.model_id).ok_or_else(missing)?;
    let what = format!("tier {}", call_model.tier);
    let vouched = given.iter().map(|model| vouched(model, around)).collect::<Result<Vec<_>, _>>()?;
    let told = if given.is_empty() {
        (Status::Ok, format!("{what}, genesis"))
    } else if vouched.iter().all(Option::is_some) {
        let mut words: Vec<_> = vouched.into_iter().flatten().collect();
        words.sort_unstable();
        words.dedup();
        (Status::Ok, format!("{what}, {}", words.join(" and ")))
    } else if proven.anchor.is_some() {
        (Status::Open, format!("{what}, {SETTLED}"))
    } else {
        let unknown = long(&call.model_id);
        let words = format!("{what}: a stranger's model may say anything; trust it by --model {unknown}");
        (Status::Open, words)
    };
    Ok((ReadParts { call, made, header, call_model, block_model }, told))
}

/// The promise, and the model that it names, where it is known.
pub fn read_promised<'a>(
    signed: &Signed,
    network: &'a Network,
    around: &'a Around,
) -> Result<(Promise, Option<&'a NamedModel>, (Status, String)), Broken> {
    let promise = read_promise(signed)?;
    let among = |models: &'a [NamedModel]| models.iter().find(|one| one.model_id == promise.model_id);
    let (genesis, at_hand) = (among(&network.models), among(&around.models));
    let told = if let Some(found) = genesis {
        (Status::Ok, format!("tier {}, genesis", found.tier))
    } else if let Some(found) = at_hand {
        (Status::Ok, format!("tier {}, at hand", found.tier))
    } else if around.trusted.contains(&promise.model_id) {
        (Status::Ok, "named by you".to_string())
    } else {
        (Status::Open, format!("model {} is not the genesis block's", short(&promise.model_id)))
    };
    Ok((promise, genesis.or(at_hand), told))
}

/// What the gateway signed.
pub fn read_promise(signed: &Signed) -> Result<Promise, Broken> {
    promise(&signed.record).map_err(|error| Broken(format!("the record cannot be read: must be {}", error.0)))
}

fn given(models: &[Vec<u8>], used: &[[u8; 64]; 2], network: &Network) -> Result<Vec<NamedModel>, Broken> {
    let mut found = Vec::new();
    for (place, data) in models.iter().enumerate() {
        let model = named_model(data)
            .map_err(|error| Broken(format!("models[{place}] is none: must be {}", error.0)))?;
        if !takes(&model, network.salt_bits) {
            return Err(Broken(format!("models[{place}] has a ticket that no model may have")));
        }
        found.push(model);
    }
    let genesis = |id: &&[u8; 64]| network.models.iter().any(|one| one.model_id == **id);
    let mut needed: Vec<_> = used.iter().filter(|id| !genesis(id)).collect();
    needed.sort_unstable();
    needed.dedup();
    if found.iter().map(|model| &model.model_id).eq(needed.iter().copied()) {
        return Ok(found);
    }
    let (named, uses) = (found.len(), needed.len());
    Err(Broken(format!("models names {named}, call and block use {uses} that are not genesis'")))
}

/// The rules of a ticket, which keep drawing one short.
fn takes(model: &NamedModel, salt_bits: u32) -> bool {
    let ticket = &model.puzzle;
    (1..=MOST_SEQUENCES).contains(&ticket.sequences)
        && (LEAST_ANSWER..=MOST_ANSWER).contains(&ticket.max_answer)
        && ROWS.contains(&ticket.rows)
        && ticket.rows <= u64::from(model.max_seq())
        && ticket.input_tokens + ticket.max_answer <= ticket.rows + 1
        && model.salt_alphabet() >= LEAST_ALPHABET
        && model.minimum_salt(salt_bits).is_some_and(|salt| ticket.input_tokens > LEAST_PROMPT + salt)
}

/// Who stands for a model, None if nobody does. Its id alone says nothing of its ticket.
fn vouched(model: &NamedModel, around: &Around) -> Result<Option<&'static str>, Broken> {
    if let Some(known) = around.models.iter().find(|one| one.model_id == model.model_id) {
        if known != model {
            return Err("a model differs from the one of that id at hand".into());
        }
        return Ok(Some("at hand"));
    }
    Ok(around.trusted.contains(&model.model_id).then_some("named by you"))
}
