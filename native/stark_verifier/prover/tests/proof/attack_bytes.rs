//! Every byte of a proof counts: bits flipped in every part, cuts, additions, elements that are not canonical,
//! parts of another proof, and random structured changes for as long as `ESPER_FUZZ_SECONDS` says (30 by default).

use crate::attack_support::{Part, Random, elements, outcome, parts};
use crate::common::{EVEN, ODD, answered, key, prompts};
use esper_commitment::{F, PrimeField64};
use esper_model::synthetic::Options;
use esper_prover::prove;
use esper_verifier::{Statement, VerifyError};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

struct Honest {
    statement: Statement,
    proof: Vec<u8>,
    parts: Vec<Part>,
}

fn honest(shape_seed: u64, binding: u8, first: u32) -> Honest {
    let shape = if shape_seed == 1 { EVEN } else { ODD };
    let key = key(shape_seed, shape, Options::default());
    let mut statement = answered(&key, &prompts(shape.vocab, &[3, 4], first), 8, 3, 3);
    statement.binding = [binding; 64];
    let proof = prove(&key, &statement).expect("a proof");
    let parts = parts(&statement, &proof);
    let h = Honest { statement, proof, parts };
    assert_eq!(outcome(&h.statement, &h.proof, "honest"), Ok(()), "the honest twin");
    h
}

static ONE: LazyLock<Honest> = LazyLock::new(|| honest(2, 7, 5));
static TWIN: LazyLock<Honest> = LazyLock::new(|| honest(2, 8, 5));

fn refused(h: &Honest, proof: &[u8], what: &str) -> VerifyError {
    assert_ne!(proof, &h.proof[..], "{what}: nothing was changed");
    match outcome(&h.statement, proof, what) {
        Ok(()) => panic!("accepted: {what}"),
        Err(e) => e,
    }
}

/// The least statements; `ESPER_FUZZ_CORPUS` names a folder that takes their proofs, for the fuzzer to start from.
#[test]
fn honest_proofs_of_two_rows() {
    for (name, shape) in [("even", EVEN), ("odd", ODD)] {
        let key = key(3, shape, Options { gate_bits: 12, ..Options::default() });
        let token = u32::from(key.descriptor.eos == 0);
        let s = answered(&key, &[vec![0, token]], 2, 1, 1);
        let proof = prove(&key, &s).expect("a proof");
        assert_eq!(outcome(&s, &proof, name), Ok(()));
        if let Ok(folder) = std::env::var("ESPER_FUZZ_CORPUS") {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(format!("{folder}/{name}"), proof).expect("a file");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let (h, mut random) = (&*ONE, Random(1));
    let mut flips = 0;
    for part in &h.parts {
        // All bytes of short parts; of a long one its first and last 64 and some 200 between.
        let len = part.at.len();
        let step = len.saturating_sub(128).div_ceil(200).max(1);
        let inner = (64..len.saturating_sub(64)).step_by(step);
        for i in (0..len.min(64)).chain(inner).chain(len.saturating_sub(64).max(64)..len) {
            let mut proof = h.proof.clone();
            let bit = random.below(8);
            proof[part.at.start + i] ^= 1 << bit;
            refused(h, &proof, &format!("{} byte {i} bit {bit}", part.name));
            flips += 1;
        }
    }
    println!("{flips} flips in {} parts of {} bytes", h.parts.len(), h.proof.len());
}

#[test]
fn every_bit_of_a_byte_counts() {
    let h = &*ONE;
    for part in &h.parts {
        for at in [part.at.start, part.at.start + part.at.len() / 2, part.at.end - 1] {
            for bit in 0..8 {
                let mut proof = h.proof.clone();
                proof[at] ^= 1 << bit;
                refused(h, &proof, &format!("{} byte {at} bit {bit}", part.name));
            }
        }
    }
}

#[test]
fn cuts_and_additions_are_refused() {
    let h = &*ONE;
    let len = h.proof.len();
    let edges = h.parts.iter().flat_map(|p| [p.at.start.saturating_sub(1), p.at.start, p.at.start + 1]);
    for kept in edges.chain((0..len).step_by(997)).chain(len - 20..len) {
        let e = refused(h, &h.proof[..kept], &format!("cut to {kept}"));
        assert!(matches!(e, VerifyError::Encoding(_)), "cut to {kept}: {e}");
    }
    for extra in [1, 4, 24, 5000] {
        let mut proof = h.proof.clone();
        proof.resize(len + extra, 0);
        let e = refused(h, &proof, "trailing bytes");
        assert!(matches!(e, VerifyError::Encoding(_)), "{extra} trailing bytes: {e}");
    }
    // A byte more or less inside each part that has a length of its own, with the length mended.
    for part in h.parts.iter().filter(|p| p.name.ends_with(" length")) {
        let start = part.at.end;
        let old = u32::from_le_bytes(h.proof[part.at.clone()].try_into().expect("four bytes"));
        for new in [0, 1, old - 1, old + 1, old * 2, u32::MAX] {
            let mut proof = h.proof[..part.at.start].to_vec();
            proof.extend_from_slice(&new.to_le_bytes());
            let body = &h.proof[start..start + old as usize];
            proof.extend(body.iter().copied().chain([0]).take(new as usize));
            proof.extend_from_slice(&h.proof[start + old as usize..]);
            refused(h, &proof, &format!("{} {new} for {old}", part.name));
        }
    }
    let huge = vec![0; esper_verifier::proof::MAX_PROOF_BYTES + 1];
    let e = refused(h, &huge, "too long");
    assert_eq!(e, VerifyError::Encoding("proof longer than the limit"));
}

/// Every element of an honest proof, those of its openings included. An element below 2^32 - 1 is also written as
/// value + p: here the proofs of work are such elements, in `attack_hollow` nearly all elements are.
#[test]
fn elements_have_one_encoding() {
    let h = &*ONE;
    let mut proof = h.proof.clone();
    let (mut doubled, mut in_openings) = (0, 0);
    for (i, (name, at)) in elements(&h.statement, &h.proof).into_iter().enumerate() {
        let value = u64::from_le_bytes(h.proof[at..at + 8].try_into().expect("eight bytes"));
        // The same element, written as value + p where that fits; else values that no element has.
        let second = value.checked_add(F::ORDER_U64);
        doubled += u32::from(second.is_some());
        in_openings += u32::from(name.ends_with("opening"));
        let other = second.unwrap_or(if i % 2 == 0 { F::ORDER_U64 } else { u64::MAX });
        proof[at..at + 8].copy_from_slice(&other.to_le_bytes());
        let e = refused(h, &proof, name);
        assert!(matches!(e, VerifyError::Encoding(_)), "{name} at {at}: {value} as {other}: {e}");
        proof[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    println!("{doubled} elements below 2^32 - 1, {in_openings} in openings");
    assert!(doubled >= 4 && in_openings > 1000, "{doubled} small ones, {in_openings} in openings");
}

#[test]
fn parts_of_another_proof_are_refused() {
    let (h, other) = (&*ONE, &*TWIN);
    for (a, b) in h.parts.iter().zip(&other.parts) {
        assert_eq!(a.name, b.name);
        if h.proof[a.at.clone()] == other.proof[b.at.clone()] {
            continue;
        }
        let mut proof = h.proof[..a.at.start].to_vec();
        proof.extend_from_slice(&other.proof[b.at.clone()]);
        proof.extend_from_slice(&h.proof[a.at.end..]);
        refused(h, &proof, &format!("{} of a proof with another binding", a.name));
        // From this part on, the other proof.
        let mut proof = h.proof[..a.at.start].to_vec();
        proof.extend_from_slice(&other.proof[b.at.start..]);
        if proof != h.proof {
            refused(h, &proof, &format!("from {} on another binding's proof", a.name));
        }
    }
    // Elements of all sumchecks set to 0 or to each other's values.
    for part in h.parts.iter().filter(|p| p.elements) {
        let mut proof = h.proof.clone();
        proof[part.at.clone()].fill(0);
        refused(h, &proof, &format!("{} all zero", part.name));
    }
}

/// One random structured change of a proof.
fn mutate(h: &Honest, other: &Honest, random: &mut Random) -> (Vec<u8>, String) {
    let mut proof = h.proof.clone();
    let index = random.below(h.parts.len());
    let part = &h.parts[index];
    let at = part.at.start + random.below(part.at.len());
    let kind = random.below(10);
    match kind {
        0 => proof[at] ^= 1 << random.below(8),
        1 => proof[at] = random.word() as u8,
        2 => {
            // A word replaced by a special value.
            let at = (part.at.start + random.below(part.at.len()) / 8 * 8).min(proof.len() - 8);
            let special = [0, 1, F::ORDER_U64 - 1, F::ORDER_U64, u64::MAX, 1 << 32, 1 << 63, random.word()];
            proof[at..at + 8].copy_from_slice(&special[random.below(special.len())].to_le_bytes());
        }
        3 => {
            let n = 1 + random.below(64);
            let (from, to) = (random.below(proof.len() - n), random.below(proof.len() - n));
            proof.copy_within(from..from + n, to);
        }
        4 => {
            let n = (1 + random.below(40)).min(proof.len() - at);
            proof.drain(at..at + n);
        }
        5 => {
            let n = 1 + random.below(40);
            let bytes: Vec<u8> = (0..n).map(|_| random.word() as u8).collect();
            proof.splice(at..at, bytes);
        }
        6 => {
            proof.splice(part.at.clone(), other.proof[other.parts[index].at.clone()].iter().copied());
        }
        7 => {
            // Two parts exchanged where lengths agree, else a rotation inside one.
            let second = &h.parts[random.below(h.parts.len())];
            if second.at.len() == part.at.len() {
                let (a, b) = (h.proof[part.at.clone()].to_vec(), h.proof[second.at.clone()].to_vec());
                proof[part.at.clone()].copy_from_slice(&b);
                proof[second.at.clone()].copy_from_slice(&a);
            } else {
                proof[part.at.clone()].rotate_left(8.min(part.at.len()));
            }
        }
        8 => {
            // Descriptor words: sizes that other sizes follow from.
            let words = h.parts[1].at.len() / 8;
            let at = h.parts[1].at.start + 8 * random.below(words);
            let old = u64::from_le_bytes(proof[at..at + 8].try_into().expect("eight bytes"));
            let new = [old + 1, old.wrapping_sub(1), old << 1, 0, 1 << 18, u64::from(u32::MAX), u64::MAX];
            proof[at..at + 8].copy_from_slice(&new[random.below(new.len())].to_le_bytes());
        }
        _ => {
            for _ in 0..1 + random.below(8) {
                let at = random.below(proof.len());
                proof[at] = random.word() as u8;
            }
        }
    }
    (proof, format!("kind {kind} in {} at {at}", part.name))
}

#[test]
fn random_changes_are_refused_without_panic() {
    let seconds = std::env::var("ESPER_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(30);
    let seed = std::env::var("ESPER_FUZZ_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let (h, other, mut random) = (&*ONE, &*TWIN, Random(seed));
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut tried, mut reasons) = (0u64, std::collections::BTreeMap::<String, u64>::new());
    while Instant::now() < end {
        let state = random.0;
        let (mut proof, what) = mutate(h, other, &mut random);
        let mut statement = h.statement.clone();
        if random.below(4) == 0 {
            // The proof speaks for its own descriptor: what it says must not matter beyond its hash.
            if let Ok(head) = esper_verifier::proof::ProofHead::read(&proof) {
                statement.model_id = head.descriptor.model_id();
            }
        }
        if proof == h.proof && statement == h.statement {
            proof[0] ^= 1;
        }
        match outcome(&statement, &proof, &format!("{what}, state {state:#x}")) {
            Ok(()) => panic!("accepted: {what}, state {state:#x}"),
            Err(e) => *reasons.entry(e.to_string()).or_default() += 1,
        }
        tried += 1;
    }
    println!("{tried} changes in {seconds} s, seed {seed}: {reasons:#?}");
    assert!(tried > 0 || seconds == 0);
}
