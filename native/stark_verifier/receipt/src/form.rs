//! The parts of a receipt, read from its bytes in the order in which they stand.
//!
//! Strings of people are looked at and not kept, but for what a link compares. Depth, and the number of objects and
//! lists, follow from the parts and their limits: 6 and some 500, below the form's 8 and 1,024.

use alloc::vec::Vec;

use crate::json::{Cursor, MAX_NUMBER, NoForm};

/// Bytes of a receipt, at most.
pub const MAX_BYTES: usize = 1 << 22;
/// Siblings of a path: no list has 2^64 items.
pub const MAX_PATH: usize = 64;
/// Token ids of a prompt, at most.
pub const MAX_PROMPT: usize = 1024;
/// Token ids of an answer, at most.
pub const MAX_ANSWER: usize = 128;
const MAX_GROUP: usize = 64;
const MAX_MODELS: usize = 2;
const MAX_MESSAGES: usize = 256;
const MAX_STOPS: usize = 4;
const STATE_BITS: usize = 256;

type Hash = [u8; 64];
type Read<T> = Result<T, NoForm>;

/// A transaction in a block: its place under `tx_root`.
#[derive(Debug)]
pub struct Listed {
    /// Its bytes.
    pub transaction: Vec<u8>,
    /// Its place.
    pub place: Place,
}

/// A place in a list of the block, under its root.
#[derive(Debug)]
pub struct Place {
    /// Which one, from 0.
    pub index: u64,
    /// Of how many.
    pub count: u64,
    /// Siblings, from the leaf upwards.
    pub path: Vec<Hash>,
}

/// The call.
#[derive(Debug)]
pub enum Call {
    /// Of a block.
    Listed(Listed),
    /// Of a lane: its unsigned bytes.
    Open(Vec<u8>),
}

/// A sequence of a proof: a call of the group with its answer.
#[derive(Debug)]
pub struct Member {
    /// Token ids.
    pub prompt: Vec<u32>,
    /// Token ids.
    pub answer: Vec<u32>,
    /// Answer tokens at most.
    pub max_tokens: u64,
}

/// The group of calls that the proof is about.
#[derive(Debug)]
pub struct Group {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its place under `calls_root`.
    pub place: Place,
    /// Of each sequence in the proof.
    pub rows: u64,
    /// Which member is the receipt's call.
    pub position: usize,
    /// One a call.
    pub members: Vec<Member>,
}

/// A promise that a gateway signed.
#[derive(Debug)]
pub struct Signed {
    /// What it says.
    pub record: Vec<u8>,
    /// Public key.
    pub key: Vec<u8>,
    /// Signature.
    pub signature: Vec<u8>,
    /// Whether there is a salt, which belongs to records of markets.
    pub salted: bool,
}

/// The work of the block.
#[derive(Debug)]
pub struct Work {
    /// Prompts and answers.
    pub outputs: Vec<u8>,
    /// The proof.
    pub proof: Vec<u8>,
}

/// A record of the anchor's state, with its place in it.
#[derive(Debug)]
pub struct InState {
    /// Records in the state.
    pub count: u64,
    /// Siblings, from the top down.
    pub siblings: Vec<[u8; 32]>,
    /// The record.
    pub record: Vec<u8>,
}

/// A later header, whose state holds block, outcome and models.
#[derive(Debug)]
pub struct Anchor {
    /// Its bytes.
    pub header: Vec<u8>,
    /// Kind 23: the blocks.
    pub blocks: InState,
    /// Weight of the chain at the block, big-endian.
    pub weight: [u8; 32],
    /// Siblings of the block, from the leaf upwards.
    pub block_path: Vec<Hash>,
    /// Kind 11: the outcomes.
    pub outcomes: InState,
    /// Which outcome.
    pub number: u64,
    /// Its bytes.
    pub outcome: Vec<u8>,
    /// Its siblings, from the leaf upwards.
    pub outcome_path: Vec<Hash>,
    /// Kind 14, one for each of the receipt's models.
    pub tiers: Vec<InState>,
}

/// What a proof has and a promise has not.
#[derive(Debug)]
pub struct Proven {
    /// Models that are used and are not genesis'.
    pub models: Vec<Vec<u8>>,
    /// The call.
    pub call: Call,
    /// The result that answers a lane.
    pub answer: Option<Listed>,
    /// The proof.
    pub group: Group,
    /// Id of the block.
    pub block_id: Hash,
    /// Its header.
    pub header: Vec<u8>,
    /// Its work.
    pub work: Option<Work>,
    /// A later header.
    pub anchor: Option<Anchor>,
}

/// A receipt.
#[derive(Debug)]
pub struct Receipt<'a> {
    /// Name of the network, as it stands in the file.
    pub network: &'a [u8],
    /// Its genesis hash.
    pub genesis_hash: Hash,
    /// The bytes of `request`, which a promise hashes.
    pub request: Option<&'a [u8]>,
    /// Hash of the tokenizer's file.
    pub tokenizer_id: Hash,
    /// The prompt in words: ids of special tokens, None for a text.
    pub prompt: Vec<Option<u32>>,
    /// A gateway's promise.
    pub instant: Option<Signed>,
    /// None of a promise.
    pub proven: Option<Proven>,
}

/// Reads a receipt.
///
/// # Errors
/// [`NoForm`] for any other bytes than the one form's.
pub fn read(data: &[u8]) -> Read<Receipt<'_>> {
    let c = &mut Cursor::new(data);
    if data.len() > MAX_BYTES {
        return Err(c.refusal("fewer bytes"));
    }
    c.exactly("{\"format\":\"esper-receipt\",\"version\":1,\"kind\":")?;
    let is_proof = c.skip("\"proof\",");
    if !is_proof {
        c.exactly("\"promise\",")?;
    }
    c.exactly("\"network\":")?;
    c.exactly("{\"name\":")?;
    let network = c.text()?;
    c.exactly(",\"genesis_hash\":")?;
    let genesis_hash = c.hex()?;
    c.exactly("},")?;
    let models = if is_proof {
        c.exactly("\"models\":")?;
        let found = c.list(MAX_MODELS, Cursor::base64)?;
        c.exactly(",")?;
        found
    } else {
        Vec::new()
    };
    let request = if c.ahead("\"request\":") || !is_proof { Some(request(c)?) } else { None };
    let (tokenizer_id, prompt) = words(c)?;
    let instant = if c.ahead(",\"instant\":") || request.is_some() { Some(signed(c)?) } else { None };
    let proven = if is_proof { Some(proven(c, models)?) } else { None };
    c.exactly("}")?;
    c.end()?;
    Ok(Receipt { network, genesis_hash, request, tokenizer_id, prompt, instant, proven })
}

/// `request` and the comma behind it.
fn request<'a>(c: &mut Cursor<'a>) -> Read<&'a [u8]> {
    c.exactly("\"request\":")?;
    let start = c.position();
    c.exactly("{\"endpoint\":")?;
    let endpoints = ["\"chat.completions\"", "\"completions\"", "\"responses\"", "\"ollama\""];
    if !endpoints.iter().any(|name| c.skip(name)) {
        return Err(c.refusal("an endpoint"));
    }
    c.exactly(",\"model\":")?;
    c.text()?;
    c.exactly(",\"input\":")?;
    if c.ahead("\"") {
        c.text()?;
    } else if c.ahead("[{") {
        c.list(MAX_MESSAGES, message)?;
    } else {
        c.list(MAX_PROMPT, token)?;
    }
    c.exactly(",\"max_tokens\":")?;
    c.number(MAX_NUMBER)?;
    c.exactly(",\"stop\":")?;
    c.list(MAX_STOPS, Cursor::text)?;
    c.exactly("}")?;
    let found = c.since(start);
    c.exactly(",")?;
    Ok(found)
}

fn message(c: &mut Cursor<'_>) -> Read<()> {
    c.exactly("{")?;
    if !["\"role\":\"system\"", "\"role\":\"user\"", "\"role\":\"assistant\""].iter().any(|role| c.skip(role))
    {
        return Err(c.refusal("a role"));
    }
    c.exactly(",\"content\":")?;
    c.text()?;
    c.exactly("}")
}

fn token(c: &mut Cursor<'_>) -> Read<u32> {
    let wrong = c.refusal("a token id");
    u32::try_from(c.number(u32::MAX.into())?).map_err(|_| wrong)
}

/// `text`: the tokenizer, and the prompt's numbers.
fn words(c: &mut Cursor<'_>) -> Read<(Hash, Vec<Option<u32>>)> {
    c.exactly("\"text\":")?;
    c.exactly("{\"tokenizer_id\":")?;
    let tokenizer = c.hex()?;
    c.exactly(",\"prompt\":")?;
    let prompt =
        c.list(MAX_PROMPT, |c| if c.ahead("\"") { c.text().map(|_| None) } else { token(c).map(Some) })?;
    c.exactly(",\"answer\":")?;
    c.text()?;
    c.exactly("}")?;
    Ok((tokenizer, prompt))
}

fn signed(c: &mut Cursor<'_>) -> Read<Signed> {
    c.exactly(",\"instant\":")?;
    c.exactly("{\"record\":")?;
    let record = c.base64()?;
    c.exactly(",\"key\":")?;
    let key = c.base64()?;
    c.exactly(",\"signature\":")?;
    let signature = c.base64()?;
    let salted = c.skip(",\"salt\":");
    if salted {
        c.base64()?;
    }
    c.exactly("}")?;
    Ok(Signed { record, key, signature, salted })
}

fn proven(c: &mut Cursor<'_>, models: Vec<Vec<u8>>) -> Read<Proven> {
    c.exactly(",\"call\":")?;
    let (call, answer) = if c.ahead("{\"unsigned\":") {
        c.exactly("{\"unsigned\":")?;
        let call = Call::Open(c.base64()?);
        c.exactly("},\"answer\":")?;
        (call, Some(listed(c)?))
    } else {
        (Call::Listed(listed(c)?), None)
    };
    c.exactly(",\"group\":")?;
    let group = group(c)?;
    c.exactly(",\"block_id\":")?;
    let block_id = c.hex()?;
    c.exactly(",\"header\":")?;
    let header = c.base64()?;
    let work = if c.skip(",\"work\":") {
        c.exactly("{\"outputs\":")?;
        let outputs = c.base64()?;
        c.exactly(",\"proof\":")?;
        let proof = c.base64()?;
        c.exactly("}")?;
        Some(Work { outputs, proof })
    } else {
        None
    };
    let anchor = if c.skip(",\"anchor\":") { Some(anchor(c)?) } else { None };
    Ok(Proven { models, call, answer, group, block_id, header, work, anchor })
}

fn listed(c: &mut Cursor<'_>) -> Read<Listed> {
    c.exactly("{\"transaction\":")?;
    let transaction = c.base64()?;
    let place = place(c)?;
    c.exactly("}")?;
    Ok(Listed { transaction, place })
}

fn place(c: &mut Cursor<'_>) -> Read<Place> {
    c.exactly(",\"index\":")?;
    let index = c.number(MAX_NUMBER)?;
    c.exactly(",\"count\":")?;
    let count = c.number(MAX_NUMBER)?;
    c.exactly(",\"path\":")?;
    let path = c.list(MAX_PATH, Cursor::base64_of)?;
    Ok(Place { index, count, path })
}

fn group(c: &mut Cursor<'_>) -> Read<Group> {
    c.exactly("{\"data\":")?;
    let data = c.base64()?;
    let place = place(c)?;
    c.exactly(",\"rows\":")?;
    let rows = c.number(u16::MAX.into())?;
    c.exactly(",\"position\":")?;
    let position = c.number(MAX_GROUP as u64 - 1)? as usize;
    c.exactly(",\"members\":")?;
    let members = c.list(MAX_GROUP, member)?;
    c.exactly("}")?;
    Ok(Group { data, place, rows, position, members })
}

fn member(c: &mut Cursor<'_>) -> Read<Member> {
    c.exactly("{\"prompt\":")?;
    let prompt = c.list(MAX_PROMPT, token)?;
    c.exactly(",\"answer\":")?;
    let answer = c.list(MAX_ANSWER, token)?;
    c.exactly(",\"max_tokens\":")?;
    let max_tokens = c.number(u16::MAX.into())?;
    c.exactly("}")?;
    Ok(Member { prompt, answer, max_tokens })
}

/// `state` and `record`, which stand first in an object that the caller closes.
fn in_state(c: &mut Cursor<'_>) -> Read<InState> {
    c.exactly("{\"state\":")?;
    c.exactly("{\"count\":")?;
    let count = c.number(MAX_NUMBER)?;
    c.exactly(",\"siblings\":")?;
    let siblings = c.list(STATE_BITS, Cursor::base64_of)?;
    c.exactly("},\"record\":")?;
    let record = c.base64()?;
    Ok(InState { count, siblings, record })
}

fn siblings(c: &mut Cursor<'_>) -> Read<Vec<Hash>> {
    c.exactly(",\"siblings\":")?;
    c.list(MAX_PATH, Cursor::base64_of)
}

fn anchor(c: &mut Cursor<'_>) -> Read<Anchor> {
    c.exactly("{\"header\":")?;
    let header = c.base64()?;
    c.exactly(",\"blocks\":")?;
    let blocks = in_state(c)?;
    c.exactly(",\"weight\":")?;
    let weight = c.hex()?;
    let block_path = siblings(c)?;
    c.exactly("},\"receipts\":")?;
    let outcomes = in_state(c)?;
    c.exactly(",\"number\":")?;
    let number = c.number(MAX_NUMBER)?;
    c.exactly(",\"receipt\":")?;
    let outcome = c.base64()?;
    let outcome_path = siblings(c)?;
    c.exactly("},\"tiers\":")?;
    let tiers = c.list(MAX_MODELS, |c| {
        let found = in_state(c)?;
        c.exactly("}")?;
        Ok(found)
    })?;
    c.exactly("}")?;
    Ok(Anchor { header, blocks, weight, block_path, outcomes, number, outcome, outcome_path, tiers })
}
