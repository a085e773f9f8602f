//! Sequences that come and go beside each other, and texts that are looked through: as if each were alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use esper_model::synthetic::{Options, random_model};
use esper_model::{Engine, Level, Request, ServingBatch, Shape, Told, TopEntry};
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

fn request(id: u64, prompt: Vec<u32>, max_new: usize) -> Request {
    Request { id, prompt, max_new, top_k: 1 + id as usize % 5 }
}

/// What an answer is alone.
fn alone(engine: &Engine, request: &Request) -> (Vec<u32>, Vec<Vec<TopEntry>>) {
    let Request { prompt, max_new, top_k, .. } = request;
    let eos = engine.model().eos;
    let answer = engine.generate(std::slice::from_ref(prompt), *max_new, eos, *top_k).unwrap().remove(0);
    (answer.tokens, answer.top)
}

/// Collects what is told, by sequence, and checks what holds of every telling.
#[derive(Default)]
struct Heard(HashMap<u64, (Vec<u32>, Vec<Vec<TopEntry>>, bool)>);

impl Heard {
    fn take(&mut self, told: Vec<Told>) {
        for Told { id, token, top, ended } in told {
            let heard = self.0.entry(id).or_default();
            assert!(!heard.2, "a token behind the end of {id}");
            assert_eq!(token, top[0].0);
            heard.0.push(token);
            heard.1.push(top);
            heard.2 = ended;
        }
    }

    fn is(&self, engine: &Engine, request: &Request) {
        let (tokens, top, ended) = &self.0[&request.id];
        assert!(ended);
        assert_eq!((tokens.clone(), top.clone()), alone(engine, request), "{request:?}");
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
            let mut batch = ServingBatch::new(Arc::clone(&engine), 6, 160).unwrap();
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
    let mut batch = ServingBatch::new(Arc::clone(&engine), 70, 160).unwrap();
    let requests: Vec<Request> = (0..64).map(|id| request(id, tokens(1, id as u32), 30)).collect();
    requests.iter().for_each(|request| batch.add(request.clone()).unwrap());
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
    let early = heard.0.iter().filter(|(id, one)| **id != 99 && !one.2);
    let running: Vec<usize> = early.map(|(_, one)| one.0.len()).collect();
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
                return batch.add(request).unwrap();
            }
            seed += 1;
        }
    };
    let mut batch = ServingBatch::new(Arc::clone(&engine), 2, 160).unwrap();
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
    let mut batch = ServingBatch::new(Arc::clone(&engine), 2, 160).unwrap();
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
fn a_fork_continues_what_has_run() {
    for level in Level::available() {
        let engine = engine(level, 1);
        let shared = tokens(70, 5);
        for length in [1, 2, 15, 16, 17, 31, 32, 33, 48, 69, 70] {
            let mut batch = ServingBatch::new(Arc::clone(&engine), 4, 160).unwrap();
            batch.add(Request { id: 1, prompt: shared.clone(), max_new: 0, top_k: 1 }).unwrap();
            assert!(batch.run(10, None).is_empty(), "a prefix is told nothing of");
            assert_eq!(batch.len(), 1, "and stays");
            let requests: Vec<Request> = (2..5)
                .map(|id| request(id, [&shared[..length], &tokens(id as usize, id as u32)].concat(), 9))
                .collect();
            let mut heard = Heard::default();
            for request in &requests {
                batch.fork(1, length, request.clone()).unwrap();
                heard.take(batch.run(2, None));
            }
            while batch.len() > 1 {
                heard.take(batch.run(100, None));
            }
            requests.iter().for_each(|request| heard.is(&engine, request));
            // The answer of another is a beginning as well, as far as it has run.
            let first = request(9, shared.clone(), 12);
            batch.add(first.clone()).unwrap();
            heard.take(batch.run(1, None));
            heard.take(batch.run(100, None));
        }
    }
}

#[test]
fn what_cannot_be_served_is_refused_and_changes_nothing() {
    let engine = engine(Level::best(), 1);
    let slots = |slots, positions| {
        ServingBatch::new(Arc::clone(&engine), slots, positions).err().unwrap().to_string()
    };
    assert!(slots(0, 9).contains("slots must be from 1 to 1024"));
    assert!(slots(1025, 9).contains("slots"));
    assert!(slots(1, 0).contains("positions must be from 1 to 160"));
    assert!(slots(1, 161).contains("positions"));
    let mut batch = ServingBatch::new(Arc::clone(&engine), 2, 40).unwrap();
    batch.add(request(1, tokens(20, 1), 21)).unwrap();
    let ask = |prompt: Vec<u32>, max_new, top_k| Request { id: 2, prompt, max_new, top_k };
    for (request, says) in [
        (Request { id: 1, ..ask(tokens(1, 1), 1, 1) }, "sequence 1 is in the batch already"),
        (ask(vec![], 1, 1), "is empty"),
        (ask(vec![53], 1, 1), "token 53 is not below"),
        (ask(tokens(20, 1), 22, 1), "pass the 40 positions"),
        (ask(tokens(41, 1), 0, 1), "pass the 40 positions"),
        (ask(tokens(1, 1), usize::MAX, 1), "pass the 40 positions"),
        (ask(tokens(1, 1), 1, 0), "top_k must be from 1 to 53"),
        (ask(tokens(1, 1), 1, 54), "top_k"),
    ] {
        let said = batch.add(request.clone()).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
        assert!(batch.fork(1, 0, request).unwrap_err().to_string().contains(says));
        assert_eq!(batch.len(), 1);
    }
    let mut fork = |of, length, prompt| batch.fork(of, length, ask(prompt, 1, 1)).unwrap_err().to_string();
    assert!(fork(5, 1, tokens(5, 1)).contains("sequence 5 is not in the batch"));
    assert!(fork(1, 1, tokens(5, 1)).contains("but 0 tokens of sequence 1 have run"));
    let _ = batch.run(1, None);
    let mut fork = |of, length, prompt| batch.fork(of, length, ask(prompt, 1, 1)).unwrap_err().to_string();
    assert!(fork(1, 21, tokens(30, 1)).contains("but 20 tokens"));
    assert!(fork(1, 5, tokens(5, 1)).contains("must leave a token"));
    assert!(fork(1, 5, tokens(9, 2)).contains("the first 5 tokens are not those"));
    batch.fork(1, 5, ask(tokens(9, 1), 1, 1)).unwrap();
    assert!(
        batch
            .add(Request { id: 3, ..ask(tokens(1, 1), 1, 1) })
            .unwrap_err()
            .to_string()
            .contains("all 2 places")
    );
}

#[test]
fn scores_are_the_tops_of_all_logits() {
    for level in Level::available() {
        for threads in [1, 2] {
            let engine = engine(level, threads);
            for (length, from) in
                [(1, 0), (48, 0), (49, 48), (100, 0), (100, 47), (100, 48), (100, 99), (160, 90)]
            {
                let text = tokens(length, 3);
                let logits = engine.logits(std::slice::from_ref(&text)).unwrap().remove(0);
                let expected: Vec<Vec<TopEntry>> = logits
                    .chunks_exact(SHAPE.vocab)
                    .skip(from)
                    .map(|row| {
                        let mut all: Vec<TopEntry> = (0..).zip(row.iter().copied()).collect();
                        all.sort_by_key(|&(id, logit)| (std::cmp::Reverse(logit), id));
                        all.truncate(4);
                        all
                    })
                    .collect();
                assert_eq!(engine.score(&text, from, 4).unwrap(), expected, "{level:?} {length} {from}");
            }
        }
    }
}

#[test]
fn an_answer_scores_as_it_was_told() {
    let engine = engine(Level::best(), 1);
    let asked = request(4, tokens(33, 2), 40);
    let (answer, top) = alone(&engine, &asked);
    let text = [&asked.prompt[..], &answer[..answer.len() - 1]].concat();
    assert_eq!(engine.score(&text, asked.prompt.len() - 1, asked.top_k).unwrap(), top);
    let said = |tokens: &[u32], from, count| engine.score(tokens, from, count).unwrap_err().to_string();
    assert!(said(&[], 0, 1).contains("at least one token"));
    assert!(said(&[1], 1, 1).contains("from is 1, must be below the 1 tokens"));
    assert!(said(&[53], 0, 1).contains("token 53"));
    assert!(said(&[1; 161], 0, 1).contains("takes at most 160"));
    assert!(said(&[1], 0, 0).contains("top_k"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any order of coming, running, sharing and giving up.
    #[test]
    fn whatever_happens_around_an_answer_it_is_the_same(
        events in prop::collection::vec((0u8..8, 1usize..40, 0usize..12, any::<u32>()), 1..40),
    ) {
        let engine = engine(Level::best(), 1);
        let mut batch = ServingBatch::new(Arc::clone(&engine), 5, 160).unwrap();
        let (mut asked, mut heard) = (HashMap::new(), Heard::default());
        for (id, (kind, length, max_new, seed)) in (0u64..).zip(events) {
            let request = request(id, tokens(length, seed % 3), max_new);
            let taken = match kind {
                0..=2 => batch.add(request.clone()).is_ok(),
                3..=4 => batch.fork(u64::from(seed) % (id + 1), length / 2, request.clone()).is_ok(),
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
        for _ in 0..100 {
            heard.take(batch.run(100, None));
        }
        for request in asked.values() {
            if request.max_new == 0 {
                prop_assert!(!heard.0.contains_key(&request.id));
            } else {
                heard.is(&engine, request);
            }
        }
        prop_assert_eq!(batch.len(), asked.values().filter(|request| request.max_new == 0).count());
    }
}
