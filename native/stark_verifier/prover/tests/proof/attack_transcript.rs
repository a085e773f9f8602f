//! The transcript, item by item, written down a second time.
//!
//! [`Script`] absorbs the golden list in its order and then checks the openings of an honest proof from the state
//! it reached: every draw of query positions depends on every byte said before. If prover and verifier alike drop,
//! add or reorder an item, this list no longer reaches their state and the openings fail here. That the check has
//! teeth for each single item is shown by leaving each one out in turn.

use crate::common::{EVEN, ODD, answered, key, prompts};
use esper_commitment::{EF, PcsParams, Size, Transcript, verify_fraction_sum, verify_opening};
use esper_model::synthetic::{Clamps, Options};
use esper_prover::{ModelKey, prove};
use esper_verifier::embedding::EmbeddingRows;
use esper_verifier::layout::Layout;
use esper_verifier::proof::{ProofBody, ProofHead};
use esper_verifier::statement::Instance;
use esper_verifier::sumcheck::{SumcheckProof, interpolate};
use esper_verifier::{Statement, verify};

/// Goldilocks, written out: the transcript names its field.
const FIELD_ORDER: u64 = 0xffff_ffff_0000_0001;

struct Script {
    t: Transcript,
    items: Vec<String>,
    skip: Option<usize>,
}

impl Script {
    fn item(&mut self, name: impl Into<String>, absorb: impl FnOnce(&mut Transcript)) {
        if self.skip != Some(self.items.len()) {
            absorb(&mut self.t);
        }
        self.items.push(name.into());
    }

    fn number(&mut self, name: impl Into<String>, v: u64) {
        self.item(name, |t| t.absorb_u64(v));
    }

    fn bytes(&mut self, name: impl Into<String>, v: &[u8]) {
        self.item(name, |t| t.absorb_bytes(v));
    }

    fn values(&mut self, name: impl Into<String>, v: &[EF]) {
        self.item(name, |t| t.absorb_slice(v));
    }

    /// Rounds of a sumcheck, each an item; the challenges.
    fn sumcheck(&mut self, name: &str, proof: &SumcheckProof) -> Vec<EF> {
        proof
            .rounds
            .iter()
            .enumerate()
            .map(|(i, round)| {
                self.values(format!("{name} round {i}"), round);
                self.t.challenge()
            })
            .collect()
    }

    /// Says everything; whether the openings hold from there.
    fn run(mut self, s: &Statement, proof: &[u8]) -> (Vec<String>, bool) {
        let ProofHead { descriptor: d, modes, rest: mut reader } = ProofHead::read(proof).expect("honest");
        let instance: Instance = s.check(&d).expect("honest");
        let layout = Layout::new(&d, &instance, &modes);
        let mut ids = s.row_tokens(&instance);
        ids.sort_unstable();
        ids.dedup();
        EmbeddingRows::read(&mut reader, &ids, &d).expect("honest");
        let body = ProofBody::read(reader, &d, &instance, &layout).expect("honest");
        let params = |size: Size| PcsParams::for_proof(size.num_vars, 2);

        self.number("version of relations, layout and transcript", 2);
        self.number("field", FIELD_ORDER);
        for (name, size) in [("witness", layout.size()), ("model", d.size())] {
            let p = params(size);
            self.number(format!("{name}: variables"), size.num_vars as u64);
            self.number(format!("{name}: columns"), size.width as u64);
            self.number(format!("{name}: rate"), p.log_inv_rate as u64);
            self.number(format!("{name}: proof of work"), p.pow_bits as u64);
            self.number(format!("{name}: level"), p.security_level as u64);
        }
        self.bytes("model_id", &s.model_id);
        self.bytes("binding", &s.binding);
        self.number("sequences", s.sequences.len() as u64);
        self.number("rows", s.rows as u64);
        self.number("top_k", s.top_k as u64);
        for (i, q) in s.sequences.iter().enumerate() {
            self.number(format!("sequence {i}: prompt length"), q.prompt.len() as u64);
            self.number(format!("sequence {i}: answer length"), q.answer.len() as u64);
            self.number(format!("sequence {i}: max_answer"), q.max_answer as u64);
            let mut bytes = Vec::new();
            q.prompt.iter().for_each(|t| bytes.extend_from_slice(&t.to_le_bytes()));
            q.answer.iter().for_each(|t| bytes.extend_from_slice(&t.to_le_bytes()));
            for &(id, logit) in q.top.iter().flatten() {
                bytes.extend_from_slice(&id.to_le_bytes());
                bytes.extend_from_slice(&logit.to_le_bytes());
            }
            self.bytes(format!("sequence {i}: tokens and lists"), &bytes);
        }
        self.bytes("modes", &modes.encode());
        self.bytes("descriptor", &d.encode());
        self.bytes("witness root", &body.witness_root.0);
        let early = self.t.challenges(layout.num_vars);
        self.values("out-of-domain value", &[body.out_of_domain]);
        let _beta_alpha = self.t.challenges(2);
        let mut after = self.t.clone();
        verify_fraction_sum(layout.leaf_vars, body.fraction_sum, &mut after).ok();
        self.item("fraction sum", |t| *t = after);
        self.values("leaf model part", &[body.leaf_model]);
        let bits = esper_verifier::mle::index_bits;
        let points = [
            bits(d.dim.max(d.hidden).max(d.q_dim())),
            instance.row_bits(),
            bits(d.kv_heads),
            bits(d.heads / d.kv_heads),
            1,
            bits(d.head_dim / 2),
            instance.position_bits(),
            bits(d.vocab),
            instance.answer_bits(),
        ];
        let _gamma_and_points = self.t.challenges(1 + points.iter().sum::<usize>());
        self.values("linear part", &[body.linear]);
        self.values("contraction part", &[body.contractions]);
        self.sumcheck("products", &body.products);
        self.values("products finals", &body.finals.values());
        let _mu = self.t.challenge();
        self.sumcheck("contraction", &body.contraction);
        self.values("contraction finals", &body.contraction_finals);
        let _delta = self.t.challenge();
        let at = self.sumcheck("witness claims", &body.witness_claims);
        self.values("witness value", &[body.witness_value]);
        let model_at = self.sumcheck("model claims", &body.model_claims);
        self.values("model value", &[body.model_value]);
        self.bytes("witness root, before its opening", &body.witness_root.0);
        let mut ok = verify_opening(
            &body.witness_root,
            layout.size(),
            &params(layout.size()),
            &[at, early],
            &[body.witness_value, body.out_of_domain],
            body.witness_opening,
            &mut self.t,
        )
        .is_ok();
        self.bytes("model root", &d.root.0);
        let (size, p) = (d.size(), params(d.size()));
        let (points, values) = ([model_at], [body.model_value]);
        ok &= verify_opening(&d.root, size, &p, &points, &values, body.model_opening, &mut self.t).is_ok();
        (self.items, ok)
    }
}

fn script(name: &str, skip: Option<usize>) -> Script {
    Script { t: Transcript::new(name), items: vec![], skip }
}

const NAME: &str = "esper proof of inference v2";

fn golden(key: &ModelKey, s: &Statement) {
    let proof = prove(key, s).expect("a proof");
    verify(s, &proof).expect("an accepted proof");
    let (items, ok) = script(NAME, None).run(s, &proof);
    assert!(ok, "prover and verifier absorb something else than this list: {items:#?}");
    assert!(!script("esper proof of inference v1", None).run(s, &proof).1, "another protocol's name");
    for (i, name) in items.iter().enumerate() {
        assert!(!script(NAME, Some(i)).run(s, &proof).1, "leaving out '{name}' changes nothing");
    }
    println!("{} items", items.len());
}

#[test]
fn golden_list_of_absorbed_items() {
    let key = key(2, ODD, Options::default());
    golden(&key, &answered(&key, &prompts(ODD.vocab, &[3, 4, 2], 9), 8, 3, 3));
}

#[test]
fn golden_list_with_modes_on() {
    let key = key(3, EVEN, Options { clamps: Clamps::ALL, ..Options::default() });
    golden(&key, &answered(&key, &prompts(EVEN.vocab, &[4], 9), 8, 3, 3));
}

/// Nothing can be moved between a length and what follows, or between neighbours, without another state.
#[test]
fn lengths_are_not_ambiguous() {
    let draw = |say: &dyn Fn(&mut Transcript)| {
        let mut t = Transcript::new(NAME);
        say(&mut t);
        t.challenge()
    };
    let strings: [&[&[u8]]; 8] = [
        &[b"ab", b"c"],
        &[b"a", b"bc"],
        &[b"abc"],
        &[b"abc", b""],
        &[b"", b"abc"],
        &[b"abc\0"],
        &[b"abcdefg", b"h"],
        &[b"abcdefgh"],
    ];
    let draws: Vec<EF> = strings
        .iter()
        .map(|parts| draw(&|t: &mut Transcript| parts.iter().for_each(|p| t.absorb_bytes(p))))
        .collect();
    for i in 0..draws.len() {
        for j in 0..i {
            assert_ne!(draws[i], draws[j], "{:?} and {:?}", strings[i], strings[j]);
        }
    }
    // The round polynomial's implied value at 1 depends on the claim alone, so a changed claim changes the end.
    let mut t = Transcript::new(NAME);
    let v = t.challenges(5);
    assert_ne!(interpolate(v[0], &v[1..3], v[4]), interpolate(v[3], &v[1..3], v[4]));
}
