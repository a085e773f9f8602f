//! One signature.

use aws_lc_rs::signature::{ML_DSA_65, VerificationAlgorithm};

use crate::memory;

/// Size of a public key (FIPS 204, table 2).
pub const KEY_BYTES: usize = 1952;
/// Size of a signature (FIPS 204, table 2).
pub const SIGNATURE_BYTES: usize = 3309;

/// What stands before a key in a SubjectPublicKeyInfo: sequence, id-ml-dsa-65, bit string (RFC 9881, section 4).
///
/// AWS-LC takes bare keys too, but tries this form first: a bare key whose first 22 bytes, which its owner
/// chooses, are the head of another kind of key would be read as that. A key with a head of its own has one meaning.
const KEY_HEAD: [u8; 22] = [
    0x30, 0x82, 0x07, 0xb2, // sequence of 1,970 bytes
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12, // id-ml-dsa-65
    0x03, 0x82, 0x07, 0xa1, 0x00, // bit string of 1,953 bytes, no bit unused
];

/// A signature that somebody says is valid.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The public key.
    pub key: &'a [u8],
    /// What was signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl Claim<'_> {
    /// Whether the signature is the key's over the message, with an empty context (FIPS 204, algorithm 3).
    ///
    /// False for keys and signatures of other sizes.
    #[must_use]
    pub fn holds(&self) -> bool {
        if self.key.len() != KEY_BYTES || self.signature.len() != SIGNATURE_BYTES {
            return false;
        }
        memory::ask_here();
        let mut key = [0; KEY_HEAD.len() + KEY_BYTES];
        key[..KEY_HEAD.len()].copy_from_slice(&KEY_HEAD);
        key[KEY_HEAD.len()..].copy_from_slice(self.key);
        ML_DSA_65.verify_sig(&key, self.message, self.signature).is_ok()
    }
}
