//! Cells of a witness: free to be written until they are committed, then one with the commitment, which keeps them.

use esper_commitment::{Committed, F, PcsParams, PrimeCharacteristicRing, Root, commit};
use std::ops::{Deref, DerefMut};

/// A polynomial by its cells: those from index 0 on, 0 behind them.
#[derive(Clone, Copy)]
pub struct Polynomial<'c> {
    /// Cells of whole columns.
    pub cells: &'c [F],
    /// Its variables.
    pub num_vars: usize,
}

impl<'c> Polynomial<'c> {
    /// The polynomial of `num_vars` variables with these cells.
    ///
    /// # Panics
    /// If there are more cells than it has.
    pub fn new(cells: &'c [F], num_vars: usize) -> Self {
        assert!(cells.len() <= 1 << num_vars, "{} cells of 2^{num_vars}", cells.len());
        Self { cells, num_vars }
    }

    /// All of its cells, those behind the given ones as well.
    pub fn padded(&self) -> Vec<F> {
        let mut all = Vec::with_capacity(1 << self.num_vars);
        all.extend_from_slice(self.cells);
        all.resize(1 << self.num_vars, F::ZERO);
        all
    }
}

/// All cells of a witness.
#[derive(Clone)]
pub struct Cells {
    /// Of no length once they are committed.
    free: Vec<F>,
    committed: Option<Committed>,
}

impl Cells {
    /// Commits to the cells without a copy of them.
    ///
    /// # Panics
    /// As [`commit`].
    pub fn commit(&mut self, params: &PcsParams) -> (Root, Committed) {
        self.make_free();
        let (root, committed) = commit(std::mem::take(&mut self.free), params);
        self.committed = Some(committed.clone());
        (root, committed)
    }

    /// Committed cells stay what they are: a copy is free.
    fn make_free(&mut self) {
        if let Some(committed) = self.committed.take() {
            self.free = committed.values().to_vec();
        }
    }
}

impl From<Vec<F>> for Cells {
    fn from(free: Vec<F>) -> Self {
        Self { free, committed: None }
    }
}

impl Deref for Cells {
    type Target = [F];

    fn deref(&self) -> &[F] {
        self.committed.as_ref().map_or(&self.free, Committed::values)
    }
}

impl DerefMut for Cells {
    fn deref_mut(&mut self) -> &mut [F] {
        self.make_free();
        &mut self.free
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
    use esper_commitment::MIN_VARS;

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
        assert_ne!(&*cells, committed.values());
        cells[3] -= F::ONE;
        assert_eq!(cells.commit(&params).0, root);
        assert_eq!(cells.commit(&params).0, root, "committed once more");
    }
}
