//! Fixed-width bytes of field elements and digests.
//!
//! Every length but the number of Merkle siblings follows from the parameters, so a proof has one encoding and the
//! reader never allocates by a number it reads without first having seen that many bytes.

use alloc::vec::Vec;

use crate::field::{BasedVectorSpace, EF, F, PrimeField64};
use crate::hash::DIGEST_LEN;

/// Bytes of a base-field element: its canonical value, little-endian.
pub(crate) const BASE_LEN: usize = 8;
/// Bytes of an extension element: its three coefficients.
pub(crate) const EXT_LEN: usize = 3 * BASE_LEN;

/// Bytes of the length of a list of digests.
pub(crate) const COUNT_LEN: usize = 4;

/// Why bytes are no proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    /// The bytes end before the proof does.
    #[error("proof bytes: truncated at byte {at}; send the whole proof")]
    Truncated {
        /// Where the missing item would start.
        at: usize,
    },
    /// A field element is not below the modulus.
    #[error("proof bytes: field element at byte {at} is not canonical; encode values below 2^64 - 2^32 + 1")]
    NotCanonical {
        /// Where the element starts.
        at: usize,
    },
    /// Bytes follow the proof.
    #[error("proof bytes: {extra} bytes follow the proof; send the proof alone")]
    Trailing {
        /// How many.
        extra: usize,
    },
}

/// Reads a proof from its bytes, front to back.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let at = self.at;
        let taken =
            self.bytes.get(at..).and_then(|rest| rest.get(..len)).ok_or(WireError::Truncated { at })?;
        self.at = at + len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn base(&mut self) -> Result<F, WireError> {
        let at = self.at;
        let value = u64::from_le_bytes(self.array()?);
        if value < F::ORDER_U64 { Ok(F::new(value)) } else { Err(WireError::NotCanonical { at }) }
    }

    pub(crate) fn ext(&mut self) -> Result<EF, WireError> {
        let coefficients = [self.base()?, self.base()?, self.base()?];
        Ok(EF::from_basis_coefficients_fn(|i| coefficients[i]))
    }

    pub(crate) fn digest(&mut self) -> Result<[u8; DIGEST_LEN], WireError> {
        self.array()
    }

    /// Fails unless `count` items of `item_len` bytes are left: call it before making room for them.
    fn expect(&self, count: usize, item_len: usize) -> Result<(), WireError> {
        match count.checked_mul(item_len) {
            Some(len) if len <= self.bytes.len() - self.at => Ok(()),
            _ => Err(WireError::Truncated { at: self.bytes.len() }),
        }
    }

    pub(crate) fn bases(&mut self, count: usize) -> Result<Vec<F>, WireError> {
        self.expect(count, BASE_LEN)?;
        (0..count).map(|_| self.base()).collect()
    }

    pub(crate) fn exts(&mut self, count: usize) -> Result<Vec<EF>, WireError> {
        self.expect(count, EXT_LEN)?;
        (0..count).map(|_| self.ext()).collect()
    }

    /// A list of digests behind its length in 4 bytes, little-endian.
    pub(crate) fn digests(&mut self) -> Result<Vec<[u8; DIGEST_LEN]>, WireError> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        self.expect(count, DIGEST_LEN)?;
        (0..count).map(|_| self.digest()).collect()
    }

    pub(crate) fn finish(self) -> Result<(), WireError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            extra => Err(WireError::Trailing { extra }),
        }
    }
}

#[cfg(feature = "prover")]
pub(crate) mod write {
    //! The inverse of [`super::Reader`].

    use alloc::vec::Vec;

    use crate::field::{BasedVectorSpace, EF, F, PrimeField64};
    use crate::hash::DIGEST_LEN;

    pub(crate) fn base(out: &mut Vec<u8>, value: F) {
        out.extend_from_slice(&value.as_canonical_u64().to_le_bytes());
    }

    pub(crate) fn ext(out: &mut Vec<u8>, value: &EF) {
        for &coefficient in BasedVectorSpace::<F>::as_basis_coefficients_slice(value) {
            base(out, coefficient);
        }
    }

    pub(crate) fn digests(out: &mut Vec<u8>, values: &[[u8; DIGEST_LEN]]) {
        let count = u32::try_from(values.len()).expect("a proof holds fewer than 2^32 digests");
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(values.as_flattened());
    }
}
