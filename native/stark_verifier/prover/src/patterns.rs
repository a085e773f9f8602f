//! Weights as a sum of patterns: cells in blocks of 2^bits rows, each pattern a weight for every row times a weight for
//! every block.
//!
//! All tensors of a witness have the same rows, and their claims are taken at few row points: so a handful of patterns
//! holds all that is claimed of it. A model's matrices are claimed at one point of their inputs.

use esper_commitment::{EF, PrimeCharacteristicRing};
use esper_verifier::functional::{ColWeight, Functional, RowWeight, Term};
use esper_verifier::mle::{eq_index, eq_table};
use std::ops::Range;

/// Weights (weight of the block) times (weight of the row).
pub struct Pattern {
    /// One weight a row, 2^bits.
    pub rows: Vec<EF>,
    /// One weight a block.
    pub blocks: Vec<EF>,
}

/// Weights of neighbouring cells, written out.
pub struct Run {
    /// First cell.
    pub start: usize,
    /// Of the cells from there on.
    pub weights: Vec<EF>,
}

/// A sum of patterns and runs.
pub struct Patterns {
    /// log2 of a block.
    pub bits: usize,
    /// The patterns, of different rows.
    pub patterns: Vec<Pattern>,
    /// What no pattern covers: edges of columns that share a block, tables that begin inside one. They may overlap.
    pub runs: Vec<Run>,
}

impl Patterns {
    /// Writes `f` over the cells 0..size as patterns of 2^bits rows; none if it takes more than `most` of them.
    pub fn new(f: &Functional, size: usize, bits: usize, most: usize) -> Option<Self> {
        let mut out = Builder { f, count: size >> bits, out: Self { bits, patterns: vec![], runs: vec![] } };
        let tables: Vec<Vec<EF>> = f.rows.iter().map(RowWeight::table).collect();
        for t in &f.terms {
            let rows = t.row.map_or(&[EF::ONE][..], |r| &tables[r]);
            if rows.len() < 1 << bits {
                out.narrow(t, rows);
            } else {
                out.wide(t, rows)?;
            }
            if out.out.patterns.len() > most {
                return None;
            }
        }
        Some(out.out)
    }
}

struct Builder<'f> {
    f: &'f Functional,
    /// Blocks in all.
    count: usize,
    out: Patterns,
}

impl Builder<'_> {
    /// Block weights of the pattern with these rows.
    fn blocks(&mut self, rows: &[EF]) -> &mut [EF] {
        let patterns = &mut self.out.patterns;
        let at = patterns.iter().position(|p| p.rows == rows).unwrap_or_else(|| {
            patterns.push(Pattern { rows: rows.to_vec(), blocks: EF::zero_vec(self.count) });
            patterns.len() - 1
        });
        &mut patterns[at].blocks
    }

    /// Weights of some columns of a term, without their rows'.
    fn columns(&self, t: &Term, columns: Range<usize>) -> Vec<EF> {
        match t.col {
            ColWeight::Ones => vec![t.coef; columns.len()],
            ColWeight::Eq(p, first) => {
                eq_range(&self.f.points[p], first + columns.start, columns.len(), t.coef)
            }
        }
    }

    /// A term whose columns are whole blocks: the high bits of its rows weigh blocks. None if rows of several blocks
    /// have no such form.
    fn wide(&mut self, t: &Term, rows: &[EF]) -> Option<()> {
        let weights = self.columns(t, 0..t.cols);
        let first = t.offset >> self.out.bits;
        if rows.len() == 1 << self.out.bits {
            let blocks = &mut self.blocks(rows)[first..];
            blocks.iter_mut().zip(weights).for_each(|(b, w)| *b += w);
            return Some(());
        }
        let RowWeight::Eq(point) = t.row.map(|r| &self.f.rows[r])? else { return None };
        let (high, low) = point.split_at(point.len() - self.out.bits);
        let (high, low) = (eq_table(high, EF::ONE), eq_table(low, EF::ONE));
        let blocks = &mut self.blocks(&low)[first..];
        for (column, w) in blocks.chunks_mut(high.len()).zip(weights) {
            column.iter_mut().zip(&high).for_each(|(b, &h)| *b += w * h);
        }
        Some(())
    }

    /// A term of whose columns several share a block. Those that fill blocks are a pattern, if the low bits of a
    /// column's index are those of its place in the block.
    fn narrow(&mut self, t: &Term, rows: &[EF]) {
        let width = rows.len();
        let shared = (1usize << self.out.bits) / width;
        let first = t.offset / width;
        let whole = first.div_ceil(shared)..(first + t.cols) / shared;
        let split = match t.col {
            ColWeight::Ones => Some((vec![EF::ONE; shared], vec![t.coef; whole.len()])),
            ColWeight::Eq(p, start) => {
                let point = &self.f.points[p];
                let bits = shared.trailing_zeros() as usize;
                let fits = point.len() >= bits && first % shared == start % shared;
                fits.then(|| {
                    let (high, low) = point.split_at(point.len() - bits);
                    // The first whole block begins with a column that the point counts as a multiple of shared.
                    let counted = (start + whole.start * shared - first) / shared;
                    (eq_table(low, EF::ONE), eq_range(high, counted, whole.len(), t.coef))
                })
            }
        };
        let Some((columns, weights)) = split.filter(|_| !whole.is_empty()) else {
            self.run(t, rows, 0..t.cols);
            return;
        };
        let pattern: Vec<EF> = columns.iter().flat_map(|&c| rows.iter().map(move |&r| c * r)).collect();
        let blocks = &mut self.blocks(&pattern)[whole.clone()];
        blocks.iter_mut().zip(weights).for_each(|(b, w)| *b += w);
        self.run(t, rows, 0..whole.start * shared - first);
        self.run(t, rows, whole.end * shared - first..t.cols);
    }

    /// Some columns of a term, written out.
    fn run(&mut self, t: &Term, rows: &[EF], columns: Range<usize>) {
        if columns.is_empty() {
            return;
        }
        let start = t.offset + columns.start * rows.len();
        let columns = self.columns(t, columns);
        let weights = columns.iter().flat_map(|&c| rows.iter().map(move |&r| c * r)).collect();
        self.out.runs.push(Run { start, weights });
    }
}

/// `scale eq(point, i)` for `len` indices from `first` on; 0 where an index does not fit.
fn eq_range(point: &[EF], first: usize, len: usize, scale: EF) -> Vec<EF> {
    // A short range is cheaper entry by entry than with a table of the low coordinates.
    if len < 16 {
        return (first..first + len).map(|i| scale * eq_index(point, i)).collect();
    }
    let bits = point.len().min(6);
    let (high, low) = point.split_at(point.len() - bits);
    let low = eq_table(low, scale);
    let parts = (first >> bits..).flat_map(|h| {
        let high = eq_index(high, h);
        low.iter().map(move |&l| high * l)
    });
    parts.skip(first % (1 << bits)).take(len).collect()
}
