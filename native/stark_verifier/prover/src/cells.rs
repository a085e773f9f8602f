//! Cells of a witness: free to be written until they are committed, then one with the commitment, which keeps them.

use esper_commitment::{Committed, F, PcsParams, Root, commit};
use std::ops::{Deref, DerefMut};

/// All cells of a witness.
#[derive(Clone)]
pub enum Cells {
    /// Not committed yet.
    Free(Vec<F>),
    /// In the commitment.
    Committed(Committed),
}

impl Cells {
    /// Commits to the cells without a copy of them.
    ///
    /// # Panics
    /// As [`commit`].
    pub fn commit(&mut self, params: &PcsParams) -> (Root, Committed) {
        let cells = match self {
            Self::Free(cells) => std::mem::take(cells),
            Self::Committed(committed) => committed.values().to_vec(),
        };
        let (root, committed) = commit(cells, params);
        *self = Self::Committed(committed.clone());
        (root, committed)
    }
}

impl From<Vec<F>> for Cells {
    fn from(cells: Vec<F>) -> Self {
        Self::Free(cells)
    }
}

impl Deref for Cells {
    type Target = [F];

    fn deref(&self) -> &[F] {
        match self {
            Self::Free(cells) => cells,
            Self::Committed(committed) => committed.values(),
        }
    }
}

impl DerefMut for Cells {
    /// Committed cells stay what they are: a copy is written.
    fn deref_mut(&mut self) -> &mut [F] {
        if let Self::Committed(committed) = self {
            *self = Self::Free(committed.values().to_vec());
        }
        match self {
            Self::Free(cells) => cells,
            Self::Committed(_) => &mut [],
        }
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esper_commitment::{MIN_VARS, PrimeCharacteristicRing};

    #[test]
    fn committed_cells_are_read_and_never_written() {
        let numbers: Vec<F> = (0..1u64 << MIN_VARS).map(F::from_u64).collect();
        let params = PcsParams::for_proof(MIN_VARS, 2);
        let mut cells = Cells::from(numbers.clone());
        let (root, committed) = cells.commit(&params);
        assert_eq!(&*cells, numbers);
        assert!(std::ptr::eq(&*cells, committed.values()), "one copy of the cells");
        cells[3] += F::ONE;
        assert_eq!((cells[3], committed.values()[3]), (F::from_u64(4), F::from_u64(3)));
        assert!(cells != Cells::Committed(committed));
        cells[3] -= F::ONE;
        assert_eq!(cells.commit(&params).0, root);
        assert_eq!(cells.commit(&params).0, root, "committed once more");
    }
}
