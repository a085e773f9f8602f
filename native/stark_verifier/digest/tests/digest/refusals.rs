//! What is no tag and no field element, and what must change a digest.

use std::collections::HashSet;

use esper_digest::poseidon::ORDER;
use esper_digest::{BadTag, NonCanonical, Tag, permute, poseidon2_digest};

#[test]
fn names_that_are_no_tag() {
    assert_eq!(Tag::new(""), Err(BadTag::Length(0)));
    assert_eq!(Tag::new(&"x".repeat(33)), Err(BadTag::Length(33)));
    assert_eq!(Tag::new("a b"), Err(BadTag::Character(1)));
    assert_eq!(Tag::new("ab\0"), Err(BadTag::Character(2)));
    assert_eq!(Tag::new("ü"), Err(BadTag::Character(0)));
    assert_eq!(&Tag::new("ab").unwrap().as_bytes()[..3], b"ab\0");
    assert!(Tag::new(&"x".repeat(32)).is_ok());
}

#[test]
fn elements_at_or_above_the_order() {
    let tag = Tag::new("a").unwrap();
    assert!(poseidon2_digest(tag, &[ORDER - 1]).is_ok());
    for value in [ORDER, u64::MAX] {
        let refused = NonCanonical { index: 2, value };
        assert_eq!(poseidon2_digest(tag, &[0, 1, value, value]), Err(refused));
        assert!(refused.to_string().contains("element 2"));
        let mut state = [0; 16];
        state[2] = value;
        assert_eq!(permute(state), Err(refused));
    }
}

#[test]
fn tag_length_and_every_element_count() {
    let mut seen = HashSet::new();
    for name in ["a", "b"] {
        for length in 0..20 {
            let tag = Tag::new(name).unwrap();
            assert!(seen.insert(poseidon2_digest(tag, &vec![0; length]).unwrap()));
            for place in 0..length {
                let mut input = vec![0; length];
                input[place] = 1;
                assert!(seen.insert(poseidon2_digest(tag, &input).unwrap()));
            }
        }
    }
    assert!(seen.iter().flatten().all(|&limb| limb < ORDER));
}
