//! What the DAO begins with: records 12 to 14 and 23 of the state at genesis.
//!
//! The first tier has what the others leave of the shares, and omega 1; theirs follows from their
//! shapes, by the one ticket that all of them begin with.

use crate::cost::{Puzzle, Shape, reference_work};
use crate::msgpack::{array, bytes, number};
use crate::state::{Records, path};

/// Shares and omegas are counted in these.
pub const ONE: u64 = 1 << 16;
const RECORD_VERSION: u64 = 1;

/// A tier of the parameters.
pub struct Tier {
    pub id: u8,
    /// Its model as the parameters have it, whose form is that of the record too.
    pub model: Vec<u8>,
    pub shape: Shape,
    /// None for the first one.
    pub share: Option<u64>,
}

fn omega(shape: &Shape, first: &Shape, ticket: &Puzzle) -> u64 {
    let [own, unit] = [shape, first].map(|shape| u128::from(reference_work(shape, ticket)));
    u64::try_from(own * u128::from(ONE) / unit).unwrap()
}

/// The record of a range: its count and peaks.
pub fn range(count: usize, peaks: &[[u8; 64]]) -> Vec<u8> {
    let peaks: Vec<_> = peaks.iter().map(|peak| bytes(peak)).collect();
    array(&[number(RECORD_VERSION), number(count as u64), array(&peaks)])
}

/// The record of governance when nothing was ever proposed.
pub fn governance(epoch: u64, stake: u64, tiers: &[u8]) -> Vec<u8> {
    let tiers: Vec<_> = tiers.iter().map(|tier| number(u64::from(*tier))).collect();
    let counted = [RECORD_VERSION, 0, epoch, stake].map(number);
    array(&[&counted[..], &[array(&[]), array(&[]), array(&tiers)]].concat())
}

/// Puts all of them; `tiers` ascend.
pub fn put(records: &mut Records, tiers: &[Tier], ticket: &Puzzle, texts: &[Vec<u8>]) {
    let ids: Vec<_> = tiers.iter().map(|tier| tier.id).collect();
    records.insert(path(12, b"governance"), governance(0, 0, &ids));
    let texts: Vec<_> = texts.iter().map(|text| bytes(text)).collect();
    records.insert(path(13, b"settings"), array(&[number(RECORD_VERSION), array(&[]), array(&texts)]));
    records.insert(path(23, b"blocks"), range(0, &[]));
    let asked = [ticket.sequences, ticket.rows, ticket.input_tokens, ticket.max_answer].map(number);
    let given: u64 = tiers.iter().filter_map(|tier| tier.share).sum();
    for tier in tiers {
        let record = [
            number(RECORD_VERSION),
            tier.model.clone(),
            number(omega(&tier.shape, &tiers[0].shape, ticket)),
            number(tier.share.unwrap_or(ONE - given)),
            array(&asked),
            // None before it, since genesis.
            array(&[]),
            number(0),
        ];
        records.insert(path(14, &[tier.id]), array(&record));
    }
}
