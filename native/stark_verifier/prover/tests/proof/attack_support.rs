//! What the attacks share: the parts of a proof's bytes by name, and a verifier that must not panic.
#![allow(dead_code)]

use esper_commitment::{PcsParams, ScheduleRound, Size, fraction_proof_len};
use esper_verifier::bytes::{EF_BYTES, Reader};
use esper_verifier::embedding::row_bytes;
use esper_verifier::finals::Finals;
use esper_verifier::layout::Layout;
use esper_verifier::points::ProductPoint;
use esper_verifier::products::PRODUCT_DEGREE;
use esper_verifier::proof::ProofHead;
use esper_verifier::slots::{CONTRACTION_DEGREE, Slots};
use esper_verifier::soundness::opening_params;
use esper_verifier::{Statement, VerifyError, verify};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A named part of a proof's bytes.
pub struct Part {
    /// What stands there.
    pub name: &'static str,
    /// Where.
    pub at: Range<usize>,
    /// Whether it consists of extension elements alone.
    pub elements: bool,
}

/// All parts of an honest proof, in order and without gaps.
pub fn parts(statement: &Statement, proof: &[u8]) -> Vec<Part> {
    let head = ProofHead::read(proof).expect("an honest head");
    let d = &head.descriptor;
    let instance = statement.check(d).expect("an honest statement");
    let layout = Layout::new(d, &instance, &head.modes);
    let mut ids = statement.row_tokens(&instance);
    ids.sort_unstable();
    ids.dedup();
    let mut count = 0;
    Finals::<()>::build::<()>(&layout, || {
        count += 1;
        Ok(())
    })
    .expect("never fails");
    let mut out: Vec<Part> = Vec::new();
    let mut at = 0;
    let mut push = |name, len: usize, elements| {
        out.push(Part { name, at: at..at + len, elements });
        at += len;
    };
    push("descriptor length", 4, false);
    push("descriptor", d.encode().len(), false);
    push("modes", 2 + d.layers.len(), false);
    push("embedding rows", row_bytes(d.dim, d.embed_bits) * ids.len(), false);
    push("embedding siblings", 32 * siblings(&ids, d.vocab), false);
    push("witness root", 32, false);
    let sumcheck = |rounds: usize, degree: usize| rounds * degree * EF_BYTES;
    for (name, len) in [
        ("out-of-domain value", EF_BYTES),
        ("fraction sum", fraction_proof_len(layout.leaf_vars)),
        ("leaf model part", EF_BYTES),
        ("linear part", EF_BYTES),
        ("contraction part", EF_BYTES),
        ("products rounds", sumcheck(ProductPoint::num_vars(d, &instance), PRODUCT_DEGREE)),
        ("products finals", count * EF_BYTES),
        ("contraction rounds", sumcheck(Slots::new(d, &instance).num_vars, CONTRACTION_DEGREE)),
        ("contraction finals", 3 * EF_BYTES),
        ("witness claim rounds", sumcheck(layout.num_vars, 2)),
        ("witness value", EF_BYTES),
        ("model claim rounds", sumcheck(d.size().num_vars, 2)),
        ("model value", EF_BYTES),
    ] {
        push(name, len, true);
    }
    for i in 0..2 {
        let start = out.last().map_or(0, |p| p.at.end);
        let len = Reader::new(&proof[start..], "opening").u32().expect("a length") as usize;
        let [length, bytes] = if i == 0 {
            ["witness opening length", "witness opening"]
        } else {
            ["model opening length", "model opening"]
        };
        out.push(Part { name: length, at: start..start + 4, elements: false });
        out.push(Part { name: bytes, at: start + 4..start + 4 + len, elements: false });
    }
    assert_eq!(out.last().map(|p| p.at.end), Some(proof.len()), "the parts cover the proof");
    out
}

/// Where every field element of a proof stands: 8 bytes each, with the name of its part, those of openings included.
pub fn elements(statement: &Statement, proof: &[u8]) -> Vec<(&'static str, usize)> {
    let d = ProofHead::read(proof).expect("a head").descriptor;
    let instance = statement.check(&d).expect("a statement");
    let layout = Layout::new(&d, &instance, &ProofHead::read(proof).expect("a head").modes);
    let (witness, model) = opening_params(&d, &layout);
    let mut out = Vec::new();
    for part in parts(statement, proof) {
        let bytes = &proof[part.at.clone()];
        let inside = match part.name {
            "witness opening" => opening_elements(layout.size(), &witness, bytes),
            "model opening" => opening_elements(d.size(), &model, bytes),
            _ if part.elements => (0..bytes.len()).step_by(8).collect(),
            _ => vec![],
        };
        out.extend(inside.into_iter().map(|at| (part.name, part.at.start + at)));
    }
    out
}

/// The same inside an opening, by the list in `commitment/src/opening_wire.rs`, written down a second time.
fn opening_elements(size: Size, params: &PcsParams, bytes: &[u8]) -> Vec<usize> {
    struct Cursor<'a>(usize, Vec<usize>, &'a [u8]);
    impl Cursor<'_> {
        fn base(&mut self, n: usize) {
            self.1.extend((0..n).map(|i| self.0 + 8 * i));
            self.0 += 8 * n;
        }

        fn sumcheck(&mut self, rounds: usize, pow_bits: usize) {
            self.base(2 * rounds * 3);
            self.base(if pow_bits > 0 { rounds } else { 0 });
        }

        fn queries(&mut self, round: &ScheduleRound, width: usize) {
            self.base(usize::from(round.query_pow_bits > 0));
            let rows = round.queries.min(1 << (round.log_domain - round.fold));
            self.base(rows * width);
            let siblings = self.2[self.0..self.0 + 4].try_into().expect("four bytes");
            self.0 += 4 + 32 * u32::from_le_bytes(siblings) as usize;
        }
    }
    let num_vars = size.num_vars;
    let schedule = params.schedule(num_vars).expect("in range");
    let (last, rounds) = schedule.rounds.split_last().expect("a round");
    let mut c = Cursor(0, vec![], bytes);
    c.base(3 * schedule.first_out_of_domain);
    c.sumcheck(schedule.rounds[0].fold, schedule.first_fold_pow_bits);
    for (i, round) in rounds.iter().enumerate() {
        c.0 += 32;
        c.base(3 * round.out_of_domain);
        c.queries(round, if i == 0 { size.width } else { 3 << round.fold });
        c.sumcheck(schedule.rounds[i + 1].fold, round.fold_pow_bits);
    }
    let folded: usize = schedule.rounds.iter().map(|r| r.fold).sum();
    c.base(3 << (num_vars - folded));
    c.queries(last, if rounds.is_empty() { size.width } else { 3 << last.fold });
    c.sumcheck(schedule.final_sumcheck, schedule.final_fold_pow_bits);
    assert_eq!(c.0, bytes.len(), "the list covers the opening");
    c.1
}

/// Number of sibling hashes in the multiproof of `ids` in a tree of `width` leaves.
fn siblings(ids: &[u32], mut width: usize) -> usize {
    let mut known: Vec<usize> = ids.iter().map(|&i| i as usize).collect();
    let mut count = 0;
    while width > 1 {
        count += known.iter().filter(|&&i| i ^ 1 < width && !known.contains(&(i ^ 1))).count();
        known = known.iter().map(|i| i / 2).collect();
        known.dedup();
        width = width.div_ceil(2);
    }
    count
}

/// Runs the verifier; a panic fails the test with `what`.
pub fn outcome(statement: &Statement, proof: &[u8], what: &str) -> Result<(), VerifyError> {
    let result = catch_unwind(AssertUnwindSafe(|| verify(statement, proof).map(|_| ())));
    result.unwrap_or_else(|_| panic!("the verifier panicked: {what}"))
}

/// A forger's proof, or `None` where its lookups do not sum to zero: the lookup argument's prover then stops, since the
/// verifier takes 0 for the numerator at the root of that argument and nothing else.
pub fn forged(prove: impl FnOnce() -> Vec<u8>) -> Option<Vec<u8>> {
    quiet();
    match catch_unwind(AssertUnwindSafe(prove)) {
        Ok(proof) => Some(proof),
        Err(cause) => {
            let text = cause.downcast_ref::<String>().map_or("", String::as_str);
            assert!(text.contains("must sum to zero"), "the prover panicked: {text}");
            None
        }
    }
}

/// Keeps expected panics of the lookup argument's prover out of the output.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let expected =
                info.payload().downcast_ref::<String>().is_some_and(|t| t.contains("must sum to zero"));
            if !expected {
                loud(info);
            }
        }));
    });
}

/// A small random generator (splitmix64); tests print its seed.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.word() % n.max(1) as u64) as usize
    }
}
