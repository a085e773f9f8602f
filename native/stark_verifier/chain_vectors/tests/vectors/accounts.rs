//! What addresses hold: coins, the credits that their stake has earned, and who votes for them.
//!
//! A unit that is staked since an epoch began has earned G / 2^64 micro-credits; G grows by
//! floor(C_b 2^64 / T) a block. Before stake, delegate or pot of an address change, what it held is
//! noted, once an epoch.

use crate::msgpack::{array, bytes, number};

pub type Address = [u8; 33];

const VERSION: u64 = 1;
/// Epochs that a ring looks back, the current one included.
const RING: u64 = 4;

fn wide(value: u128) -> Vec<u8> {
    bytes(&[[0; 16], value.to_be_bytes()].concat())
}

fn earned(stake: u64, index: u128) -> u64 {
    u64::try_from((u128::from(stake) * index) >> 64).unwrap()
}

#[derive(Default)]
pub struct Account {
    pub nonce: u64,
    pub balance: u64,
    pub stake: u64,
    epoch: u64,
    index: u128,
    older_credits: u64,
    newer_credits: u64,
    epoch_stake: u64,
}

impl Account {
    /// Whether nothing was ever here: that has no record.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance == 0 && self.stake == 0
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let [version, nonce, balance, stake, epoch] =
            [VERSION, self.nonce, self.balance, self.stake, self.epoch].map(number);
        // Nothing here burns credits, gives them away or receives any.
        let [older, newer, epoch_stake, used, allowance] =
            [self.older_credits, self.newer_credits, self.epoch_stake, 0, 0].map(number);
        let index = wide(self.index);
        array(&[version, nonce, balance, stake, epoch, index, older, newer, epoch_stake, used, allowance])
    }

    /// Puts what the stake has earned until now into the account.
    pub fn settle(&mut self, totals: &mut Totals) {
        let (older, newer);
        if self.epoch == totals.epoch {
            (older, newer) = (0, earned(self.stake, totals.index - self.index));
        } else {
            let follows = self.epoch + 1 == totals.epoch;
            let begun = if follows { self.index } else { 0 };
            older = earned(self.stake, totals.previous_index - begun);
            newer = earned(self.stake, totals.index);
            self.older_credits = if follows { self.newer_credits } else { 0 };
            self.newer_credits = 0;
            self.epoch_stake = self.stake;
        }
        self.older_credits += older;
        self.newer_credits += newer;
        totals.previous_drawn += older;
        totals.drawn += newer;
        (self.epoch, self.index) = (totals.epoch, totals.index);
    }
}

/// The credits of everyone together.
#[derive(Default)]
pub struct Totals {
    pub epoch: u64,
    pub total_stake: u64,
    index: u128,
    previous_index: u128,
    issued: u64,
    previous_issued: u64,
    drawn: u64,
    previous_drawn: u64,
}

/// What the network says of credits.
pub struct Credits {
    pub epoch_blocks: u64,
    pub per_block: u64,
    pub minimum_stake: u64,
}

impl Totals {
    /// None while all of it is zero: that has no record.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let [epoch, stake] = [self.epoch, self.total_stake].map(number);
        let counts = [self.issued, self.previous_issued, self.drawn, self.previous_drawn];
        let is_zero = self.epoch == 0 && self.total_stake == 0 && self.index == 0 && counts == [0; 4];
        let indices = [number(VERSION), epoch, stake, wide(self.index), wide(self.previous_index)];
        (!is_zero).then(|| array(&[&indices[..], &counts.map(number)].concat()))
    }

    /// The start of the block at `height`. No epoch is left out here.
    pub fn begin_block(&mut self, height: u64, rules: &Credits) {
        let epoch = height / rules.epoch_blocks;
        if epoch != self.epoch {
            assert_eq!(epoch, self.epoch + 1);
            *self = Self {
                epoch,
                total_stake: self.total_stake,
                previous_index: self.index,
                previous_issued: self.issued,
                previous_drawn: self.drawn,
                ..Self::default()
            };
        }
        if self.total_stake >= rules.minimum_stake.max(1) {
            self.index += (u128::from(rules.per_block) << 64) / u128::from(self.total_stake);
            self.issued += rules.per_block;
        }
    }
}

/// What the DAO keeps of an address.
#[derive(Default)]
pub struct Voter {
    /// Empty for nobody.
    pub delegate: Vec<u8>,
    pub pot: u64,
    ring: Vec<Noted>,
}

struct Noted {
    epoch: u64,
    stake: u64,
    delegate: Vec<u8>,
    pot: u64,
}

impl Voter {
    /// Nobody votes here, and no model is waited for.
    pub fn to_bytes(&self) -> Vec<u8> {
        let noted = |one: &Noted| {
            array(&[number(one.epoch), number(one.stake), bytes(&one.delegate), number(one.pot)])
        };
        let ring: Vec<_> = self.ring.iter().map(noted).collect();
        let (votes, ready) = (array(&[]), array(&[]));
        array(&[number(VERSION), bytes(&self.delegate), number(self.pot), array(&ring), votes, ready])
    }

    /// Before anything changes in `epoch`; `stake` is what the address has so far.
    pub fn note(&mut self, stake: u64, epoch: u64) {
        if self.ring.last().is_none_or(|last| last.epoch != epoch) {
            self.ring.push(Noted { epoch, stake, delegate: self.delegate.clone(), pot: self.pot });
        }
        self.ring.retain(|one| one.epoch + RING > epoch);
    }
}
