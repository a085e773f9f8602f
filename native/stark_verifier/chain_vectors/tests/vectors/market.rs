//! The market: what is signed and committed to, what is drawn of it, and how it is paid.
//!
//! A record is signed as promises are, a request under a tag of its own; whoever names one in a list uses
//! H("esper/market/digest/v1", record). Tokens stand in windows of 32 under Merkle roots, replies in a
//! mountain range by turn, claims in a Beat by place.

use serde_json::Value;

use crate::address;
use crate::benchmarks::{ANSWER, CANDIDATE};
use crate::fields::Form::{Bytes, List, Number, Record};
use crate::fields::{Fields, Form, checked};
use crate::hashing::{Stream, hash};
use crate::merkle::{self, climbed, root_of_top};
use crate::msgpack;
use crate::reading::{bytes, list, number, sized, text, vectors};
use crate::receipts;
use crate::signatures::verifies;

const RECORD: Fields = &[
    ("version", Number),
    ("genesis_hash", Bytes),
    ("provider", Bytes),
    ("model_id", Bytes),
    ("prompt_root", Bytes),
    ("max_tokens", Number),
    ("answer_root", Bytes),
    ("request", Bytes),
    ("height", Number),
    ("session", Bytes),
    ("turn", Number),
    ("slot", Number),
    ("prompt_tokens", Number),
    ("answer_tokens", Number),
    ("finish", Number),
    ("seal", Bytes),
    ("before", Number),
    ("spent", Number),
    ("t0", Number),
    ("t1", Number),
];
const REQUEST: Fields = &[
    ("version", Number),
    ("genesis_hash", Bytes),
    ("session", Bytes),
    ("turn", Number),
    ("acked", Number),
    ("acks", Bytes),
    ("prompt_root", Bytes),
    ("prompt_tokens", Number),
    ("max_tokens", Number),
    ("expiry", Number),
    ("rating", Number),
];
const CLAIM: Fields = &[
    ("session", Bytes),
    ("first", Number),
    ("turn", Number),
    ("paid_from", Number),
    ("paid_to", Number),
    ("acks", Bytes),
    ("told", List(&Record(&[("slot", Number), ("statuses", Bytes)]))),
];
const REPORT: Fields =
    &[("version", Number), ("genesis_hash", Bytes), ("verifier", Bytes), ("record", Bytes), ("trace", Bytes)];
const OFFER: Fields = &[
    ("price_in", Number),
    ("price_out", Number),
    ("claim", Number),
    ("entry", Number),
    ("least", Number),
    ("load", Number),
    ("region", Number),
    ("attributes", List(&Record(&[("key", Number), ("value", Number)]))),
    ("endpoint", Bytes),
];
const BEAT_PATH: Form = Record(&[("leaves", Number), ("siblings", List(&Bytes))]);
const SHOWN_CLAIM: Fields = &[("claim", Record(CLAIM)), ("beat", Number), ("path", BEAT_PATH)];
const OPENING: Fields = &[
    ("record", Record(RECORD)),
    ("acked", List(&Bytes)),
    ("salt", Bytes),
    ("trace", Bytes),
    ("beat", Number),
    ("index", Number),
    ("path", BEAT_PATH),
];
const LOAD_OPENING: Fields =
    &[("answer", ANSWER), ("siblings", List(&Bytes)), ("load_root", Bytes), ("path", BEAT_PATH)];
const TWO_RECORDS: Fields = &[
    ("first", Record(RECORD)),
    ("first_signature", Bytes),
    ("second", Record(RECORD)),
    ("second_signature", Bytes),
    ("key", Bytes),
];
const IDS: Form = List(&Number);
const PROMPT_WINDOW: Fields = &[("salt", Bytes), ("index", Number), ("ids", IDS)];
const ANSWER_WINDOW: Fields = &[("index", Number), ("ids", IDS)];
const TRACE_WINDOW: Fields = &[("index", Number), ("ids", IDS), ("best", List(&List(&CANDIDATE)))];

const WINDOW: usize = 32;
const TRIES: usize = 8;

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list, which may hold nothing")
}

fn digest(record: &[u8]) -> [u8; 64] {
    hash("esper/market/digest/v1", &[record])
}

fn check_signed(fields: Fields, tag: &str, vector: &Value) {
    let record = checked(fields, vector);
    assert_eq!(digest(&record), sized(&vector["digest"]));
    let signed = hash(tag, &[&record]);
    assert_eq!(signed, sized(&vector["signed"]));
    assert!(verifies(1, &bytes(&vector["key"]), &signed, &bytes(&vector["signature"])));
}

#[test]
fn what_is_signed_and_by_whom() {
    let vectors = vectors("market.json");
    for vector in list(&vectors["requests"]) {
        check_signed(REQUEST, "esper/market/request/v1", vector);
    }
    for vector in list(&vectors["records"]) {
        check_signed(RECORD, "esper/receipt/sign/v1", vector);
        assert_eq!(bytes(&vector["fields"]["provider"]), address::of_key(1, &bytes(&vector["key"])));
        assert_eq!(number(&vector["fields"]["version"]), 2);
    }
}

#[test]
fn what_is_committed_to_and_shown() {
    let vectors = vectors("market.json");
    for (name, fields) in [
        ("claims", CLAIM),
        ("shown_claims", SHOWN_CLAIM),
        ("openings", OPENING),
        ("load_openings", LOAD_OPENING),
        ("doubles", TWO_RECORDS),
    ] {
        for vector in list(&vectors[name]) {
            checked(fields, vector);
        }
    }
    for (name, fields) in [("reports", REPORT), ("offers", OFFER)] {
        for vector in list(&vectors[name]) {
            assert_eq!(digest(&checked(fields, vector)), sized(&vector["digest"]));
        }
    }
    for (vector, fields) in list(&vectors["windows"]).iter().zip([PROMPT_WINDOW, ANSWER_WINDOW, TRACE_WINDOW])
    {
        checked(fields, vector);
    }
}

#[test]
fn costs_are_rounded_down() {
    for vector in list(&vectors("market.json")["costs"]) {
        let [prices, tokens] = ["prices", "tokens"].map(|name| list(&vector[name]));
        let cost: u64 = prices.iter().zip(tokens).map(|(price, count)| number(price) * number(count)).sum();
        assert_eq!(cost / 1000, number(&vector["cost"]));
    }
}

fn zigzag(value: i64) -> u64 {
    if value < 0 { value.unsigned_abs() * 2 - 1 } else { value as u64 * 2 }
}

fn ids(window: &[Value]) -> Vec<u8> {
    msgpack::array(&window.iter().map(|id| msgpack::number(number(id))).collect::<Vec<_>>())
}

fn best(window: &[Value]) -> Vec<u8> {
    let candidate = |pair: &Value| {
        let logit = zigzag(pair[1].as_i64().expect("a logit"));
        msgpack::array(&[msgpack::number(number(&pair[0])), msgpack::number(logit)])
    };
    let lists =
        window.iter().map(|one| msgpack::array(&items(one).iter().map(candidate).collect::<Vec<_>>()));
    msgpack::array(&lists.collect::<Vec<_>>())
}

#[test]
fn roots_over_windows_and_the_seal() {
    for vector in list(&vectors("market.json")["roots"]) {
        let (tokens, lists) = (items(&vector["ids"]), items(&vector["best"]));
        let salt = bytes(&vector["salt"]);
        let over = |tag: &str, leaf: &dyn Fn(u64, &[Value], &[Value]) -> Vec<Vec<u8>>| {
            let leaves: Vec<Vec<u8>> = tokens
                .chunks(WINDOW)
                .zip(lists.chunks(WINDOW))
                .enumerate()
                .map(|(index, (part, listed))| msgpack::array(&leaf(index as u64, part, listed)))
                .collect();
            merkle::root(tag, &leaves.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let prompt = over("esper/market/prompt/v1", &|at, part, _| {
            vec![msgpack::bytes(&salt), msgpack::number(at), ids(part)]
        });
        let answer = over("esper/market/answer/v1", &|at, part, _| vec![msgpack::number(at), ids(part)]);
        let trace = over("esper/market/trace/v1", &|at, part, listed| {
            vec![msgpack::number(at), ids(part), best(listed)]
        });
        assert_eq!(prompt, sized(&vector["prompt_root"]));
        assert_eq!(answer, sized(&vector["answer_root"]));
        assert_eq!(trace, sized(&vector["trace_root"]));
        assert_eq!(hash("esper/market/seal/v1", &[&salt, &trace]), sized(&vector["seal"]));
    }
}

#[test]
fn acknowledged_replies() {
    for vector in list(&vectors("market.json")["acks"]) {
        let leaves: Vec<_> =
            items(&vector["digests"]).iter().map(|one| receipts::leaf(&bytes(one))).collect();
        let count = leaves.len();
        let root = receipts::root_for("esper/market/acks/v1", count, &receipts::peaks(&leaves));
        assert_eq!(root, sized(&vector["root"]));
        let paths = items(&vector["paths"]);
        assert_eq!(paths.len(), count, "a path for every turn");
        for (turn, path) in paths.iter().enumerate() {
            let path: Vec<[u8; 64]> = items(path).iter().map(sized).collect();
            let others = count.count_ones() as usize - 1;
            let (siblings, others) = path.split_at(path.len() - others);
            let peaks = receipts::climbed(count, turn, leaves[turn], siblings, others);
            assert_eq!(receipts::root_for("esper/market/acks/v1", count, &peaks), root);
        }
    }
}

#[test]
fn leaves_of_beats() {
    for vector in list(&vectors("market.json")["beats"]) {
        let mut leaves = vec![[&[0][..], &bytes(&vector["load_root"])].concat()];
        for claim in items(&vector["claims"]) {
            leaves.resize(1 + number(&claim[0]) as usize, vec![1]);
            leaves.push([&[1][..], &bytes(&claim[1])].concat());
        }
        for report in items(&vector["reports"]) {
            leaves.push([&[2][..], &bytes(report)].concat());
        }
        let parts: Vec<_> = leaves.iter().map(Vec::as_slice).collect();
        let root = merkle::root("esper/market/beat/v1", &parts);
        assert_eq!(root, sized(&vector["root"]));
        let paths = list(&vector["paths"]);
        assert_eq!(paths.len(), leaves.len(), "a path for every leaf");
        for (index, path) in paths.iter().enumerate() {
            let path: Vec<[u8; 64]> = items(path).iter().map(sized).collect();
            let top = climbed(leaves.len(), index, merkle::leaf(&leaves[index]), &path).unwrap();
            assert_eq!(root_of_top("esper/market/beat/v1", leaves.len(), &top), root);
        }
    }
}

#[test]
fn statuses_in_two_bits() {
    for vector in list(&vectors("market.json")["statuses"]) {
        let statuses = items(&vector["statuses"]);
        let mut packed = vec![0u8; statuses.len().div_ceil(4)];
        for (at, status) in statuses.iter().enumerate() {
            packed[at / 4] |= (number(status) as u8) << (2 * (at % 4));
        }
        assert_eq!(packed, bytes(&vector["bytes"]));
    }
}

/// Block i of the first ones of a slot is drawn with chance 1 / (first - i), if none before was.
#[test]
fn the_drawn_height_of_a_slot() {
    for vector in list(&vectors("market.json")["slots"]) {
        let [slot, size, answer] =
            ["slot", "slot_blocks", "answer_blocks"].map(|name| number(&vector[name]) as u32);
        let first = size - answer;
        let drawn = (0..first).find(|i| {
            let height = (slot * size + i).to_be_bytes();
            let beacon = hash("esper/test/v1", &[&height]);
            Stream::new("esper/market/slot/v1", &[&beacon, &height]).below(u64::from(first - i)) == 0
        });
        assert_eq!(u64::from(slot * size + drawn.unwrap()), number(&vector["drawn"]));
    }
}

struct Place {
    provider: Vec<u8>,
    owner: Vec<u8>,
    cumulative: u64,
}

fn verifier<'a>(stream: &mut Stream, roster: &'a [Place], owners: &[&[u8]]) -> Option<&'a Place> {
    let weight = roster.last()?.cumulative;
    for _ in 0..TRIES {
        let found = stream.below(weight);
        let place = roster.iter().find(|place| found < place.cumulative)?;
        if !owners.contains(&&place.owner[..]) {
            return Some(place);
        }
    }
    None
}

#[test]
fn draws_of_claims() {
    for vector in list(&vectors("market.json")["draws"]) {
        let [session, beacon, owner] = ["session", "beacon", "owner"].map(|name| bytes(&vector[name]));
        let [from, to] = ["from", "to"].map(|name| text(&vector[name]).parse::<u64>().unwrap());
        let slot = (number(&vector["slot"]) as u32).to_be_bytes();
        let roster: Vec<_> = items(&vector["roster"])
            .iter()
            .map(|place| Place {
                provider: bytes(&place[0]),
                owner: bytes(&place[1]),
                cumulative: number(&place[2]),
            })
            .collect();
        let mut stream = Stream::new("esper/market/draw/v1", &[&beacon, &session, &slot]);
        for expected in list(&vector["draws"]) {
            let amount = from + stream.below(to - from);
            assert_eq!(amount.to_string(), text(&expected["amount"]));
            let first = verifier(&mut stream, &roster, &[&owner]);
            let mut owners: Vec<&[u8]> = vec![&owner];
            owners.extend(first.map(|place| &place.owner[..]));
            let second = verifier(&mut stream, &roster, &owners);
            for (found, expected) in [first, second].into_iter().zip(list(&expected["verifiers"])) {
                assert_eq!(found.map_or(vec![], |place| place.provider.clone()), bytes(expected));
            }
        }
    }
}

#[test]
fn picks_of_answered_draws() {
    for vector in list(&vectors("market.json")["picks"]) {
        let [session, beacon] = ["session", "beacon"].map(|name| bytes(&vector[name]));
        let slot = (number(&vector["slot"]) as u32).to_be_bytes();
        let mut left: Vec<u64> = (0..)
            .zip(items(&vector["statuses"]))
            .filter(|(_, status)| matches!(number(status), 1 | 2))
            .map(|(at, _)| at)
            .collect();
        let mut stream = Stream::new("esper/market/pick/v1", &[&beacon, &session, &slot]);
        let picked: Vec<u64> =
            (0..left.len().min(2)).map(|_| left.remove(stream.below(left.len() as u64) as usize)).collect();
        assert_eq!(picked, items(&vector["picked"]).iter().map(number).collect::<Vec<_>>());
    }
}

#[test]
fn load_answers_and_which_is_opened() {
    let loads = &vectors("market.json")["loads"];
    for vector in list(&loads["counts"]) {
        let [load, unit, reference] = ["load", "unit", "reference"].map(|name| number(&vector[name]));
        let all = u128::from(load) * u128::from(unit) / u128::from(reference);
        assert_eq!(all.clamp(1, u128::from(u32::MAX)), u128::from(number(&vector["answers"])));
    }
    for vector in list(&loads["prompts"]) {
        let [beacon, provider] = ["beacon", "provider"].map(|name| bytes(&vector[name]));
        let index = (number(&vector["index"]) as u32).to_be_bytes();
        let mut stream = Stream::new("esper/market/load/v1", &[&beacon, &provider, &index]);
        for place in list(&vector["places"]) {
            assert_eq!(stream.below(number(&vector["ordinary"])), number(place));
        }
    }
    let fields: Fields = match ANSWER {
        Record(fields) => fields,
        _ => unreachable!("answers are records"),
    };
    let answers: Vec<_> = list(&loads["answers"]).iter().map(|vector| checked(fields, vector)).collect();
    let answers: Vec<_> = answers.iter().map(Vec::as_slice).collect();
    assert_eq!(merkle::root("esper/market/loads/v1", &answers), sized(&loads["root"]));
    for vector in list(&loads["opened"]) {
        let [beacon, provider] = ["beacon", "provider"].map(|name| bytes(&vector[name]));
        let mut stream = Stream::new("esper/market/load/pick/v1", &[&beacon, &provider]);
        assert_eq!(stream.below(number(&vector["answers"])), number(&vector["index"]));
    }
}

#[test]
fn splits() {
    for vector in list(&vectors("market.json")["splits"]) {
        let get = |name: &str| number(&vector[name]);
        let [amount, draws, unanswered] = ["amount", "draws", "unanswered"].map(get);
        let shares: Vec<_> = list(&vector["shares"]).iter().map(number).collect();
        let part = (amount * unanswered).checked_div(draws).unwrap_or(0);
        let lost = part.min(amount - part);
        let rest = amount - part - lost;
        let [burned, router, auditors, maker] = [0, 1, 2, 3].map(|at| rest * shares[at] / 1000);
        let auditor = auditors.checked_div(draws).unwrap_or(0);
        let (to_router, more) = if get("routed") == 1 { (router, 0) } else { (0, router) };
        let unearned = if get("private") == 1 { auditors } else { auditor * unanswered };
        assert_eq!(get("payer"), part + unearned);
        assert_eq!(get("burned"), lost + burned + more);
        assert_eq!([get("router"), get("maker"), get("auditor")], [to_router, maker, auditor]);
        let earned = auditor * (draws - unanswered);
        let all = [get("payer"), get("burned"), get("router"), get("maker"), get("provider"), earned];
        assert_eq!(all.iter().sum::<u64>(), amount + get("price"), "nothing is left over");
    }
}
