//! Updates of the tree: what is written leads to the same tree again, and broken records are refused.
//!
//! Roots, records and texts are compared with Python's on random changes by the tests of the storage.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use esper_state::{Change, Failure, Hash, Records, Update, update};

#[derive(Default)]
struct Memory {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    top: Vec<u8>,
}

impl Records for Memory {
    type Error = ();

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        Ok(self.records.get(key).cloned())
    }
}

impl Memory {
    fn new() -> Self {
        Self { records: BTreeMap::new(), top: vec![0] }
    }

    fn update(&mut self, levels: usize, changes: &[Change<'_>]) -> Result<Update, Failure<()>> {
        let top = self.top.clone();
        update(NonZeroUsize::new(levels).unwrap(), &top, changes, self)
    }

    fn apply(&mut self, levels: usize, changes: &[Change<'_>]) -> Hash {
        let update = self.update(levels, changes).unwrap();
        for (key, record) in update.writes {
            match record {
                Some(record) => self.records.insert(key, record),
                None => self.records.remove(&key),
            };
        }
        self.top = update.top;
        update.hash
    }
}

/// Paths that share long prefixes now and then.
fn path(number: u8) -> Hash {
    let mut path = [number / 8; 32];
    path[31] = number;
    path
}

fn added(numbers: &[u8]) -> Vec<Change<'static>> {
    numbers.iter().map(|&n| Change { path: path(n), old: None, new: Some(b"value") }).collect()
}

#[test]
fn the_hash_follows_from_the_records_and_not_from_the_way() {
    let all: Vec<u8> = (0..64).collect();
    for levels in [1, 2, 3, 8] {
        let mut at_once = Memory::new();
        let hash = at_once.apply(levels, &added(&all));
        let mut bit_by_bit = Memory::new();
        let (even, odd): (Vec<u8>, Vec<u8>) = all.iter().partition(|&&n| n % 2 == 0);
        bit_by_bit.apply(levels, &added(&odd));
        assert_eq!(bit_by_bit.apply(levels, &added(&even)), hash);
        assert_eq!(bit_by_bit.records, at_once.records);
        assert_eq!(bit_by_bit.top, at_once.top);
        let gone: Vec<_> =
            all.iter().map(|&n| Change { path: path(n), old: Some(b"value"), new: None }).collect();
        assert_eq!(at_once.apply(levels, &gone), [0; 32]);
        assert!(at_once.records.is_empty());
        assert_eq!(at_once.top, [0]);
    }
}

#[test]
fn a_value_that_is_not_there_is_refused() {
    let mut memory = Memory::new();
    memory.apply(3, &added(&[1, 9]));
    let wrong = [Change { path: path(9), old: Some(b"other"), new: None }];
    let Err(Failure::Unfit(reason)) = memory.update(3, &wrong) else { panic!("accepted") };
    assert!(reason.ends_with("stands 76616c7565, the change expects 6f74686572"), "{reason}");
    let Err(Failure::Unfit(reason)) = memory.update(3, &added(&[9])) else { panic!("accepted") };
    assert!(reason.ends_with("the change expects no record"), "{reason}");
}

#[test]
fn records_that_are_missing_cut_or_of_another_time_are_refused() {
    let mut memory = Memory::new();
    let all: Vec<u8> = (0..64).collect();
    memory.apply(1, &added(&all));
    let touch = [Change { path: path(0), old: Some(b"value"), new: Some(b"x") }];
    let key = memory.records.keys().next().unwrap().clone();
    let whole = memory.records[&key].clone();
    for end in 0..whole.len() {
        memory.records.insert(key.clone(), whole[..end].to_vec());
        assert!(matches!(memory.update(1, &touch), Err(Failure::Damaged(_))), "{end}");
    }
    let mut other = whole.clone();
    other[1] ^= 1;
    memory.records.insert(key.clone(), other);
    let Err(Failure::Damaged(reason)) = memory.update(1, &touch) else { panic!("accepted") };
    assert!(reason.contains("is not the one its parent names"), "{reason}");
    memory.records.remove(&key);
    let Err(Failure::Damaged(reason)) = memory.update(1, &touch) else { panic!("accepted") };
    assert!(reason.ends_with("is missing"), "{reason}");
}

#[test]
fn nesting_without_an_end_is_refused() {
    let mut memory = Memory::new();
    memory.top = [2; 33].repeat(100_000);
    assert!(matches!(memory.update(3, &[]), Err(Failure::Damaged(_))));
}
