//! Hashing many messages at once gives what hashing each by itself gives.

use esper_digest::{Tag, tagged_sha3_256, tagged_sha3_256_many, tagged_sha3_512, tagged_sha3_512_many};

fn message(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + seed * 7 + length) as u8).collect()
}

fn compare(tag: Tag, messages: &[&[u8]]) {
    let long: Vec<_> = messages.iter().map(|message| tagged_sha3_512(tag, &[message])).collect();
    assert_eq!(tagged_sha3_512_many(tag, messages), long);
    let short: Vec<_> = messages.iter().map(|message| tagged_sha3_256(tag, &[message])).collect();
    assert_eq!(tagged_sha3_256_many(tag, messages), short);
}

#[test]
fn messages_of_every_length_around_the_blocks() {
    let tag = Tag::new("esper/test/v1").unwrap();
    let messages: Vec<_> = (0..300).map(|length| message(length, 1)).collect();
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    compare(tag, &slices);
    for message in &messages {
        compare(tag, &[message]);
    }
}

#[test]
fn lanes_that_end_at_different_times_take_the_next_message() {
    let tag = Tag::new("x").unwrap();
    for count in [0, 1, 2, 7, 8, 9, 17, 40] {
        let messages: Vec<_> = (0..count).map(|seed| message(seed * seed * 37 % 1000, seed)).collect();
        let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        compare(tag, &slices);
    }
}

#[test]
fn a_padded_tag_is_the_tag_of_its_name() {
    for name in ["x", "esper/test/v1", "12345678901234567890123456789012"] {
        let tag = Tag::new(name).unwrap();
        assert_eq!(Tag::from_padded(tag.as_bytes()), Ok(tag));
    }
    let mut broken = [vec![0; 32], vec![b'a'; 31], vec![b'a'; 33], vec![0xFF; 32], Vec::new()];
    broken[0][1] = b'a';
    for bytes in broken.iter().chain([&vec![0; 32]]) {
        assert!(Tag::from_padded(bytes).is_err(), "{bytes:?}");
    }
}
