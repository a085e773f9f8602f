//! The chain's own records, as far as a receipt has them.

use alloc::vec::Vec;

use esper_digest::{tagged_sha3_256, tagged_sha3_512};

use crate::tags;
use crate::trees::Range;
use crate::wire::{Malformed, Reader, decode};

type Hash = [u8; 64];
type Address = [u8; 33];
type Read<T> = Result<T, Malformed>;

/// Bytes of a named model, at most.
pub const MAX_NAMED: usize = 4096;
const MAX_PROMPT: u64 = 1024;
/// Tokens of an answer that a call may ask for, at most.
pub const MAX_ANSWER: u64 = 128;
const MAX_KEY: usize = 1952;
const MAX_SIGNATURE: usize = 7856;
const ONE: u64 = 1 << 16;

/// A block's header.
#[derive(Debug)]
pub struct Header {
    /// Which network.
    pub genesis_hash: Hash,
    /// Place in the chain.
    pub height: u64,
    /// When the miner says the work began.
    pub time_ms: u64,
    /// Root over the transactions.
    pub tx_root: Hash,
    /// Root over the call groups.
    pub calls_root: Hash,
    /// State after the block.
    pub state_root: [u8; 32],
    /// The finder's address.
    pub payee: Address,
    /// Model of the work.
    pub model_id: Hash,
    /// Its tier.
    pub tier: u64,
    /// The ticket's bound.
    pub target: Hash,
    /// The prompt bank of the work.
    pub bank_root: Hash,
    /// Digest of the answers.
    pub result: Hash,
    /// Hash of the work's outputs.
    pub outputs_hash: Hash,
    /// Hash of the work's proof.
    pub proof_hash: Hash,
    /// What the work is done for.
    pub work_id: Hash,
    /// The block's name.
    pub block_id: Hash,
}

/// Reads a header.
///
/// # Errors
/// [`Malformed`], as for all of these.
pub fn header(data: &[u8], limit: usize) -> Read<Header> {
    decode(data, limit, |r| {
        r.array(5)?;
        let start = r.position();
        r.array(18)?;
        r.unsigned(16)?;
        let genesis_hash = r.fixed()?;
        r.fixed::<64>()?;
        let (height, time_ms) = (r.unsigned(32)?, r.unsigned(63)?);
        let tx_root = r.fixed()?;
        r.fixed::<64>()?;
        let calls_root = r.fixed()?;
        let (state_root, payee, model_id, tier, target) =
            (r.fixed()?, r.fixed()?, r.fixed()?, r.unsigned(8)?, r.fixed()?);
        r.unsigned(64)?;
        let bank_root = r.fixed()?;
        r.fixed::<64>()?;
        r.unsigned(32)?;
        r.unsigned(64)?;
        let pre = r.since(start);
        let result: Hash = r.fixed()?;
        let start = r.position();
        r.array(3)?;
        r.fixed::<32>()?;
        r.list(24, Reader::fixed::<32>)?;
        r.fixed::<64>()?;
        let vrf = tagged_sha3_512(tags::VRF_PROOF, &[r.since(start)]);
        let (outputs_hash, proof_hash): (Hash, Hash) = (r.fixed()?, r.fixed()?);
        let block_id = tagged_sha3_512(tags::HEADER, &[pre, &result, &vrf, &outputs_hash, &proof_hash]);
        let work_id = tagged_sha3_512(tags::WORK, &[pre]);
        Ok(Header {
            genesis_hash,
            height,
            time_ms,
            tx_root,
            calls_root,
            state_root,
            payee,
            model_id,
            tier,
            target,
            bank_root,
            result,
            outputs_hash,
            proof_hash,
            work_id,
            block_id,
        })
    })
}

/// What a transaction of the kinds that matter here does.
#[derive(Debug)]
pub enum Payload {
    /// Asks for an answer.
    Call(LlmCall),
    /// Answers a call that was left open.
    Result {
        /// Which call.
        call_id: Hash,
        /// Token ids.
        answer: Vec<u32>,
    },
}

/// A call.
#[derive(Debug)]
pub struct LlmCall {
    /// The model that shall answer.
    pub model_id: Hash,
    /// Token ids.
    pub prompt: Vec<u32>,
    /// Answer tokens at most.
    pub max_tokens: u64,
    /// Micro-credits per prompt token.
    pub price: u64,
}

/// A call or a result.
#[derive(Debug)]
pub struct Transaction {
    /// 5 or 6.
    pub kind: u64,
    /// Signature suite.
    pub suite: u64,
    /// Address of who signs.
    pub sender: Address,
    /// Whether a key that travels along is the sender's.
    pub key_fits: bool,
    /// First and last height at which it is valid.
    pub window: [u64; 2],
    /// What it does.
    pub payload: Payload,
    /// Its name.
    pub txid: Hash,
    /// Its name with the signature; of unsigned bytes none.
    pub wtxid: Option<Hash>,
}

const CALL: u64 = 5;
const RESULT: u64 = 6;

/// Reads a transaction; of other kinds than call and result it says no more than that they are none.
///
/// # Errors
/// [`Malformed`].
pub fn transaction(data: &[u8], limit: usize) -> Read<Transaction> {
    decode(data, limit, |r| {
        r.record(10, 1)?;
        let start = r.position();
        let mut found = envelope(r)?;
        // The unsigned form is a record of one element less, without the last one.
        let unsigned = r.since(start);
        r.bytes(MAX_SIGNATURE)?;
        found.txid = tagged_sha3_512(tags::TXID, &[&[0x9A, 1], unsigned]);
        found.wtxid = Some(tagged_sha3_512(tags::WTXID, &[data]));
        Ok(found)
    })
}

/// Reads a call without its signature.
///
/// # Errors
/// [`Malformed`].
pub fn unsigned_call(data: &[u8], limit: usize) -> Read<Transaction> {
    decode(data, limit, |r| {
        r.record(9, 1)?;
        let mut found = envelope(r)?;
        if found.kind != CALL {
            return Err(Malformed("a call"));
        }
        found.txid = tagged_sha3_512(tags::TXID, &[data]);
        Ok(found)
    })
}

/// From the kind to the payload.
fn envelope(r: &mut Reader<'_>) -> Read<Transaction> {
    let (kind, suite) = (r.unsigned(8)?, r.unsigned(8)?);
    let sender: Address = r.fixed()?;
    let key = r.bytes(MAX_KEY)?;
    r.unsigned(64)?;
    r.unsigned(63)?;
    let window = [r.unsigned(32)?, r.unsigned(32)?];
    let payload = match kind {
        CALL => {
            r.array(4)?;
            Payload::Call(LlmCall {
                model_id: r.fixed()?,
                prompt: r.tokens(MAX_PROMPT)?,
                max_tokens: r.unsigned(16)?,
                price: r.unsigned(32)?,
            })
        }
        RESULT => {
            r.array(2)?;
            Payload::Result { call_id: r.fixed()?, answer: r.tokens(MAX_ANSWER)? }
        }
        _ => return Err(Malformed("a call or a result")),
    };
    let key_fits = key.is_empty() || address_of(suite as u8, key) == sender;
    Ok(Transaction { kind, suite, sender, key_fits, window, payload, txid: [0; 64], wtxid: None })
}

/// The address of a public key.
#[must_use]
pub fn address_of(suite: u8, key: &[u8]) -> Address {
    let hash = tagged_sha3_256(tags::ADDRESS, &[&[suite], key]);
    let mut address = [suite; 33];
    if let Some(rest) = address.last_chunk_mut() {
        *rest = hash;
    }
    address
}

/// Calls that are proven together.
#[derive(Debug)]
pub struct CallGroup {
    /// 0 for the block's own calls, 1 for a lane's.
    pub kind: u64,
    /// The model.
    pub model_id: Hash,
    /// Id and logits of each call.
    pub calls: Vec<(Hash, Vec<i64>)>,
    /// The proof.
    pub proof: Vec<u8>,
}

/// Reads a call group.
///
/// # Errors
/// [`Malformed`].
pub fn call_group(data: &[u8]) -> Read<CallGroup> {
    decode(data, data.len(), |r| {
        r.record(4, 2)?;
        let (kind, model_id) = (r.unsigned(2)?, r.fixed()?);
        let calls = r.list(64, |r| {
            r.array(2)?;
            Ok((r.fixed()?, r.list(MAX_ANSWER, Reader::signed)?))
        })?;
        Ok(CallGroup { kind, model_id, calls, proof: r.bytes(1 << 20)?.to_vec() })
    })
}

/// What a gateway signs.
#[derive(Debug)]
pub struct Promise {
    /// Which network.
    pub genesis_hash: Hash,
    /// The signer's address.
    pub gateway: Address,
    /// The model.
    pub model_id: Hash,
    /// Token ids.
    pub prompt: Vec<u32>,
    /// Answer tokens at most.
    pub max_tokens: u64,
    /// Token ids.
    pub answer: Vec<u32>,
    /// Hash of what was asked.
    pub request: Hash,
    /// The signer's tip.
    pub height: u64,
}

/// Reads a promise.
///
/// # Errors
/// [`Malformed`].
pub fn promise(data: &[u8]) -> Read<Promise> {
    decode(data, 8192, |r| {
        r.record(8, 1)?;
        Ok(Promise {
            genesis_hash: r.fixed()?,
            gateway: r.fixed()?,
            model_id: r.fixed()?,
            prompt: r.tokens(MAX_PROMPT)?,
            max_tokens: r.unsigned(16)?,
            answer: r.tokens(MAX_ANSWER)?,
            request: r.fixed()?,
            height: r.unsigned(32)?,
        })
    })
}

/// A model as the chain names it, with its ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedModel {
    /// Its name.
    pub model_id: Hash,
    /// Its tier.
    pub tier: u64,
    /// vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq.
    pub shape: [u32; 8],
    /// Token that begins every sequence.
    pub bos: u32,
    /// Token that ends an answer.
    pub eos: u32,
    /// Ids that salt never uses, ascending.
    pub special_ids: Vec<u32>,
    /// Hash of the tokenizer's file.
    pub tokenizer_id: Hash,
    /// Root of the prompt bank.
    pub bank_root: Hash,
    /// Prompts in it.
    pub bank_size: u32,
    /// The ticket.
    pub puzzle: Puzzle,
}

/// The part of a ticket's shape that belongs to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Puzzle {
    /// Prompts per batch.
    pub sequences: u64,
    /// Rows per sequence in the proof.
    pub rows: u64,
    /// Length of BOS, salt and prompt together.
    pub input_tokens: u64,
    /// Answer tokens at most.
    pub max_answer: u64,
}

impl NamedModel {
    /// Token ids are below this.
    #[must_use]
    pub fn vocab(&self) -> u32 {
        self.shape[0]
    }

    /// Longest sequence in tokens.
    #[must_use]
    pub fn max_seq(&self) -> u32 {
        self.shape[7]
    }

    /// How many ids salt may use.
    #[must_use]
    pub fn salt_alphabet(&self) -> u64 {
        u64::from(self.vocab()).saturating_sub(self.special_ids.len() as u64)
    }

    /// The `index`-th id that is not special.
    #[must_use]
    pub fn salt_token(&self, index: u64) -> u32 {
        let mut token = index;
        for &special in &self.special_ids {
            if u64::from(special) > token {
                break;
            }
            token += 1;
        }
        token as u32
    }

    /// Fewest tokens of salt that hold so many bits, at most 128; `None` where the alphabet is too small.
    #[must_use]
    pub fn minimum_salt(&self, bits: u32) -> Option<u64> {
        let (alphabet, bound) = (u128::from(self.salt_alphabet()), 1u128.checked_shl(bits));
        if alphabet < 2 {
            return None;
        }
        let (mut tokens, mut strength) = (0, 1u128);
        while bound.is_none_or(|bound| strength < bound) {
            tokens += 1;
            match strength.checked_mul(alphabet) {
                Some(stronger) => strength = stronger,
                // 2^128 or more.
                None => break,
            }
        }
        Some(tokens)
    }
}

fn entry(r: &mut Reader<'_>) -> Read<NamedModel> {
    r.array(9)?;
    let (model_id, tier) = (r.fixed()?, r.unsigned(8)?);
    r.array(8)?;
    let mut shape = [0; 8];
    for size in &mut shape {
        *size = r.u32()?;
    }
    let (bos, eos, special_ids) = (r.u32()?, r.u32()?, r.tokens(256)?);
    let ascending = special_ids.is_sorted_by(|one, next| one < next);
    let [vocab, ..] = shape;
    let fits = ascending
        && special_ids.contains(&bos)
        && special_ids.contains(&eos)
        && special_ids.last().is_some_and(|&last| last < vocab);
    if !fits {
        return Err(Malformed("special ids of a model"));
    }
    let (tokenizer_id, bank_root, bank_size) = (r.fixed()?, r.fixed()?, r.u32()?);
    let puzzle = Puzzle { sequences: 0, rows: 0, input_tokens: 0, max_answer: 0 };
    Ok(NamedModel {
        model_id,
        tier,
        shape,
        bos,
        eos,
        special_ids,
        tokenizer_id,
        bank_root,
        bank_size,
        puzzle,
    })
}

fn puzzle(r: &mut Reader<'_>) -> Read<Puzzle> {
    r.array(4)?;
    Ok(Puzzle {
        sequences: r.unsigned(8)?,
        rows: r.unsigned(16)?,
        input_tokens: r.unsigned(16)?,
        max_answer: r.unsigned(8)?,
    })
}

/// Reads entry and ticket.
///
/// # Errors
/// [`Malformed`].
pub fn named(r: &mut Reader<'_>) -> Read<NamedModel> {
    r.array(2)?;
    let mut found = entry(r)?;
    found.puzzle = puzzle(r)?;
    Ok(found)
}

/// Reads a model as it stands in `models`.
///
/// # Errors
/// [`Malformed`].
pub fn named_model(data: &[u8]) -> Read<NamedModel> {
    decode(data, MAX_NAMED, named)
}

fn omega(r: &mut Reader<'_>) -> Read<()> {
    if r.unsigned(64)? == 0 { Err(Malformed("a positive omega")) } else { Ok(()) }
}

/// Reads a tier of the state: the models that it may be mined with, the own one first.
///
/// # Errors
/// [`Malformed`].
pub fn tier(data: &[u8]) -> Read<Vec<NamedModel>> {
    decode(data, 4096, |r| {
        r.record(6, 1)?;
        let mut own = entry(r)?;
        omega(r)?;
        if !(1..=ONE).contains(&r.unsigned(17)?) {
            return Err(Malformed("a share"));
        }
        own.puzzle = puzzle(r)?;
        let previous = r.list(1, |r| {
            r.array(3)?;
            let mut found = entry(r)?;
            omega(r)?;
            found.puzzle = puzzle(r)?;
            Ok(found)
        })?;
        r.unsigned(32)?;
        if previous.iter().any(|one| one.tier != own.tier) {
            return Err(Malformed("a previous model of the tier"));
        }
        let mut found = Vec::from([own]);
        found.extend(previous);
        Ok(found)
    })
}

/// Reads a mountain range of the state.
///
/// # Errors
/// [`Malformed`].
pub fn range(data: &[u8]) -> Read<Range> {
    decode(data, 8192, |r| {
        r.record(2, 1)?;
        let found = Range { count: r.unsigned(64)?, peaks: r.list(64, Reader::fixed)? };
        if found.peaks.len() == found.count.count_ones() as usize {
            Ok(found)
        } else {
            Err(Malformed("as many peaks as the count has"))
        }
    })
}

/// What became of a transaction, as the chain has it.
#[derive(Debug)]
pub struct Outcome {
    /// Kind, id and sender of the transaction.
    pub of: (u64, Hash, Address),
    /// Micro-credits burned.
    pub burned: u64,
    /// Tokens that were paid for.
    pub paid_tokens: u64,
}

/// Reads an outcome.
///
/// # Errors
/// [`Malformed`].
pub fn outcome(data: &[u8]) -> Read<Outcome> {
    decode(data, 256, |r| {
        r.record(8, 1)?;
        let of = (r.unsigned(8)?, r.fixed()?, r.fixed()?);
        r.unsigned(63)?;
        let burned = r.unsigned(63)?;
        r.unsigned(63)?;
        let paid_tokens = r.unsigned(32)?;
        r.unsigned(1)?;
        Ok(Outcome { of, burned, paid_tokens })
    })
}

/// A prompt of the bank, with the proof that it stands there.
#[derive(Debug)]
pub struct Opening {
    /// Place in the bank.
    pub index: u64,
    /// Hash of the tokenizer's file.
    pub tokenizer_id: Hash,
    /// Token ids, one at least.
    pub tokens: Vec<u32>,
    /// Start and length of what the seed replaces: ascending, disjoint, inside.
    pub mask_spans: Vec<[u32; 2]>,
    /// Hash of the bank's text.
    pub json_hash: Hash,
    /// Siblings, from the leaf upwards.
    pub path: Vec<Hash>,
}

/// What the model said to one sequence of the work.
#[derive(Debug)]
pub struct Answer {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// Ids and logits of the best candidates, of each token.
    pub top: Vec<Vec<(u32, i64)>>,
}

/// Reads the outputs of work.
///
/// # Errors
/// [`Malformed`].
pub fn outputs(data: &[u8]) -> Read<(Vec<Opening>, Vec<Answer>)> {
    decode(data, data.len(), |r| {
        r.record(2, 1)?;
        let openings = r.list(4, opening)?;
        let answers = r.list(4, |r| {
            r.array(2)?;
            let tokens = r.tokens(64)?;
            let top = r.list(64, |r| {
                r.list(8, |r| {
                    r.array(2)?;
                    Ok((r.u32()?, r.signed()?))
                })
            })?;
            Ok(Answer { tokens, top })
        })?;
        Ok((openings, answers))
    })
}

fn opening(r: &mut Reader<'_>) -> Read<Opening> {
    r.array(3)?;
    let index = r.unsigned(32)?;
    r.array(4)?;
    let (tokenizer_id, tokens) = (r.fixed()?, r.tokens(512)?);
    let mask_spans = r.list(64, |r| {
        r.array(2)?;
        Ok([r.u32()?, r.u32()?])
    })?;
    let json_hash = r.fixed()?;
    let mut end = 0;
    for &[start, length] in &mask_spans {
        let start = u64::from(start);
        if start < end || length == 0 {
            return Err(Malformed("spans of a prompt"));
        }
        end = start + u64::from(length);
    }
    if tokens.is_empty() || end > tokens.len() as u64 {
        return Err(Malformed("a prompt"));
    }
    Ok(Opening { index, tokenizer_id, tokens, mask_spans, json_hash, path: r.list(40, Reader::fixed)? })
}

impl Opening {
    /// What the bank's tree holds for the prompt.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let words =
            |words: &mut dyn Iterator<Item = u32>| words.flat_map(u32::to_be_bytes).collect::<Vec<_>>();
        let tokens = words(&mut self.tokens.iter().copied());
        let spans = words(&mut self.mask_spans.iter().flatten().copied());
        let counts = [self.tokens.len() as u32, self.mask_spans.len() as u32].map(u32::to_be_bytes);
        let [token_count, span_count] = &counts;
        let parts: [&[u8]; 6] =
            [&self.tokenizer_id, token_count, &tokens, span_count, &spans, &self.json_hash];
        tagged_sha3_512(tags::PROMPT, &parts)
    }
}
