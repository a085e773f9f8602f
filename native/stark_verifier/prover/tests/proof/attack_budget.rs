//! The security budget holds for every size that the verifier takes, not only for the sizes of the other tests:
//! whoever proves chooses sizes, modes and (with a model of its own) the number of openings.

use esper_commitment::{MAX_VARS, MIN_VARS, PcsParams, Root, opening_security};
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor, LayerDescriptor, Part};
use esper_verifier::layout::Layout;
use esper_verifier::limits;
use esper_verifier::modes::Modes;
use esper_verifier::soundness::{SecurityTerm, opening_params, security_terms, total_bits};
use esper_verifier::statement::Instance;

fn descriptor(layers: usize, model_vars: usize) -> Descriptor {
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
        cells: 1 << model_vars,
        embed_bits: 16,
        root: Root([0; 32]),
        embedding_root: [0; 32],
        integers_hash: [0; 64],
        part: None,
    }
}

#[test]
fn every_size_gives_128_bits_or_is_refused() {
    let mut least = (f64::INFINITY, String::new());
    let mut taken = 0;
    for model_vars in MIN_VARS..=MAX_VARS {
        let d = descriptor(256, model_vars);
        let instance = Instance { sequences: 1, positions: 1 << 14, answers: 1 << 14, top_k: 1 << 10 };
        let mut layout = Layout::new(&d, &instance, &Modes::all(&d));
        for vars in MIN_VARS..=MAX_VARS {
            (layout.num_vars, layout.leaf_vars) = (vars, vars + 1);
            let terms = security_terms(&d, &instance, &layout).expect("in range");
            let total = total_bits(&terms);
            taken += 1;
            if total < least.0 {
                least = (total, format!("witness 2^{vars}, model 2^{model_vars}: {terms:?}"));
            }
        }
    }
    println!("{taken} sizes, least {:.2} bits: {}", least.0, least.1);
    assert!(least.0 >= 128.0, "{} bits: {}", least.0, least.1);
    assert_eq!(taken, 21 * 21);
}

/// The level follows from the number of parts, so that all parts together keep it, whatever their sizes are.
#[test]
fn every_number_of_parts_gives_128_bits() {
    for parts in [1, 2, 3, 4, 16, limits::PARTS.most as usize] {
        let mut least = (f64::INFINITY, String::new());
        for vars in MIN_VARS..=MAX_VARS {
            let mut d = descriptor(16, vars);
            let all_layers = 16 * parts;
            let terms: Vec<SecurityTerm> = (0..parts)
                .flat_map(|index| {
                    d.part = Some(Part { index, count: parts, first_layer: 16 * index, all_layers });
                    let instance =
                        Instance { sequences: 1, positions: 1 << 14, answers: 1 << 14, top_k: 1 << 10 };
                    let mut layout = Layout::new(&d, &instance, &Modes::all(&d));
                    (layout.num_vars, layout.leaf_vars) = (vars, vars + 1);
                    security_terms(&d, &instance, &layout).expect("in range")
                })
                .collect();
            let total = total_bits(&terms);
            if total < least.0 {
                least = (total, format!("2^{vars}"));
            }
        }
        println!("{parts} parts: {:.2} bits at {}", least.0, least.1);
        assert!(least.0 >= 128.0, "{parts} parts: {} bits at {}", least.0, least.1);
    }
}

/// A term that is forgotten cannot be seen in a total: their names, and that each is a finite number of bits.
#[test]
fn terms_by_name() {
    let d = descriptor(2, 20);
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
    ];
    assert_eq!(names, golden);
    assert!(terms.iter().all(|t| t.bits.is_finite() && t.bits > 128.0), "{terms:?}");
    // Sums of errors, not the least of them.
    assert!(total_bits(&terms) < terms.iter().map(|t| t.bits).fold(f64::INFINITY, f64::min));
}

/// Bounds on the challenges that spoil a fold at the Johnson radius, as published; each a theorem.
#[derive(Clone, Copy)]
enum Published {
    /// ePrint 2020/654, theorem 5.1.
    Bciks20,
    /// ePrint 2025/2055, theorem 4.2.
    Bchks25,
    /// ePrint 2026/2056, theorem 5.12: the one that the commitment counts with.
    Dkt26,
}

/// Bits of one fold of a word of 2^vars values at rate 2^-rate, at m = 10, with the bit that the crate keeps in reserve.
fn fold_bits(bound: Published, vars: f64, rate: f64) -> f64 {
    const M_HALF: f64 = 10.5;
    let (n, rho) = (vars + rate, (-rate).exp2());
    let spoiled = match bound {
        Published::Bciks20 => (M_HALF.powi(7) / 3.0).log2() + 2.0 * n + 1.5 * rate,
        Published::Bchks25 => {
            let gamma = 1.0 - rho.sqrt() * (1.0 + 1.0 / 20.0);
            let each = (2.0 * M_HALF.powi(5) + 3.0 * M_HALF * gamma * rho) / (3.0 * rho.powf(1.5));
            (each * n.exp2() + M_HALF / rho.sqrt()).log2()
        }
        Published::Dkt26 => {
            let finite_rate = (1.0 - (-vars).exp2()).log2() - rate;
            3.0 + n + 3.0 * M_HALF.log2() - 3f64.log2() - finite_rate
        }
    };
    191.0 - spoiled - 1.0
}

/// An opening's bits with its folds counted by another bound.
fn opening_under(bound: Published, num_vars: usize, params: &PcsParams, points: usize) -> f64 {
    let schedule = params.schedule(num_vars).expect("in range");
    let mut error = (-opening_security(num_vars, params, points).expect("in range").opening).exp2();
    let (mut vars, mut pow) = (num_vars, schedule.first_fold_pow_bits);
    for round in &schedule.rounds {
        let rate = round.log_domain - vars;
        let fold = |bound| fold_bits(bound, vars as f64, rate as f64) + pow as f64;
        error += round.fold as f64 * ((-fold(bound)).exp2() - (-fold(Published::Dkt26)).exp2());
        (vars, pow) = (vars - round.fold, round.fold_pow_bits);
    }
    -error.log2()
}

/// The table of the page: totals of a proof by each published bound.
#[test]
fn totals_under_other_published_bounds() {
    let page = include_str!("../../../../../docs/proof.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|l| l.starts_with("| witness 2^"))
        .map(|l| l.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 3);
    let mut computed = Vec::new();
    for row in &rows {
        let numbers: Vec<usize> =
            row[0].split(|c: char| !c.is_ascii_digit()).filter_map(|w| w.parse().ok()).collect();
        let [_, witness, _, model_vars] = numbers[..] else { panic!("{row:?}") };
        let d = descriptor(2, model_vars);
        let instance = Instance { sequences: 1, positions: 64, answers: 32, top_k: 4 };
        let mut layout = Layout::new(&d, &instance, &Modes::off(2));
        (layout.num_vars, layout.leaf_vars) = (witness, witness - 1);
        let terms = security_terms(&d, &instance, &layout).expect("in range");
        let (w, m) = opening_params(&d, &layout);
        let bounds = [Published::Dkt26, Published::Bchks25, Published::Bciks20];
        let totals = bounds.map(|bound| {
            let mut terms = terms.clone();
            for term in &mut terms {
                match term.name {
                    "witness opening" => term.bits = opening_under(bound, witness, &w, 2),
                    "model opening" => term.bits = opening_under(bound, model_vars, &m, 1),
                    _ => {}
                }
            }
            total_bits(&terms)
        });
        println!("{}: {totals:.2?}", row[0]);
        assert!(
            (totals[0] - total_bits(&terms)).abs() < 1e-6,
            "the crate's own bound is written down wrongly"
        );
        computed.push(
            [row[0].to_owned()].into_iter().chain(totals.map(|t| format!("{t:.1}"))).collect::<Vec<_>>(),
        );
    }
    assert_eq!(computed, rows);
}
