//! A small strict reader and writer: fixed-width little-endian fields, no lengths that decide an allocation.

use crate::error::VerifyError;
use alloc::vec::Vec;
use esper_commitment::{BasedVectorSpace, EF, F, PrimeCharacteristicRing, PrimeField64};

/// Bytes of one extension element: three canonical 64-bit coordinates.
pub const EF_BYTES: usize = 24;

/// Reads from a slice; every failure names the part.
pub struct Reader<'a> {
    rest: &'a [u8],
    part: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` as `part`.
    pub fn new(bytes: &'a [u8], part: &'static str) -> Self {
        Self { rest: bytes, part }
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], VerifyError> {
        if n > self.rest.len() {
            return Err(VerifyError::Encoding(self.part));
        }
        let (head, tail) = self.rest.split_at(n);
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], VerifyError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// A byte.
    pub fn u8(&mut self) -> Result<u8, VerifyError> {
        Ok(self.array::<1>()?[0])
    }

    /// A 32-bit little-endian integer.
    pub fn u32(&mut self) -> Result<u32, VerifyError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A 64-bit little-endian integer.
    pub fn u64(&mut self) -> Result<u64, VerifyError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// 32 bytes.
    pub fn hash32(&mut self) -> Result<[u8; 32], VerifyError> {
        self.array()
    }

    /// 64 bytes.
    pub fn hash64(&mut self) -> Result<[u8; 64], VerifyError> {
        self.array()
    }

    /// One extension element, canonical.
    pub fn ext(&mut self) -> Result<EF, VerifyError> {
        let mut c = [F::ZERO; 3];
        for x in &mut c {
            let v = self.u64()?;
            if v >= F::ORDER_U64 {
                return Err(VerifyError::Encoding(self.part));
            }
            *x = F::from_u64(v);
        }
        Ok(EF::from_basis_coefficients_fn(|i| c[i]))
    }

    /// `n` extension elements; `n` follows from the statement.
    pub fn exts(&mut self, n: usize) -> Result<Vec<EF>, VerifyError> {
        if n > self.rest.len() / EF_BYTES {
            return Err(VerifyError::Encoding(self.part));
        }
        (0..n).map(|_| self.ext()).collect()
    }

    /// The bytes of `n` canonical extension elements, as they stand.
    pub fn ext_bytes(&mut self, n: usize) -> Result<&'a [u8], VerifyError> {
        let bytes = self.take(n.saturating_mul(EF_BYTES))?;
        let (words, _) = bytes.as_chunks();
        let canonical = words.iter().all(|&w| u64::from_le_bytes(w) < F::ORDER_U64);
        if canonical { Ok(bytes) } else { Err(VerifyError::Encoding(self.part)) }
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), VerifyError> {
        if self.rest.is_empty() { Ok(()) } else { Err(VerifyError::Encoding(self.part)) }
    }
}

/// Appends an extension element as three canonical little-endian words.
pub fn put_ext(out: &mut Vec<u8>, x: EF) {
    let c: &[F] = x.as_basis_coefficients_slice();
    for v in c {
        out.extend_from_slice(&v.as_canonical_u64().to_le_bytes());
    }
}
