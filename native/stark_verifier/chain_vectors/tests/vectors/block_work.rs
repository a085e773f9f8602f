//! What the finder of a block did for it: the VRF's proof, the openings, the digest and the ticket.

use num_bigint::BigUint;

use crate::bank::{self, Prompt};
use crate::blocks::for_each_block;
use crate::cost::{reference_work, work};
use crate::merkle::{self, climbed, root_of_top};
use crate::msgpack::{Item, read};
use crate::network::network;
use crate::reading::bytes;
use crate::vrf;
use crate::work::{Answer, FIELD_ORDER, elements, indices, input, result, seed};

/// A logit as a field element: 0, -1, 1, -2, ... are written as 0, 1, 2, 3, ...
fn logit(written: u64) -> u64 {
    if written.is_multiple_of(2) { written / 2 } else { FIELD_ORDER - written.div_ceil(2) }
}

fn answer(item: &Item<'_>) -> Answer {
    let [tokens, top] = item.record();
    let candidate = |candidate: &Item<'_>| {
        let [token, written] = candidate.record();
        [token.number(), logit(written.number())]
    };
    Answer {
        tokens: tokens.items().iter().map(Item::number).collect(),
        top: top.items().iter().map(|list| list.items().iter().map(candidate).collect()).collect(),
    }
}

#[test]
fn logits_of_both_signs() {
    assert_eq!([0, 1, 2, 3].map(logit), [0, FIELD_ORDER - 1, 1, FIELD_ORDER - 2]);
}

#[test]
fn vrf_proofs_are_of_the_payees_key_on_the_parents_work() {
    let depth = network().vrf_depth;
    for_each_block(|_, parent, header| {
        let pre = &header.pre;
        assert_eq!(header.vrf_path.len(), depth);
        let key = vrf::key(pre.height - pre.vrf_index, depth, &pre.payee);
        let root = vrf::climbed(&key, pre.vrf_index, &header.vrf_value, &header.vrf_path);
        assert_eq!(root, pre.vrf_root);
        let output = vrf::output(&root, pre.vrf_index, &parent.pre.work_id(), &header.vrf_value);
        assert_eq!(output, header.vrf_output);
    });
}

#[test]
fn the_outputs_are_of_the_batch_that_was_drawn() {
    let network = network();
    let (puzzle, model) = (&network.puzzle, &network.model);
    for_each_block(|vector, _, header| {
        let data = bytes(&vector["body"]);
        let body = read(&data);
        let [version, openings, answers] = body.items()[4].record();
        assert_eq!(version.number(), 1);
        let seed = seed(&header.pre.work_id());
        let indices = indices(&seed, puzzle, model);
        let mut inputs = vec![];
        for (place, opening) in openings.items().iter().enumerate() {
            let [index, prompt, path] = opening.record();
            assert_eq!(index.number(), indices[place]);
            let prompt = Prompt::read(prompt);
            let path: Vec<_> = path.items().iter().map(Item::sized).collect();
            let (count, at) = (model.bank_size as usize, indices[place] as usize);
            let top = climbed(count, at, merkle::leaf(&prompt.leaf()), &path).unwrap();
            assert_eq!(root_of_top(bank::USE, count, &top), model.bank_root);
            assert_eq!(prompt.tokenizer_id, model.tokenizer_id);
            inputs.push(input(&seed, place, &prompt, puzzle, model));
        }
        let answers: Vec<_> = answers.items().iter().map(answer).collect();
        let elements = elements(&seed, puzzle, model, &indices, &inputs, &answers);
        assert_eq!(result(&elements), header.result);

        // The ticket: r W_ref < target w.
        let lengths: Vec<_> = answers.iter().map(|answer| answer.tokens.len() as u64).collect();
        let earned = BigUint::from_bytes_be(&header.pre.target) * work(&model.shape, puzzle, &lengths);
        let reference = reference_work(&model.shape, puzzle);
        assert!(BigUint::from_bytes_be(&header.result) * reference < earned);
    });
}

#[test]
fn answers_end_at_eos_or_are_full_and_lead_their_top_lists() {
    let network = network();
    for_each_block(|vector, _, _| {
        let data = bytes(&vector["body"]);
        for item in read(&data).items()[4].record::<3>()[2].items() {
            let Answer { tokens, top } = answer(item);
            let (last, before) = tokens.split_last().unwrap();
            assert!(!before.contains(&network.model.eos));
            assert!(*last == network.model.eos || tokens.len() as u64 == network.puzzle.max_answer);
            let firsts: Vec<_> = top.iter().map(|candidates| candidates[0][0]).collect();
            assert_eq!(firsts, tokens);
            assert!(top.iter().all(|candidates| candidates.len() as u64 == network.puzzle.top_k));
        }
    });
}
