//! A state of accounts, stakes and delegations, and what a block without calls does to it.

use std::collections::BTreeMap;

use crate::accounts::{Account, Address, Totals, Voter};
use crate::beginnings::{governance, range};
use crate::hashing::hash;
use crate::msgpack::{Item, array, bytes, number, read};
use crate::network::Network;
use crate::receipts::{leaf, peaks};
use crate::state::{Records, path};
use crate::transactions::unsigned;

const RECORD_VERSION: u64 = 1;
const RECEIPT_VERSION: u64 = 1;

pub struct Ledger<'a> {
    network: &'a Network,
    accounts: BTreeMap<Address, Account>,
    keys: BTreeMap<Address, (u64, Vec<u8>)>,
    voters: BTreeMap<Address, Voter>,
    totals: Totals,
    /// Epoch, and what was staked when it began.
    noted: (u64, u64),
    /// Payee and units by height.
    rewards: BTreeMap<u64, (Address, u64)>,
    /// Owner and units by the height of their release.
    unbondings: BTreeMap<u64, Vec<(Address, u64)>>,
    /// Leaves of all receipts.
    receipts: Vec<[u8; 64]>,
    /// Leaves of all blocks before this one.
    blocks: Vec<[u8; 64]>,
    beacon: [u8; 64],
    proven_tokens: u64,
    issued: u64,
}

/// What a block leaves for its child.
pub struct Parent<'a> {
    pub block_id: [u8; 64],
    pub time_ms: u64,
    /// Of the whole chain up to it, 32 bytes.
    pub weight: [u8; 32],
    pub result: &'a [u8; 64],
    pub vrf_output: &'a [u8; 64],
    pub proven_tokens: u64,
}

impl<'a> Ledger<'a> {
    /// The state before any block, of a network where nobody begins with coins.
    pub fn genesis(network: &'a Network) -> Self {
        Self {
            beacon: hash("esper/beacon/v1", &[&network.genesis_hash]),
            network,
            accounts: BTreeMap::new(),
            keys: BTreeMap::new(),
            voters: BTreeMap::new(),
            totals: Totals::default(),
            noted: (0, 0),
            rewards: BTreeMap::new(),
            unbondings: BTreeMap::new(),
            receipts: vec![],
            blocks: vec![],
            proven_tokens: 0,
            issued: 0,
        }
    }

    /// All records. Nobody is paid for tokens here.
    pub fn records(&self) -> Records {
        let mut records = Records::new();
        self.network.put_beginnings(&mut records);
        records.insert(path(12, b"governance"), governance(self.noted.0, self.noted.1, &[0]));
        records.insert(path(23, b"blocks"), range(self.blocks.len(), &peaks(&self.blocks)));
        let tokens = [0, self.proven_tokens, self.issued].map(number);
        let chain = [&[number(RECORD_VERSION), bytes(&self.beacon)], &tokens[..]].concat();
        records.insert(path(3, b"chain"), array(&chain));
        for (address, account) in self.accounts.iter().filter(|(_, account)| !account.is_empty()) {
            records.insert(path(1, address), account.to_bytes());
        }
        for (height, (payee, units)) in &self.rewards {
            let reward = array(&[number(RECORD_VERSION), bytes(payee), number(*units)]);
            records.insert(path(2, &height.to_be_bytes()), reward);
        }
        for (address, (suite, key)) in &self.keys {
            records.insert(path(4, address), array(&[number(RECORD_VERSION), number(*suite), bytes(key)]));
        }
        records.extend(self.totals.to_bytes().map(|totals| (path(5, b"credits"), totals)));
        for (height, entries) in &self.unbondings {
            let height = height.to_be_bytes();
            let count = array(&[number(RECORD_VERSION), number(entries.len() as u64)]);
            records.insert(path(6, &height), count);
            for (index, (owner, units)) in entries.iter().enumerate() {
                let place = [&height[..], &u32::try_from(index).unwrap().to_be_bytes()].concat();
                let entry = array(&[number(RECORD_VERSION), bytes(owner), number(*units)]);
                records.insert(path(7, &place), entry);
            }
        }
        if !self.receipts.is_empty() {
            records.insert(path(11, b"receipts"), range(self.receipts.len(), &peaks(&self.receipts)));
        }
        for (address, voter) in &self.voters {
            records.insert(path(16, address), voter.to_bytes());
        }
        records
    }

    /// Executes a block, its coinbase the last of its transactions.
    pub fn execute(&mut self, height: u64, payee: &Address, transactions: &[&[u8]], parent: &Parent<'_>) {
        let joined = [&parent.block_id[..], &parent.time_ms.to_be_bytes(), &parent.weight].concat();
        self.blocks.push(leaf(&joined));
        if let Some((payee, units)) =
            height.checked_sub(self.network.maturity).and_then(|height| self.rewards.remove(&height))
        {
            self.account(&payee).balance += units;
        }

        self.totals.begin_block(height, &self.network.credits);
        for (owner, units) in self.unbondings.remove(&height).unwrap_or_default() {
            self.account(&owner).balance += units;
        }
        if self.totals.epoch != self.noted.0 {
            self.noted = (self.totals.epoch, self.totals.total_stake);
        }
        let (coinbase, transactions) = transactions.split_last().unwrap();
        let fees = transactions.iter().map(|data| self.apply(data, height, payee)).sum::<u64>();

        // Without credits burned the finder goes without the bonus.
        let new = self.network.subsidy - self.network.subsidy / self.network.bonus_divisor;
        let fields = [number(1), number(0), number(height), bytes(payee), number(new + fees)];
        assert_eq!(*coinbase, array(&fields));
        self.rewards.insert(height, (*payee, new + fees));
        self.issued += new;
        self.beacon = hash("esper/beacon/v1", &[&self.beacon, parent.result, parent.vrf_output]);
        self.proven_tokens = parent.proven_tokens;
    }

    fn account(&mut self, address: &Address) -> &mut Account {
        self.accounts.entry(*address).or_default()
    }

    /// Executes one transaction; its fee.
    fn apply(&mut self, data: &[u8], height: u64, payee: &Address) -> u64 {
        let transaction = read(data);
        let [_, kind, suite, sender, key, nonce, fee, _, _, payload, _] = transaction.record();
        let (sender, fee) = (sender.sized(), fee.number());
        if !key.bytes().is_empty() {
            self.keys.insert(sender, (suite.number(), key.bytes().to_vec()));
        }
        assert!(self.keys.contains_key(&sender));
        let account = self.account(&sender);
        assert_eq!(nonce.number(), account.nonce);
        account.nonce += 1;
        account.balance -= fee;
        self.pay(kind.number(), &sender, payload, height);

        let txid = hash("esper/tx/id/v1", &[&unsigned(data)]);
        let own = u64::from(sender == *payee);
        let named = [number(RECEIPT_VERSION), number(kind.number()), bytes(&txid), bytes(&sender)];
        // No credits are burned or locked, no tokens paid for.
        let counted = [fee, 0, 0, 0, own].map(number);
        self.receipts.push(leaf(&array(&[&named[..], &counted].concat())));
        fee
    }

    fn pay(&mut self, kind: u64, sender: &Address, payload: &Item<'_>, height: u64) {
        let [what] = payload.record();
        match kind {
            1 => {
                for output in what.items() {
                    let [receiver, units] = output.record();
                    self.account(sender).balance -= units.number();
                    self.account(&receiver.sized()).balance += units.number();
                }
            }
            2 => {
                let units = what.number();
                self.move_stake(sender, |stake| stake + units);
                self.account(sender).balance -= units;
            }
            3 => {
                let (units, release) = (what.number(), height + self.network.unbonding);
                self.move_stake(sender, |stake| stake - units);
                self.unbondings.entry(release).or_default().push((*sender, units));
            }
            9 => self.delegate(sender, what.bytes()),
            _ => panic!("no block of these vectors has kind {kind}"),
        }
    }

    fn move_stake(&mut self, owner: &Address, moved: impl Fn(u64) -> u64) {
        let delegate = self.noted(owner).delegate.clone();
        let old = self.account(owner).stake;
        if !delegate.is_empty() {
            let pot = self.noted(&delegate.try_into().unwrap());
            pot.pot = pot.pot - old + moved(old);
        }
        let account = self.accounts.get_mut(owner).unwrap();
        account.settle(&mut self.totals);
        account.stake = moved(old);
        self.totals.total_stake = self.totals.total_stake - old + moved(old);
    }

    fn delegate(&mut self, owner: &Address, to: &[u8]) {
        let stake = self.account(owner).stake;
        let old = std::mem::replace(&mut self.noted(owner).delegate, to.to_vec());
        if !old.is_empty() {
            self.noted(&old.try_into().unwrap()).pot -= stake;
        }
        if !to.is_empty() {
            self.noted(to.try_into().unwrap()).pot += stake;
        }
    }

    /// A voter about to change.
    fn noted(&mut self, address: &Address) -> &mut Voter {
        let stake = self.account(address).stake;
        let voter = self.voters.entry(*address).or_default();
        voter.note(stake, self.totals.epoch);
        voter
    }
}
