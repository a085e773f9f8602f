//! The security budget holds for every size that the verifier takes, not only for the sizes of the other tests:
//! whoever proves chooses sizes, modes and (with a model of its own) the number of openings.

use esper_commitment::{MAX_VARS, MIN_VARS, Root};
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor, LayerDescriptor};
use esper_verifier::layout::Layout;
use esper_verifier::modes::Modes;
use esper_verifier::soundness::{security_terms, total_bits};
use esper_verifier::statement::Instance;

fn descriptor(layers: usize, chunk_vars: usize, roots: usize) -> Descriptor {
    let layer = LayerDescriptor {
        norm1_shift: 20,
        norm2_shift: 20,
        score_shift: 8,
        gate_bits: 12,
        o_bits: 20,
        down_bits: 20,
        shifts: [16, 16, 20, 20, 20, 32, 20],
    };
    Descriptor {
        vocab: 1 << 18,
        dim: 1 << 14,
        hidden: 1 << 16,
        heads: 1 << 8,
        kv_heads: 1 << 8,
        head_dim: 1 << 9,
        max_seq: 1 << 14,
        bos: 0,
        eos: 1,
        emax: 20,
        eps_term: 11,
        final_shift: 20,
        logit_bound: 1 << 45,
        clamp_reach: [(1 << 15) - 1; CLAMP_CLASSES],
        layers: vec![layer; layers],
        chunk_vars,
        roots: vec![Root([0; 32]); roots],
        embedding_root: [0; 32],
        integers_hash: [0; 64],
    }
}

#[test]
fn every_size_gives_128_bits_or_is_refused() {
    let mut least = (f64::INFINITY, String::new());
    let mut taken = 0;
    for roots in [1, 2, 3, 4, 5, 8, 9, 16, 33, 64, 128, 257, 512, 1023, 1024] {
        for chunk_vars in MIN_VARS..=27 {
            let d = descriptor(256, chunk_vars, roots);
            let instance = Instance { sequences: 1, positions: 1 << 14, answers: 1 << 14, top_k: 1 << 10 };
            let mut layout = Layout::new(&d, &instance, &Modes::all(&d));
            let step = if chunk_vars % 8 == 2 || roots == 1 { 1 } else { 5 };
            for vars in (MIN_VARS..=MAX_VARS).step_by(step) {
                (layout.num_vars, layout.leaf_vars) = (vars, vars + 1);
                let Some(terms) = security_terms(&d, &instance, &layout) else { continue };
                let total = total_bits(&terms);
                taken += 1;
                if total < least.0 {
                    least = (total, format!("witness 2^{vars}, {roots} chunks of 2^{chunk_vars}: {terms:?}"));
                }
            }
        }
    }
    println!("{taken} sizes, least {:.2} bits: {}", least.0, least.1);
    assert!(least.0 >= 128.0, "{} bits: {}", least.0, least.1);
    assert!(taken > 1000);
}

/// A term that is forgotten cannot be seen in a total: their names, and that each is a finite number of bits.
#[test]
fn terms_by_name() {
    let d = descriptor(2, 20, 2);
    let instance = Instance { sequences: 2, positions: 8, answers: 5, top_k: 3 };
    let mut layout = Layout::new(&d, &instance, &Modes::off(2));
    (layout.num_vars, layout.leaf_vars) = (20, 20);
    let terms = security_terms(&d, &instance, &layout).expect("in range");
    let names: Vec<&str> = terms.iter().map(|t| t.name).collect();
    let golden = [
        "witness opening",
        "early out-of-domain point",
        "lookups",
        "fractional sum",
        "relation weights",
        "relation points",
        "products",
        "contraction weights",
        "contraction",
        "claim weights",
        "witness claims",
        "model claims",
        "model opening",
        "model opening",
    ];
    assert_eq!(names, golden);
    assert!(terms.iter().all(|t| t.bits.is_finite() && t.bits > 128.0), "{terms:?}");
    // Sums of errors, not the least of them.
    assert!(total_bits(&terms) < terms.iter().map(|t| t.bits).fold(f64::INFINITY, f64::min));
}
