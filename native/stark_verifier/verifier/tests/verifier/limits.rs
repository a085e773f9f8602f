//! One table of numbers, three times the same: `docs/proof.md`, the constants, and what is really refused.

use esper_commitment::Root;
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor, LayerDescriptor, Part};
use esper_verifier::limits::{self, ALL, ALL_OF_PARTS, Limit};
use esper_verifier::modes::Modes;
use esper_verifier::proof::ProofHead;
use esper_verifier::{SequenceStatement, Statement, VerifyError, verify, verify_parts};

const PAGE: &str = include_str!("../../../../../docs/proof.md");
const PARTS_PAGE: &str = include_str!("../../../../../docs/parts.md");

/// `2^n`, `2^n - 1` or digits.
fn number(text: &str) -> u64 {
    let (power, less) = text.strip_suffix(" - 1").map_or((text, 0), |p| (p, 1));
    let value = match power.strip_prefix("2^") {
        Some(n) => 1u64 << n.parse::<u32>().expect("an exponent"),
        None => power.parse().expect("a number"),
    };
    value - less
}

#[test]
fn the_page_has_every_limit_of_the_code_and_no_other() {
    compare(PAGE, "17. Limits", ALL);
    compare(PARTS_PAGE, "7. Limits", ALL_OF_PARTS);
    // Numbers that bound a field stand in that table alone: a second place would be read as well, and not be tested.
    for section in PAGE.split("\n## ").filter(|s| ["2. S", "3. D"].iter().any(|t| s.starts_with(t))) {
        for word in ["at least ", "at most ", "<= "] {
            for (at, _) in section.match_indices(word) {
                let next = section[at + word.len()..].chars().next();
                assert!(!next.is_some_and(|c| c.is_ascii_digit()), "{}", &section[at..at + 20]);
            }
        }
    }
}

/// The table of a page's section against a list of the code.
fn compare(page: &str, title: &str, list: &[Limit]) {
    let section = page.split("\n## ").find(|s| s.starts_with(title)).expect(title);
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter_map(|l| l.strip_prefix('|').and_then(|l| l.strip_suffix('|')))
        .map(|l| l.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    assert_eq!(rows[0][..3], ["limit", "least", "most"]);
    let page: Vec<(&str, u64, u64)> = rows[2..].iter().map(|r| (r[0], number(r[1]), number(r[2]))).collect();
    let code: Vec<(&str, u64, u64)> = list.iter().map(|l| (l.name, l.least, l.most)).collect();
    assert_eq!(page, code);
}

/// Checks whose bounds are numbers of their own, which the page would lack, cannot stand unnoticed where fields are
/// checked: no literal above 2 and no shift of one.
#[test]
fn checks_take_their_bounds_from_the_list() {
    let files = [
        (include_str!("../../src/descriptor_check.rs"), "pub fn check("),
        (include_str!("../../src/statement.rs"), "pub fn check("),
        (include_str!("../../src/modes.rs"), "pub fn decode("),
        (include_str!("../../src/proof.rs"), "pub fn read("),
    ];
    for (text, from) in files {
        let body = &text[text.find(from).expect("the check")..];
        let body = &body[..body.find("\n    }\n").expect("its end")];
        let code = body
            .lines()
            .map(|l| l.split("//").next().unwrap_or("").split('"').step_by(2).collect::<String>());
        for line in code {
            assert!(!line.contains("1 <<"), "{line}");
            for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                // Bits and masks of the mode bytes are no bounds.
                let mask = line.contains("bytes[") || line.contains("b >> 1");
                assert!(
                    mask || word.parse::<u64>().is_ok_and(|n| n <= 2)
                        || !starts_with_digit(word)
                        || word == "16",
                    "{line}"
                );
            }
        }
    }
}

fn starts_with_digit(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn descriptor() -> Descriptor {
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
    }
}

fn statement(d: &Descriptor) -> Statement {
    let one =
        SequenceStatement { prompt: vec![0, 0], answer: vec![1], max_answer: 1, top: vec![vec![(1, 0)]] };
    Statement { model_id: d.model_id(), binding: [3; 64], rows: 2, top_k: 1, sequences: vec![one] }
}

/// The refusal of a descriptor, statement or proof that has `value` in the place that the limit bounds; `None` where
/// no such thing can be written.
fn refusal(limit: &Limit, value: u64) -> Option<Option<VerifyError>> {
    let (mut d, n) = (descriptor(), value as usize);
    let word = value as u32;
    match limit.name {
        "vocab" => d.vocab = n,
        "dim" => d.dim = n,
        "hidden" => d.hidden = n,
        "heads" => (d.heads, d.kv_heads) = (n, 1),
        "kv_heads" => (d.heads, d.kv_heads) = (6, n),
        "head_dim" => d.head_dim = n,
        "max_seq" => d.max_seq = n,
        "layers" => (d.layers, d.heads, d.kv_heads) = (vec![d.layers[0].clone(); n], 1, 1),
        "layers times heads" => {
            // 4097 = 17 * 241.
            let layers = [16, 17, 1].into_iter().find(|l| n > 0 && n.is_multiple_of(*l))?;
            (d.layers, d.heads, d.kv_heads) = (vec![d.layers[0].clone(); layers], n / layers, 1);
        }
        "eps_term" => (d.eps_term, d.emax) = (value, 30),
        "emax" => (d.emax, d.eps_term) = (word, 1 << 10),
        // The sum is even: 12 + 2 emax.
        "T0 + 2 (emax + 1)" => (d.emax, d.eps_term) = ((word + 1).checked_sub(12)? / 2, 1),
        "shifts of norms" => d.layers[1].norm2_shift = word,
        "shifts of matrices" => d.layers[1].shifts[6] = word,
        "shifts of q and k" => d.layers[1].shifts[1] = word,
        "score_shift" => d.layers[1].score_shift = word,
        "gate_bits" => d.layers[1].gate_bits = word,
        "z_bits" => d.layers[1].z_bits = word,
        "o_bits, down_bits" => d.layers[1].down_bits = word,
        "logit_bound" => d.logit_bound = value,
        "reach" => d.clamp_reach[6] = word,
        "cells" => d.cells = n,
        "embed_bits" => d.embed_bits = word,
        _ => return statement_refusal(limit, value),
    }
    Some(d.check().err())
}

fn statement_refusal(limit: &Limit, value: u64) -> Option<Option<VerifyError>> {
    let (mut d, n) = (descriptor(), value as usize);
    (d.max_seq, d.vocab) = (1 << 16, 2000);
    let mut s = statement(&d);
    match limit.name {
        "rows" => s.rows = n,
        // Fewer are no sequence at all, which is refused under that name.
        "sequences times rows" if n < 2 => return None,
        "answer tokens times top_k" if n == 0 => return None,
        "sequences times rows" => s.sequences = vec![s.sequences[0].clone(); n.div_ceil(2)],
        "top_k" => s.top_k = n,
        "answer tokens times top_k" => s.sequences[0].answer = vec![0; n],
        "overflow limbs" => {
            let bytes = [0, u8::try_from(value).ok()?, 0, 0];
            return Some(Modes::decode(&bytes, &descriptor()).err());
        }
        "bytes of a proof" => return Some(ProofHead::read(&vec![0; n]).err()),
        // Both follow from other sizes: the test below.
        "num_vars" | "leaf_vars" => return None,
        name => panic!("nothing tries the limit '{name}'"),
    }
    Some(s.check(&d).err())
}

#[test]
fn each_limit_is_the_last_value_that_is_taken() {
    let named = |limit: &Limit, e: Option<VerifyError>| match e {
        Some(VerifyError::Descriptor(name) | VerifyError::Statement(name)) => name == limit.name,
        Some(VerifyError::Modes(what)) => what == "three overflow limbs",
        Some(VerifyError::Encoding(what)) => what == "proof longer than the limit",
        _ => false,
    };
    for limit in ALL {
        for (value, refused) in [
            (limit.most, false),
            (limit.most + 1, true),
            (limit.least, false),
            (limit.least.wrapping_sub(1), true),
        ] {
            if value == u64::MAX {
                continue;
            }
            if let Some(error) = refusal(limit, value) {
                assert_eq!(named(limit, error.clone()), refused, "{} = {value}: {error:?}", limit.name);
            }
        }
    }
}

/// A width of two digits has two halves.
#[test]
fn odd_widths_are_refused() {
    let fields: [(&str, fn(&mut LayerDescriptor) -> &mut u32); 3] = [
        ("odd width of z", |l| &mut l.z_bits),
        ("odd width of an update", |l| &mut l.o_bits),
        ("odd width of an update", |l| &mut l.down_bits),
    ];
    for (name, field) in fields {
        for (bits, reason) in
            [(17, Some(VerifyError::Descriptor(name))), (18, None), (21, Some(VerifyError::Descriptor(name)))]
        {
            let mut d = descriptor();
            *field(&mut d.layers[1]) = bits;
            d.cells = esper_verifier::model_layout::ModelLayout::new(&d).cells;
            assert_eq!(d.check().err(), reason, "{name}: {bits}");
        }
    }
}

/// The largest statement of the largest model has too many cells, and no proof of it is looked at.
#[test]
fn more_cells_than_can_be_committed_are_refused() {
    let mut d = descriptor();
    (d.heads, d.kv_heads, d.max_seq) = (256, 256, 1 << 16);
    d.cells = esper_verifier::model_layout::ModelLayout::new(&d).cells;
    assert_eq!(d.check(), Ok(()));
    let mut s = statement(&d);
    s.rows = limits::ROWS.most as usize;
    let encoded = d.encode();
    let mut proof = (encoded.len() as u32).to_le_bytes().to_vec();
    proof.extend_from_slice(&encoded);
    proof.extend_from_slice(&Modes::off(d.layers.len()).encode());
    assert_eq!(verify(&s, &proof).err(), Some(VerifyError::Sizes));
}

#[test]
fn each_limit_of_parts_is_the_last_value_that_is_taken() {
    let of = |count: usize, all_layers: usize| {
        let mut d = descriptor();
        d.part = Some(Part { index: 0, count, first_layer: 0, all_layers });
        d.cells = esper_verifier::model_layout::ModelLayout::new(&d).cells;
        d.check()
    };
    let refused = |limit: Limit| Err(VerifyError::Descriptor(limit.name));
    let [parts, layers] = [limits::PARTS, limits::ALL_LAYERS].map(|l| l.most as usize);
    assert_eq!(of(2, layers), Ok(()));
    assert_eq!(of(2, layers + 1), refused(limits::ALL_LAYERS));
    assert_eq!(of(parts, layers), Ok(()));
    assert_eq!(of(parts + 1, layers), refused(limits::PARTS));
    assert_eq!(of(0, layers), refused(limits::PARTS));
    let one = descriptor().layers.len();
    assert_eq!(of(1, one), Ok(()));
    // The same of the bytes: a count, and how many they are.
    let statement = Statement { model_id: [0; 64], binding: [0; 64], rows: 2, top_k: 1, sequences: vec![] };
    let verdict = |count: usize, bytes: usize| {
        let mut proof = vec![0; bytes];
        proof[..4].copy_from_slice(&(count as u32).to_le_bytes());
        verify_parts(&statement, &[0; 64], &proof).err()
    };
    let most = limits::PARTS_PROOF_BYTES.most as usize;
    assert_eq!(verdict(0, most), refused(limits::PARTS).err());
    assert_eq!(verdict(parts + 1, most), refused(limits::PARTS).err());
    assert_eq!(verdict(parts, most), Some(VerifyError::Encoding("model descriptor")));
    assert_eq!(verdict(parts, most + 1), Some(VerifyError::Encoding("proof longer than the limit")));
}

/// A proof of parts of one layer each, up to where the residuals begin; and what the statement is.
fn begun(d: &Descriptor, count: usize, rows: usize, sequences: usize) -> (Statement, [u8; 64], Vec<u8>) {
    let mut proof = (count as u32).to_le_bytes().to_vec();
    let mut ids = vec![];
    for index in 0..count {
        let mut d = d.clone();
        d.layers.truncate(1);
        d.part = Some(Part { index, count, first_layer: index, all_layers: count });
        d.cells = esper_verifier::model_layout::ModelLayout::new(&d).cells;
        assert_eq!(d.check(), Ok(()));
        let encoded = d.encode();
        proof.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
        proof.extend_from_slice(&encoded);
        ids.push(d.model_id());
    }
    let mut statement = statement(d);
    statement.rows = rows;
    statement.sequences = vec![statement.sequences[0].clone(); sequences];
    (statement, esper_verifier::parts_id(&ids), proof)
}

/// A stranger's bytes are unpacked only where the statement could be proven, and only so many of them.
#[test]
fn residuals_of_what_is_too_large_are_not_unpacked() {
    let verdict =
        |(statement, id, proof): (Statement, [u8; 64], Vec<u8>)| verify_parts(&statement, &id, &proof).err();
    let missing = Some(VerifyError::Encoding("proof in parts"));
    let mut d = descriptor();
    assert_eq!(verdict(begun(&d, 2, 2, 1)), missing, "the residual is next");
    // Too many cells, modes off, in the last part as in the first.
    (d.heads, d.kv_heads, d.max_seq) = (256, 256, 1 << 16);
    assert_eq!(verdict(begun(&d, 2, limits::ROWS.most as usize, 1)), Some(VerifyError::Sizes));
    // Few enough cells, and too many values between the parts.
    let mut d = descriptor();
    (d.dim, d.heads, d.kv_heads, d.head_dim, d.hidden) = (1 << 10, 1, 1, 2, 2);
    let sequences = limits::ALL_ROWS.most as usize / 2;
    assert_eq!(limits::RESIDUAL_VALUES.most as usize, 2 * sequences * d.dim);
    assert_eq!(verdict(begun(&d, 2, 2, sequences)), missing);
    assert_eq!(verdict(begun(&d, 3, 2, sequences)), Some(VerifyError::Sizes));
}

#[test]
fn a_part_is_no_longer_than_a_proof() {
    let d = descriptor();
    let most = limits::PROOF_BYTES.most as usize;
    for (len, told) in [(most, "proof in parts"), (most + 1, "a part longer than the limit")] {
        let (statement, id, mut proof) = begun(&d, 1, 2, 1);
        proof.extend_from_slice(&(len as u32).to_le_bytes());
        assert_eq!(verify_parts(&statement, &id, &proof).err(), Some(VerifyError::Encoding(told)));
    }
}
