//! Sequences that come and go beside each other: as if each were alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use esper_model::synthetic::{Options, random_model};
use esper_model::{Engine, Level, Request, ServingBatch, ServingError, Shape, Told, TopEntry};
use proptest::prelude::*;

const SHAPE: Shape =
    Shape { vocab: 53, dim: 36, hidden: 75, layers: 2, heads: 6, kv_heads: 2, head_dim: 6, max_seq: 160 };

fn engine(level: Level, threads: usize) -> Arc<Engine> {
    let model = Arc::new(random_model(3, SHAPE, Options { z_bits: 20, ..Options::default() }).unwrap());
    Arc::new(Engine::with_level(model, 1, level).unwrap().with_threads(threads).unwrap())
}

fn tokens(count: usize, seed: u32) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + seed * 17 + i * i * seed) % SHAPE.vocab as u32).collect()
}

const SCALE: f64 = 1.0 / 1024.0;

fn request(id: u64, prompt: Vec<u32>, max_new: usize) -> Request {
    Request { id, prompt, max_new, top_k: id as usize % 5, group: String::new(), public: 0 }
}

fn shared(group: &str, request: Request) -> Request {
    Request { group: group.into(), ..request }
}

fn public(count: usize, request: Request) -> Request {
    Request { public: count.min(request.prompt.len()), ..request }
}

fn batch(engine: &Arc<Engine>, slots: usize, rows: usize) -> ServingBatch {
    ServingBatch::new(Arc::clone(engine), slots, rows, SCALE).unwrap()
}

/// What an answer is alone: tokens, and the best candidates of each, one at least.
fn alone(engine: &Engine, request: &Request) -> (Vec<u32>, Vec<Vec<TopEntry>>) {
    let Request { prompt, max_new, top_k, .. } = request;
    let eos = engine.model().eos;
    let answer =
        engine.generate(std::slice::from_ref(prompt), *max_new, eos, 1.max(*top_k)).unwrap().remove(0);
    (answer.tokens, answer.top)
}

/// Collects what is told, by sequence, and checks what holds of every telling.
#[derive(Default)]
struct Heard(HashMap<u64, Said>);

/// What was told of one sequence.
#[derive(Default)]
struct Said {
    tokens: Vec<u32>,
    logits: Vec<i64>,
    top: Vec<Vec<TopEntry>>,
    logsumexp: Vec<f64>,
    ended: bool,
}

impl Heard {
    fn take(&mut self, told: Vec<Told>) {
        for Told { id, token, logit, top, logsumexp, ended } in told {
            let heard = self.0.entry(id).or_default();
            assert!(!heard.ended, "a token behind the end of {id}");
            heard.tokens.push(token);
            heard.logits.push(logit);
            heard.top.push(top);
            heard.logsumexp.push(logsumexp);
            heard.ended = ended;
        }
    }

    fn is(&self, engine: &Engine, request: &Request) {
        let Said { tokens, logits, top, logsumexp, ended } = &self.0[&request.id];
        let (expected, mut candidates) = alone(engine, request);
        assert!(ended);
        assert_eq!(*tokens, expected, "{request:?}");
        assert_eq!(*logits, candidates.iter().map(|top| top[0].1).collect::<Vec<_>>(), "{request:?}");
        candidates.iter_mut().for_each(|top| top.truncate(request.top_k));
        assert_eq!(*top, candidates, "{request:?}");
        if request.top_k == 0 {
            assert!(logsumexp.iter().all(|&sum| sum == 0.0));
            return;
        }
        let text = [&request.prompt[..], &tokens[..tokens.len() - 1]].concat();
        let all = engine.logits(&[text]).unwrap().remove(0);
        let rows = all.chunks_exact(SHAPE.vocab).skip(request.prompt.len() - 1);
        for (row, told) in rows.zip(logsumexp) {
            let most = *row.iter().max().unwrap();
            let sum: f64 = row.iter().map(|&logit| ((logit - most) as f64 * SCALE).exp()).sum();
            assert!((most as f64 * SCALE + sum.ln() - told).abs() < 1e-6 * told.abs().max(1.0));
        }
    }

    fn ended(&self) -> usize {
        self.0.values().filter(|one| one.ended).count()
    }
}

/// Runs until nobody is left.
fn finish(batch: &mut ServingBatch, heard: &mut Heard) {
    while !batch.is_empty() {
        heard.take(batch.run(100, None));
    }
}

#[test]
fn answers_of_every_age_are_what_they_are_alone() {
    for level in Level::available() {
        for threads in [1, 2] {
            let engine = engine(level, threads);
            let requests: Vec<Request> = (0..23)
                .map(|id| {
                    request(id, tokens(1 + id as usize * 29 % 120, id as u32), 1 + id as usize * 7 % 31)
                })
                .collect();
            let mut batch = batch(&engine, 6, 160);
            let (mut waiting, mut heard) = (requests.iter(), Heard::default());
            let mut steps = 1;
            loop {
                // One comes when there is room, at another age of the others each time.
                if batch.len() < 6
                    && let Some(next) = waiting.next()
                {
                    batch.add(next.clone()).unwrap();
                } else if batch.is_empty() {
                    break;
                }
                steps = steps % 5 + 1;
                heard.take(batch.run(steps, None));
            }
            requests.iter().for_each(|request| heard.is(&engine, request));
        }
    }
}

#[test]
fn more_answers_than_rows_take_turns_and_prompts_are_read_meanwhile() {
    let engine = engine(Level::best(), 1);
    let mut batch = batch(&engine, 70, 160);
    let requests: Vec<Request> = (0..64).map(|id| request(id, tokens(1, id as u32), 30)).collect();
    for request in &requests {
        batch.add(request.clone()).unwrap();
    }
    let mut heard = Heard::default();
    for _ in 0..6 {
        heard.take(batch.run(1, None));
    }
    let late = request(99, tokens(100, 9), 3);
    batch.add(late.clone()).unwrap();
    for _ in 0..14 {
        heard.take(batch.run(1, None));
    }
    assert!(heard.0.contains_key(&99), "eight rows a step read a prompt of 100 in 13 steps");
    let early = heard.0.iter().filter(|(id, one)| **id != 99 && !one.ended);
    let running: Vec<usize> = early.map(|(_, one)| one.tokens.len()).collect();
    let (least, most) = (running.iter().min().unwrap(), running.iter().max().unwrap());
    assert!(running.len() > 20 && most - least <= 2, "{least} to {most} of {}", running.len());
    while !batch.is_empty() {
        heard.take(batch.run(100, None));
    }
    requests.iter().chain([&late]).for_each(|request| heard.is(&engine, request));
}

#[test]
fn a_run_comes_back_for_a_first_token_an_end_a_deadline_and_when_nothing_is_left() {
    let engine = engine(Level::best(), 1);
    let endless = |batch: &mut ServingBatch| {
        // Whatever it says, it is not the end token for so long.
        let mut seed = 0;
        loop {
            let request = request(7, tokens(3, seed), 90);
            if alone(&engine, &request).0.len() == 90 {
                batch.add(request).unwrap();
                return;
            }
            seed += 1;
        }
    };
    let mut batch = batch(&engine, 2, 160);
    assert!(batch.run(5, None).is_empty());
    endless(&mut batch);
    assert_eq!(batch.run(0, None), []);
    assert_eq!(batch.run(50, None).len(), 1, "the first token");
    assert_eq!(batch.run(50, None).len(), 50);
    assert_eq!(batch.run(50, Some(Instant::now())).len(), 1, "a deadline that has passed");
    assert_eq!(batch.run(9, Some(Instant::now() + Duration::from_secs(600))).len(), 9);
    let last = batch.run(1000, None);
    assert_eq!((last.len(), last.last().unwrap().ended), (29, true));
    assert!(batch.is_empty());
    assert_eq!(batch.run(5, None), []);
}

#[test]
fn who_is_given_up_leaves_no_trace() {
    let engine = engine(Level::best(), 1);
    let mut batch = batch(&engine, 2, 160);
    let (one, two) = (request(1, tokens(60, 1), 20), request(2, tokens(9, 2), 20));
    batch.add(one.clone()).unwrap();
    batch.add(two.clone()).unwrap();
    let mut heard = Heard::default();
    heard.take(batch.run(1, None));
    assert!(batch.remove(1));
    assert!(!batch.remove(1));
    heard.0.remove(&1);
    batch.add(one.clone()).unwrap();
    while !batch.is_empty() {
        heard.take(batch.run(3, None));
    }
    heard.is(&engine, &one);
    heard.is(&engine, &two);
}

#[test]
fn a_group_begins_with_what_it_has_run() {
    for level in Level::available() {
        let engine = engine(level, 1);
        let known = tokens(70, 5);
        for length in [1, 2, 15, 16, 17, 31, 32, 33, 48, 69, 70] {
            let mut batch = batch(&engine, 4, 160);
            let mut heard = Heard::default();
            let first = shared("ours", request(1, known.clone(), 12));
            assert_eq!(batch.add(first.clone()).unwrap(), 0);
            finish(&mut batch, &mut heard);
            let (answer, _) = alone(&engine, &first);
            for id in 2..5 {
                let own = shared("ours", request(id, [&known[..length], &[52, id as u32]].concat(), 9));
                let said = [&known[..], &answer].concat();
                let same = said.iter().zip(&own.prompt).take_while(|(a, b)| a == b).count();
                assert!(batch.add(own.clone()).unwrap() >= length.min(same), "{length}");
                heard.take(batch.run(2, None));
                finish(&mut batch, &mut heard);
                heard.is(&engine, &own);
            }
            // An answer is a beginning as well, as far as it has run.
            let further = shared("ours", request(9, [&known[..], &answer, &[3]].concat(), 9));
            assert_eq!(batch.add(further.clone()).unwrap(), 70 + answer.len() - 1);
            finish(&mut batch, &mut heard);
            heard.is(&engine, &further);
        }
    }
}

#[test]
fn others_prompts_are_never_begun_with() {
    let engine = engine(Level::best(), 1);
    let mut batch = batch(&engine, 4, 160);
    let mut heard = Heard::default();
    let prompt = tokens(60, 5);
    for (id, group, known) in
        [(1, "", 0), (2, "", 0), (3, "ours", 0), (4, "theirs", 0), (5, "ours", 59), (6, "", 0), (7, "our", 0)]
    {
        let asked = shared(group, request(id, prompt.clone(), 4));
        assert_eq!(batch.add(asked.clone()).unwrap(), known, "{id} {group}");
        finish(&mut batch, &mut heard);
        heard.is(&engine, &asked);
    }
}

#[test]
fn groups_share_what_both_say_is_public_and_nothing_beyond() {
    for level in Level::available() {
        let engine = engine(level, 1);
        let mut batch = batch(&engine, 8, 160);
        let mut heard = Heard::default();
        let prompt = tokens(60, 5);
        let parted = [&prompt[..17], &[(prompt[17] + 1) % SHAPE.vocab as u32], &prompt[18..]].concat();
        for (id, group, said, asked, known) in [
            (1, "ours", 20, &prompt, 0),
            // The same prompt to its end, yet no more of it than both say.
            (2, "theirs", 20, &prompt, 20),
            (3, "", 20, &prompt, 20),
            (4, "others", 19, &prompt, 19),
            (5, "greedy", 60, &prompt, 20),
            (6, "quiet", 0, &prompt, 0),
            (7, "", 0, &prompt, 0),
            // Nor what is not the same, whoever says that it is public.
            (8, "parted", 20, &parted, 17),
            // Within a group as ever.
            (9, "theirs", 0, &prompt, 59),
        ] {
            let asked = public(said, shared(group, request(id, asked.clone(), 3)));
            assert_eq!(batch.add(asked.clone()).unwrap(), known, "{id} {group}");
            finish(&mut batch, &mut heard);
            heard.is(&engine, &asked);
        }
    }
}

#[test]
fn of_nobody_s_what_is_public_stays_and_nothing_beyond() {
    let engine = engine(Level::best(), 1);
    let mut batch = batch(&engine, 3, 160);
    let mut heard = Heard::default();
    for (id, said, known) in [(1, 20, 0), (2, 20, 20), (3, 60, 20), (4, 60, 59)] {
        let asked = public(said, request(id, tokens(60, 5), 3));
        assert_eq!(batch.add(asked.clone()).unwrap(), known, "{id}");
        finish(&mut batch, &mut heard);
        heard.is(&engine, &asked);
    }
}

#[test]
fn what_is_public_is_taken_from_who_still_runs_as_far_as_it_has_run() {
    let engine = engine(Level::best(), 1);
    let mut batch = batch(&engine, 4, 160);
    let mut heard = Heard::default();
    let prompt = tokens(100, 5);
    let asked: Vec<Request> = ["a", "b", "c"]
        .into_iter()
        .zip(1..)
        .map(|(group, id)| public(70, shared(group, request(id, prompt.clone(), 9))))
        .collect();
    assert_eq!(batch.add(asked[0].clone()).unwrap(), 0);
    let _ = batch.run(1, None);
    assert_eq!(batch.add(asked[1].clone()).unwrap(), 48, "a step's rows");
    heard.take(batch.run(2, None));
    assert_eq!(batch.add(asked[2].clone()).unwrap(), 70);
    finish(&mut batch, &mut heard);
    asked.iter().for_each(|request| heard.is(&engine, request));
}

#[test]
fn what_is_kept_never_takes_a_place_from_who_asks() {
    let engine = engine(Level::best(), 1);
    // The only slot is what it begins with.
    let mut one = batch(&engine, 1, 160);
    let mut heard = Heard::default();
    for (id, length, known) in [(1, 60, 0), (2, 80, 60), (3, 20, 19)] {
        let asked = shared("ours", request(id, tokens(length, 5), 1));
        assert_eq!(one.add(asked.clone()).unwrap(), known);
        finish(&mut one, &mut heard);
        heard.is(&engine, &asked);
    }
    // What is over longest goes first, and who is given up is kept as far as it came.
    let mut two = batch(&engine, 3, 160);
    let mut heard = Heard::default();
    for (id, seed) in [(1, 7), (2, 8)] {
        two.add(shared("ours", request(id, tokens(40, seed), 1))).unwrap();
        finish(&mut two, &mut heard);
    }
    two.add(shared("ours", request(3, tokens(100, 9), 30))).unwrap();
    let _ = two.run(1, None);
    assert!(two.remove(3));
    for (id, seed, known) in [(4, 1, 0), (5, 8, 39), (6, 7, 0), (7, 9, 0)] {
        let asked = shared("ours", request(id, tokens(40, seed), 1));
        let found = two.add(asked.clone()).unwrap();
        assert!(if known == 39 { found == 39 } else { found < 39 }, "{id}: {found}");
        finish(&mut two, &mut heard);
        heard.is(&engine, &asked);
    }
}

#[test]
fn what_cannot_be_served_is_refused_and_changes_nothing() {
    let engine = engine(Level::best(), 1);
    let slots =
        |slots, rows| ServingBatch::new(Arc::clone(&engine), slots, rows, SCALE).err().unwrap().to_string();
    assert!(slots(0, 9).contains("slots must be from 1 to 1024"));
    assert!(slots(1025, 9).contains("slots"));
    assert!(slots(1, 0).contains("rows must be from 1 to 160"));
    assert!(slots(1, 161).contains("rows"));
    for scale in [f64::NAN, f64::INFINITY, -1.0] {
        let refused = ServingBatch::new(Arc::clone(&engine), 1, 1, scale).err().unwrap();
        assert!(matches!(refused, ServingError::Scale { .. }));
    }
    let mut batch = batch(&engine, 2, 40);
    batch.add(request(1, tokens(20, 1), 21)).unwrap();
    let ask = |prompt: Vec<u32>, max_new, top_k| Request { top_k, ..request(2, prompt, max_new) };
    for (request, says) in [
        (Request { id: 1, ..ask(tokens(1, 1), 1, 1) }, "sequence 1 is in the batch already"),
        (ask(vec![], 1, 1), "is empty"),
        (ask(vec![53], 1, 1), "token 53 is not below"),
        (ask(tokens(20, 1), 22, 1), "pass the 40 rows"),
        (ask(tokens(41, 1), 1, 1), "pass the 40 rows"),
        (ask(tokens(1, 1), 0, 1), "max_new must be at least 1"),
        (ask(tokens(1, 1), usize::MAX, 1), "pass the 40 rows"),
        (ask(tokens(1, 1), 1, 21), "top_k must be at most 20, got 21"),
        (
            Request { public: 2, ..ask(tokens(1, 1), 1, 1) },
            "2 tokens of the prompt cannot be public, it has 1",
        ),
        (shared(&"g".repeat(65), ask(tokens(1, 1), 1, 1)), "group has 65 bytes, at most 64"),
    ] {
        assert!(batch.add(request).unwrap_err().to_string().contains(says), "{says}");
        assert_eq!(batch.len(), 1);
    }
    batch.add(shared(&"g".repeat(64), ask(tokens(9, 1), 1, 20))).unwrap();
    let full = batch.add(Request { id: 3, ..ask(tokens(1, 1), 1, 1) }).unwrap_err();
    assert!(matches!(full, ServingError::Full { slots: 2 }), "{full}");
}

#[test]
fn a_trace_shows_where_two_models_part() {
    let engine = engine(Level::best(), 1);
    let text = tokens(60, 4);
    let trace = engine.trace(&text).unwrap();
    assert_eq!(trace.len(), 60);
    assert!(trace.iter().all(|digests| digests.len() == SHAPE.layers + 1));
    assert_eq!(engine.trace(&text[..30]).unwrap(), trace[..30], "chunks change nothing");
    let mut other = (**engine.model()).clone();
    other.layers[1].down.weight[3] += if other.layers[1].down.weight[3] < 127 { 1 } else { -1 };
    let broken = Engine::new(Arc::new(other), 1).unwrap().trace(&text).unwrap();
    assert!(trace.iter().zip(&broken).all(|(a, b)| a[0] == b[0]), "the layer before is as it was");
    assert!(trace.iter().zip(&broken).any(|(a, b)| a[1] != b[1]));
    assert!(engine.trace(&[]).is_err());
    assert!(engine.trace(&[53]).is_err());
    assert!(engine.trace(&[1; 161]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any order of coming, running, sharing and giving up.
    #[test]
    fn whatever_happens_around_an_answer_it_is_the_same(
        slots in 1usize..8,
        events in prop::collection::vec((0u8..8, 1usize..40, 1usize..12, any::<u32>(), 0usize..40), 1..40),
    ) {
        let engine = engine(Level::best(), 1);
        let mut batch = batch(&engine, slots, 160);
        let (mut asked, mut heard) = (HashMap::new(), Heard::default());
        for (id, (kind, length, max_new, seed, said)) in (0u64..).zip(events) {
            let request = public(said, request(id, tokens(length, seed % 3), max_new));
            let taken = match kind {
                0..=1 => batch.add(request.clone()).is_ok(),
                2..=4 => batch.add(shared(["one", "two"][seed as usize % 2], request.clone())).is_ok(),
                5 => {
                    let gone = u64::from(seed) % (id + 1);
                    if batch.remove(gone) {
                        asked.remove(&gone);
                        heard.0.remove(&gone);
                    }
                    false
                }
                _ => {
                    heard.take(batch.run(length, None));
                    false
                }
            };
            if taken {
                asked.insert(id, request);
            }
        }
        finish(&mut batch, &mut heard);
        asked.values().for_each(|request| heard.is(&engine, request));
        prop_assert_eq!(heard.ended(), asked.len());
    }
}
