//! Size and steps of an opening, all from public numbers.

use alloc::vec::Vec;

use crate::params::{FIRST_FOLD, MAX_VARS, MIN_VARS, PcsParams};

/// Columns that the first fold makes one of.
pub(crate) const COLUMNS: usize = 1 << FIRST_FOLD;

/// The size of a committed polynomial: `2^num_vars` values, seen as 32 columns of `2^(num_vars - 5)`. All values from
/// column `width` on are 0 by definition; they are neither encoded nor hashed nor sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Variables, [`MIN_VARS`] to [`MAX_VARS`].
    pub num_vars: usize,
    /// Columns that may hold other values than 0, 1 to 32.
    pub width: usize,
}

impl Size {
    /// The least size that holds `cells` values. It may be larger than any that is taken: see [`Self::is_taken`].
    pub fn of(cells: usize) -> Self {
        let num_vars = (usize::BITS - cells.saturating_sub(1).leading_zeros()) as usize;
        let num_vars = num_vars.max(MIN_VARS);
        Self { num_vars, width: cells.div_ceil(1 << (num_vars - FIRST_FOLD)).max(1) }
    }

    /// Whether variables and columns are within their ranges.
    pub fn is_taken(&self) -> bool {
        (MIN_VARS..=MAX_VARS).contains(&self.num_vars) && (1..=COLUMNS).contains(&self.width)
    }

    /// Variables of a column.
    pub(crate) fn column_vars(&self) -> usize {
        self.num_vars - FIRST_FOLD
    }

    /// Values that are committed: those of the columns that are not 0 by definition. Of a size that is taken.
    pub fn cells(&self) -> usize {
        self.width << self.column_vars()
    }
}

/// A codeword and the queries to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Phase {
    /// Of the polynomial that it encodes.
    pub(crate) variables: usize,
    /// Variables that a row of it holds, and that are folded at once.
    pub(crate) fold: usize,
    /// Logarithm of its inverse rate.
    pub(crate) log_inv_rate: usize,
    /// Queries, drawn with repetition.
    pub(crate) queries: usize,
    /// Proof of work before them, in bits.
    pub(crate) work: usize,
}

impl Phase {
    /// Logarithm of its number of rows.
    pub(crate) fn index_bits(&self) -> usize {
        self.variables + self.log_inv_rate - self.fold
    }
}

/// All steps of an opening.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) size: Size,
    pub(crate) params: PcsParams,
    /// The committed codeword first, then each later one.
    pub(crate) phases: Vec<Phase>,
    /// Variables of the polynomial that is sent in the clear.
    pub(crate) last_vars: usize,
}

impl Plan {
    /// The plan of an opening; `None` for a size or parameters that are not taken.
    ///
    /// The counts are WHIR's own ([`PcsParams::schedule`]). The steps written here know one point outside the domain
    /// for each codeword and work before queries alone, so parameters that ask for anything else are not taken.
    pub(crate) fn new(size: Size, params: &PcsParams) -> Option<Self> {
        if !size.is_taken() {
            return None;
        }
        let schedule = params.schedule(size.num_vars)?;
        let (mut variables, mut phases) = (size.num_vars, Vec::new());
        let count = schedule.rounds.len();
        let mut simple = schedule.first_out_of_domain == 1 && schedule.first_fold_pow_bits == 0;
        for (i, round) in schedule.rounds.iter().enumerate() {
            let phase = Phase {
                variables,
                fold: round.fold,
                log_inv_rate: round.log_domain.checked_sub(variables)?,
                queries: round.queries,
                work: round.query_pow_bits,
            };
            simple &= round.out_of_domain == usize::from(i + 1 < count) && round.fold_pow_bits == 0;
            simple &= phase.queries < 1 << phase.index_bits() && phase.work > 0;
            variables = variables.checked_sub(round.fold)?;
            phases.push(phase);
        }
        simple &= schedule.final_sumcheck == variables && schedule.final_fold_pow_bits == 0;
        simple.then_some(Self { size, params: *params, phases, last_vars: variables })
    }

    /// Values in a row of codeword `phase`.
    pub(crate) fn row_len(&self, phase: usize) -> usize {
        if phase == 0 { self.size.width } else { 1 << self.phases[phase].fold }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_size_holds_the_cells() {
        for cells in [0usize, 1, 31, 32, 33, 512, 1023, 1024] {
            let columns = cells.div_ceil(32).max(1);
            assert_eq!(Size::of(cells), Size { num_vars: 10, width: columns }, "{cells}");
        }
        for (cells, num_vars, width) in
            [(1025, 11, 17), (2048, 11, 32), (134_800_000, 28, 17), (1 << 30, 30, 32), (3 << 28, 30, 24)]
        {
            let size = Size::of(cells);
            assert_eq!(size, Size { num_vars, width }, "{cells}");
            assert!(size.is_taken() && size.cells() >= cells);
        }
        for cells in [(1 << 30) + 1, 1 << 40, usize::MAX] {
            assert!(!Size::of(cells).is_taken(), "{cells}");
        }
        for (num_vars, width) in [(12, 0), (12, 33), (9, 1), (31, 1), (usize::MAX, 4), (20, usize::MAX)] {
            assert!(!Size { num_vars, width }.is_taken());
        }
    }

    #[test]
    fn every_size_has_a_plan() {
        for num_vars in MIN_VARS..=MAX_VARS {
            for openings in 1..=8 {
                let params = PcsParams::for_proof(num_vars, openings);
                let plan = Plan::new(Size { num_vars, width: 20 }, &params).expect("in range");
                let folded: usize = plan.phases.iter().map(|phase| phase.fold).sum();
                assert_eq!(folded + plan.last_vars, num_vars);
                assert!((3..=6).contains(&plan.last_vars));
                assert!(plan.phases[0].fold == 5 && plan.phases[1..].iter().all(|phase| phase.fold == 4));
            }
        }
    }
}
