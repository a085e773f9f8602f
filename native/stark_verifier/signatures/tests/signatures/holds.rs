//! What is accepted, compared with another implementation of FIPS 204.

use std::num::NonZeroUsize;

use esper_signatures::{Claim, KEY_BYTES, SIGNATURE_BYTES, first_invalid};
use fips204::ml_dsa_65::{KG, PrivateKey, PublicKey};
use fips204::traits::{KeyGen, SerDes, Signer, Verifier};

const MESSAGE: [u8; 64] = [7; 64];

fn signer(seed: u8) -> (Vec<u8>, PrivateKey) {
    let (public, private) = KG::keygen_from_seed(&[seed; 32]);
    (public.into_bytes().to_vec(), private)
}

fn signed(private: &PrivateKey, message: &[u8], context: &[u8]) -> Vec<u8> {
    private.try_sign_with_seed(&[0; 32], message, context).unwrap().to_vec()
}

/// Whether both say so; they must agree.
fn holds(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let ours = Claim { key, message, signature }.holds();
    let theirs = PublicKey::try_from_bytes(key.try_into().unwrap())
        .is_ok_and(|key| key.verify(message, signature.try_into().unwrap(), &[]));
    assert_eq!(ours, theirs);
    ours
}

#[test]
fn honest_signatures_of_any_message_hold() {
    for seed in 0..20 {
        let (key, private) = signer(seed);
        for message in [&[][..], &MESSAGE, &[1; 1000]] {
            assert!(holds(&key, message, &signed(&private, message, &[])));
        }
    }
}

#[test]
fn the_context_is_empty() {
    let (key, private) = signer(1);
    assert!(!holds(&key, &MESSAGE, &signed(&private, &MESSAGE, b"esper")));
}

#[test]
fn a_changed_bit_anywhere_fails() {
    let (key, private) = signer(2);
    let signature = signed(&private, &MESSAGE, &[]);
    for place in (0..KEY_BYTES).step_by(13) {
        let mut other = key.clone();
        other[place] ^= 1 << (place % 8);
        assert!(!holds(&other, &MESSAGE, &signature), "key byte {place}");
    }
    for place in (0..SIGNATURE_BYTES).step_by(3) {
        let mut other = signature.clone();
        other[place] ^= 1 << (place % 8);
        assert!(!holds(&key, &MESSAGE, &other), "signature byte {place}");
    }
}

#[test]
fn hints_have_one_encoding() {
    // FIPS 204, algorithm 21: six counts at the end, places rising within each polynomial, zeros after the last.
    let (key, private) = signer(3);
    let honest = signed(&private, &MESSAGE, &[]);
    let hints = SIGNATURE_BYTES - 61;
    let counts = hints + 55;
    let used = honest[SIGNATURE_BYTES - 1] as usize;
    assert!(holds(&key, &MESSAGE, &honest) && used < 55 && honest[counts] >= 2);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut other = honest.clone();
        change(&mut other);
        assert!(!holds(&key, &MESSAGE, &other));
    };
    changed(&|other| other.swap(hints, hints + 1));
    changed(&|other| other[hints + 1] = other[hints]);
    changed(&|other| other[hints + used] = 1);
    changed(&|other| other[SIGNATURE_BYTES - 1] = 56);
    changed(&|other| other[SIGNATURE_BYTES - 1] = 255);
    changed(&|other| other[counts] = other[counts + 1] + 1);
    changed(&|other| other[SIGNATURE_BYTES - 1] += 1);
}

#[test]
fn responses_at_the_ends_of_their_range_fail() {
    // Coefficients of z are 20 bits wide; those at or beyond gamma1 - beta are refused whatever else holds.
    let (key, private) = signer(4);
    let honest = signed(&private, &MESSAGE, &[]);
    for (low, middle, high) in [(0, 0, 0), (255, 255, 15), (196, 0, 0), (60, 255, 15)] {
        let mut other = honest.clone();
        other[48] = low;
        other[49] = middle;
        other[50] = (other[50] & 0xf0) | high;
        assert!(!holds(&key, &MESSAGE, &other));
    }
}

#[test]
fn other_sizes_fail() {
    let (key, private) = signer(5);
    let signature = signed(&private, &MESSAGE, &[]);
    let sized = |key: &[u8], signature: &[u8]| Claim { key, message: &MESSAGE, signature }.holds();
    assert!(sized(&key, &signature));
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    assert!(!sized(&longer(&key), &signature));
    assert!(!sized(&key[..KEY_BYTES - 1], &signature));
    assert!(!sized(&[], &signature));
    assert!(!sized(&key, &longer(&signature)));
    assert!(!sized(&key, &signature[..SIGNATURE_BYTES - 1]));
    assert!(!sized(&key, &[]));
}

#[test]
fn the_first_failure_is_named_whatever_the_threads() {
    let (key, private) = signer(6);
    let signature = signed(&private, &MESSAGE, &[]);
    let claim = Claim { key: &key, message: &MESSAGE, signature: &signature };
    let wrong = Claim { message: &[8; 64], ..claim };
    for threads in [1, 2, 3, 100].map(|count| NonZeroUsize::new(count).unwrap()) {
        assert_eq!(first_invalid(&[], threads), None);
        assert_eq!(first_invalid(&[claim; 20], threads), None);
        for first in [0, 1, 7, 19] {
            let mut claims = [claim; 20];
            claims[first..].fill(wrong);
            assert_eq!(first_invalid(&claims, threads), Some(first));
            claims[first..].fill(claim);
            claims[first] = wrong;
            assert_eq!(first_invalid(&claims, threads), Some(first));
        }
    }
}
