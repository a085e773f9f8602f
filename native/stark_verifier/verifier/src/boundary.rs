//! The residual stream between two parts of a model: in the clear, hashed into the transcript of every part.

use crate::bytes::Reader;
use crate::descriptor::Descriptor;
use crate::embedding::{decode_row, encode_row, row_bytes};
use crate::error::VerifyError;
use crate::statement::Instance;
use alloc::vec::Vec;
use esper_digest::{Tag, tagged_sha3_512};

const TAG: Tag = match Tag::new("esper/proof/boundary/v1") {
    Ok(tag) => tag,
    Err(_) => panic!("a short printable tag"),
};

/// The residual of all rows, exact integers: what one part hands on to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    dim: usize,
    /// `[row][column]`.
    values: Vec<i32>,
}

impl Boundary {
    /// From values `[row][column]`, rows of `dim`.
    pub fn new(values: Vec<i32>, dim: usize) -> Self {
        Self { dim, values }
    }

    /// Columns.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Its rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[i32]> {
        self.values.chunks(self.dim)
    }

    /// Bytes of a boundary, as many as its rows take at the width that follows from emax.
    pub fn byte_len(d: &Descriptor, instance: &Instance) -> usize {
        instance.rows() * row_bytes(d.dim, d.boundary_bits())
    }

    /// Row after row, each packed like a row of the embedding.
    pub fn encode(&self, d: &Descriptor) -> Vec<u8> {
        let mut out = Vec::new();
        self.rows().for_each(|row| encode_row(row, d.boundary_bits(), &mut out));
        out
    }

    /// Reads what [`Self::encode`] writes.
    ///
    /// # Errors
    /// [`VerifyError::Encoding`] for too few bytes and for bits behind a row's values; [`VerifyError::Boundary`] for a
    /// row that no norm of this model takes: its squares and eps_term come to 4^(emax + 1) or more.
    pub fn read(r: &mut Reader<'_>, d: &Descriptor, instance: &Instance) -> Result<Self, VerifyError> {
        let mut values = Vec::with_capacity(instance.rows() * d.dim);
        for _ in 0..instance.rows() {
            let row = decode_row(r.take(row_bytes(d.dim, d.boundary_bits()))?, d.dim, d.boundary_bits())?;
            let square = |&v: &i32| u128::from(v.unsigned_abs()) * u128::from(v.unsigned_abs());
            let squares = row.iter().map(square).sum::<u128>() + u128::from(d.eps_term);
            if squares >> (2 * (d.emax + 1)) != 0 {
                return Err(VerifyError::Boundary);
            }
            values.extend_from_slice(&row);
        }
        Ok(Self { dim: d.dim, values })
    }

    /// Hash of the boundary behind part `index`, by its bytes.
    pub fn hash(index: usize, d: &Descriptor, instance: &Instance, bytes: &[u8]) -> [u8; 64] {
        let sizes = [index, instance.rows(), d.dim].map(|n| (n as u64).to_le_bytes());
        tagged_sha3_512(TAG, &[&sizes[0], &sizes[1], &sizes[2], bytes])
    }
}

/// What every part of a proof is bound to beside the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Ids of all parts, in order.
    pub ids: Vec<[u8; 64]>,
    /// Hashes of all boundaries, in order: one less than parts.
    pub boundaries: Vec<[u8; 64]>,
}
