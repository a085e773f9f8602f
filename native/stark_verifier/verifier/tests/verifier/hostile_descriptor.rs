//! Descriptors from anybody: each word at its extremes and random ones within their ranges never make the verifier
//! panic, and it allocates by what is there, not by what is announced.

use esper_commitment::Root;
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor, LayerDescriptor};
use esper_verifier::layout::Layout;
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::modes::Modes;
use esper_verifier::proof::{MAX_PROOF_BYTES, ProofHead};
use esper_verifier::slots::Slots;
use esper_verifier::soundness::security_terms;
use esper_verifier::{SequenceStatement, Statement, VerifyError, verify};
use std::time::Instant;

fn small() -> Descriptor {
    let layer = LayerDescriptor {
        norm1_shift: 20,
        norm2_shift: 20,
        score_shift: 8,
        gate_bits: 12,
        z_bits: 16,
        o_bits: 20,
        down_bits: 20,
        shifts: [16, 16, 20, 20, 20, 32, 20],
    };
    let mut d = Descriptor {
        vocab: 53,
        dim: 20,
        hidden: 28,
        heads: 6,
        kv_heads: 2,
        head_dim: 6,
        max_seq: 16,
        bos: 0,
        eos: 1,
        emax: 20,
        eps_term: 11,
        final_shift: 20,
        logit_bound: 1 << 40,
        clamp_reach: [15; CLAMP_CLASSES],
        layers: vec![layer; 2],
        cells: 1 << 16,
        embed_bits: 32,
        root: Root([7; 32]),
        embedding_root: [1; 32],
        integers_hash: [2; 64],
        part: None,
    };
    d.cells = ModelLayout::new(&d).cells;
    assert_eq!(d.check(), Ok(()));
    d
}

fn statement(d: &Descriptor) -> Statement {
    let token = u32::from(d.eos == 0);
    Statement {
        model_id: d.model_id(),
        binding: [3; 64],
        rows: 2,
        top_k: 1,
        sequences: vec![SequenceStatement {
            prompt: vec![0, 0],
            answer: vec![token],
            max_answer: 1,
            top: vec![vec![(token, 0)]],
        }],
    }
}

struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Lowest, highest or random within a range.
    fn pick(&mut self, low: usize, high: usize) -> usize {
        match self.word() % 4 {
            0 => low,
            1 => high,
            _ => low + (self.word() % (high - low + 1) as u64) as usize,
        }
    }
}

/// Takes a descriptor through everything that depends on it alone, then through a proof of zeros.
fn exercise(d: &Descriptor) {
    let _ = ModelLayout::new(d);
    let s = statement(d);
    let Ok(instance) = s.check(d) else { return };
    for modes in [Modes::off(d.layers.len()), Modes::all(d)] {
        let layout = Layout::new(d, &instance, &modes);
        let _ = security_terms(d, &instance, &layout);
        let _ = Slots::new(d, &instance);
        let encoded = d.encode();
        let mut proof = (encoded.len() as u32).to_le_bytes().to_vec();
        proof.extend_from_slice(&encoded);
        proof.extend_from_slice(&modes.encode());
        assert!(ProofHead::read(&proof).is_ok(), "an encoded descriptor is read back");
        for len in [proof.len(), proof.len() + 4 * d.dim + 1000, 1 << 18] {
            let mut proof = proof.clone();
            proof.resize(len.clamp(proof.len(), MAX_PROOF_BYTES), 0);
            assert!(verify(&s, &proof).is_err());
        }
    }
}

#[test]
fn each_word_at_its_extremes() {
    let base = small().encode();
    let mut taken = 0;
    for word in 0..base.len() / 8 {
        let old = u64::from_le_bytes(base[8 * word..8 * word + 8].try_into().unwrap());
        let powers = (0..64).map(|b| 1u64 << b);
        let near = [
            0,
            1,
            2,
            old.wrapping_add(1),
            old.wrapping_sub(1),
            old.wrapping_mul(2),
            u64::from(u32::MAX),
            u64::MAX,
        ];
        for new in powers.chain(near) {
            let mut bytes = base.clone();
            bytes[8 * word..8 * word + 8].copy_from_slice(&new.to_le_bytes());
            if let Ok(d) = Descriptor::decode(&bytes) {
                assert_eq!(d.encode(), bytes, "word {word} = {new}: another encoding");
                taken += 1;
                if taken % 8 == 0 {
                    exercise(&d);
                }
            }
        }
    }
    println!("{taken} variants taken");
    assert!(taken > 100);
}

#[test]
fn announced_lengths_allocate_nothing() {
    let base = small().encode();
    for layers in [3, u64::from(u32::MAX), 1 << 40, u64::MAX] {
        let mut bytes = base.clone();
        bytes[8..16].copy_from_slice(&layers.to_le_bytes());
        // The best of some tries: a busy machine may take any one of them for itself.
        let tries = [(); 5].map(|()| {
            let start = Instant::now();
            assert!(matches!(Descriptor::decode(&bytes), Err(VerifyError::Encoding(_))));
            start.elapsed().as_millis()
        });
        assert!(tries.iter().any(|&took| took < 100), "{tries:?} ms");
    }
    for len in 0..base.len() {
        assert!(Descriptor::decode(&base[..len]).is_err());
    }
    let mut longer = base;
    longer.push(0);
    assert!(Descriptor::decode(&longer).is_err());
}

#[test]
fn random_descriptors_within_their_ranges() {
    let mut r = Random(5);
    let (mut taken, mut slowest) = (0, 0);
    for _ in 0..400 {
        let kv_heads = [1, 2, 3, 5, 85, 255, 256][r.pick(0, 6)];
        let layer = LayerDescriptor {
            norm1_shift: r.pick(1, 46) as u32,
            norm2_shift: r.pick(1, 46) as u32,
            score_shift: r.pick(1, 16) as u32,
            gate_bits: [12, 16][r.pick(0, 1)],
            z_bits: 2 * r.pick(8, 12) as u32,
            o_bits: 2 * r.pick(8, 13) as u32,
            down_bits: 2 * r.pick(8, 13) as u32,
            shifts: [16, 16, 1, 36, 20, 32, 20].map(|s| if s == 16 { 16 } else { r.pick(1, 36) as u32 }),
        };
        let eps_term = [1, 11, 1 << 20, (1 << 60) - 1][r.pick(0, 3)];
        let mut d = Descriptor {
            vocab: r.pick(2, 1 << 18),
            dim: r.pick(1, 1 << 14),
            hidden: r.pick(1, 1 << 16),
            heads: kv_heads * r.pick(1, 256 / kv_heads),
            kv_heads,
            head_dim: 2 * r.pick(1, 256),
            max_seq: r.pick(1, 1 << 16),
            bos: 0,
            eos: r.pick(0, 1) as u32,
            emax: r.pick(0, 30) as u32,
            eps_term,
            final_shift: r.pick(1, 46) as u32,
            logit_bound: r.pick(1, (1 << 46) - 1) as u64,
            clamp_reach: [1; CLAMP_CLASSES].map(|_| r.pick(1, (1 << 15) - 1) as u32),
            layers: vec![layer; r.pick(1, 64)],
            cells: 0,
            embed_bits: 32,
            root: Root([0; 32]),
            embedding_root: [0; 32],
            integers_hash: [0; 64],
            part: None,
        };
        d.cells = ModelLayout::new(&d).cells;
        if d.check().is_ok() {
            taken += 1;
            let start = Instant::now();
            exercise(&d);
            slowest = slowest.max(start.elapsed().as_millis());
        }
    }
    println!("{taken} descriptors taken, slowest {slowest} ms for six refusals");
    assert!(taken > 20);
}
