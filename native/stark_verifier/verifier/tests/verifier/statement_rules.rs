//! What a statement may not say, refused in the clear with the field's name; each beside the statement that may.

use esper_commitment::Root;
use esper_verifier::descriptor::{CLAMP_CLASSES, Descriptor, LayerDescriptor};
use esper_verifier::limits;
use esper_verifier::model_layout::ModelLayout;
use esper_verifier::{SequenceStatement, Statement, VerifyError};

const EOS: u32 = 1;
const VOCAB: u32 = 12;
const BOUND: i64 = 1000;

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
    let mut d = Descriptor {
        vocab: VOCAB as usize,
        dim: 4,
        hidden: 4,
        heads: 2,
        kv_heads: 1,
        head_dim: 2,
        max_seq: 16,
        bos: 0,
        eos: EOS,
        emax: 20,
        eps_term: 11,
        final_shift: 20,
        logit_bound: BOUND as u64,
        clamp_reach: [15; CLAMP_CLASSES],
        layers: vec![layer],
        cells: 0,
        embed_bits: 1,
        root: Root([7; 32]),
        embedding_root: [1; 32],
        integers_hash: [2; 64],
        part: None,
    };
    d.cells = ModelLayout::new(&d).cells;
    d
}

fn sequence(prompt: usize, answer: &[u32]) -> SequenceStatement {
    let list = |&id: &u32| vec![(id, BOUND), ((id + 3) % VOCAB, 5), ((id + 5) % VOCAB, -BOUND)];
    SequenceStatement {
        prompt: vec![2; prompt],
        answer: answer.to_vec(),
        max_answer: 4,
        top: answer.iter().map(list).collect(),
    }
}

fn statement() -> Statement {
    Statement {
        model_id: [0; 64],
        binding: [0; 64],
        rows: 8,
        top_k: 3,
        sequences: vec![sequence(5, &[4, 5, 6, 7]), sequence(3, &[4, EOS]), sequence(1, &[4, 5, 6, EOS])],
    }
}

#[test]
fn what_may_be_said() {
    let d = descriptor();
    assert_eq!(d.check(), Ok(()));
    let instance = statement().check(&d).expect("taken");
    assert_eq!((instance.sequences, instance.positions, instance.answers, instance.top_k), (4, 8, 10, 3));
    // The last answer is no input row, so prompt + answer may pass the rows by one.
    let mut s = statement();
    s.sequences = vec![sequence(5, &[4, 5, 6, 7])];
    assert_eq!(s.row_tokens(&s.check(&d).expect("taken")), [2, 2, 2, 2, 2, 4, 5, 6]);
    assert_eq!(s.answer_rows(&s.check(&d).expect("taken")), [4, 5, 6, 7]);
    // A tie stands by ascending id; K may be the whole vocabulary.
    s.sequences[0].top[0] = vec![(4, 9), (5, 9), (6, 9)];
    assert!(s.check(&d).is_ok());
    let all = |first: u32| (0..VOCAB).map(|i| ((first + i) % VOCAB, i64::from(20 - i))).collect::<Vec<_>>();
    s.top_k = VOCAB as usize;
    s.sequences[0].top = [4, 5, 6, 7].map(all).to_vec();
    assert!(s.check(&d).is_ok());
    // Each sequence has its own limit: an answer may be cut there, or end before it.
    s = statement();
    s.sequences[1] = SequenceStatement { max_answer: 2, ..sequence(3, &[4, 5]) };
    s.sequences[2].max_answer = 8;
    assert!(s.check(&d).is_ok());
    // Rows as the model's table goes.
    s = Statement { rows: 16, ..statement() };
    assert!(s.check(&d).is_ok());
}

#[test]
fn what_may_not_be_said() {
    type Change = (&'static str, fn(&mut Statement));
    let changes: [Change; 35] = [
        ("no sequence", |s| s.sequences.clear()),
        ("rows is no power of two", |s| s.rows = 7),
        ("rows", |s| s.rows = 0),
        ("rows", |s| s.rows = 1),
        ("rows exceed the model's max_seq", |s| s.rows = 32),
        ("rows", |s| s.rows = 1 << 63),
        ("sequences times rows", |s| {
            s.sequences = vec![s.sequences[0].clone(); limits::ALL_ROWS.most as usize / 8 + 1]
        }),
        ("max_answer", |s| s.sequences[1].max_answer = 0),
        ("max_answer", |s| s.sequences[0].max_answer = 9),
        ("top_k", |s| s.top_k = 0),
        ("top_k exceeds the vocabulary", |s| s.top_k = VOCAB as usize + 1),
        ("empty prompt", |s| s.sequences[1].prompt.clear()),
        ("empty answer", |s| s.sequences[1].answer.clear()),
        ("answer longer than max_answer", |s| s.sequences[0] = sequence(2, &[4, 5, 6, 7, 8])),
        ("sequence longer than rows", |s| s.sequences[0].prompt.push(2)),
        ("sequence longer than rows", |s| s.sequences[1].prompt = vec![2; 1 << 20]),
        ("token outside the vocabulary", |s| s.sequences[0].prompt[0] = VOCAB),
        ("token outside the vocabulary", |s| s.sequences[0].answer[3] = VOCAB),
        ("EOS before the last answer", |s| s.sequences[0].answer[1] = EOS),
        ("EOS before the last answer", |s| s.sequences[2] = sequence(1, &[4, EOS, 6, EOS])),
        ("short answer without EOS", |s| s.sequences[1] = sequence(3, &[4, 5])),
        ("short answer without EOS", |s| s.sequences[0].max_answer = 5),
        ("answer longer than max_answer", |s| s.sequences[0].max_answer = 3),
        ("one top list an answer token", |s| drop(s.sequences[0].top.pop())),
        ("one top list an answer token", |s| s.sequences[0].top.push(vec![(1, 1), (2, 0), (3, 0)])),
        ("top list of another length than top_k", |s| s.sequences[0].top[0].truncate(2)),
        ("top list of another length than top_k", |s| s.sequences[0].top[0].push((9, -BOUND))),
        ("top id outside the vocabulary", |s| s.sequences[0].top[0][1].0 = VOCAB),
        ("logit beyond the model's bound", |s| s.sequences[0].top[0][0].1 = BOUND + 1),
        ("logit beyond the model's bound", |s| s.sequences[0].top[0][2].1 = i64::MIN),
        ("top list is not sorted by logit descending, id ascending", |s| {
            s.sequences[0].top[0][1] = (10, -BOUND)
        }),
        ("top list is not sorted by logit descending, id ascending", |s| s.sequences[0].top[0].swap(1, 2)),
        ("top list is not sorted by logit descending, id ascending", |s| {
            s.sequences[0].top[0] = vec![(4, 9), (4, 9), (5, 1)]
        }),
        ("duplicate id in a top list", |s| s.sequences[0].top[0][2].0 = 4),
        ("first id of a top list is not the answer token", |s| s.sequences[0].top[0][0].0 = 8),
    ];
    let d = descriptor();
    for (what, change) in changes {
        let mut s = statement();
        change(&mut s);
        assert_eq!(s.check(&d), Err(VerifyError::Statement(what)), "{s:?}");
    }
}
