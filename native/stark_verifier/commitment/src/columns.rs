//! Columns of a polynomial: its values, column after column, without those that are 0 by definition.
//!
//! Everything that concerns a whole polynomial happens here, on cells of the base field: encoding, its parts at a
//! point, and the first fold. What is left is a polynomial of the extension with a 32nd of the size.

use alloc::vec::Vec;

use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_field::Algebra;
use p3_matrix::dense::RowMajorMatrix;

use crate::field::parallel::*;
use crate::field::{EF, F, PackedEF, PackedF, PackedFieldExtension, PackedValue, PrimeCharacteristicRing};
use crate::opening::eq_table;
use crate::tree::{Element, Tree};

/// Rows that a task transposes: a multiple of the lanes of a vector.
const ROWS: usize = 64;
/// Cells of a column that a task sums before the weight of their high bits multiplies the sum.
const LOW_VARS: usize = 10;

/// A Reed-Solomon codeword: rows of one value for each column, and the tree over them.
pub(crate) struct Codeword<T> {
    width: usize,
    values: Vec<T>,
    pub(crate) tree: Tree,
}

impl<T: Element> Codeword<T> {
    fn new(values: Vec<T>, width: usize) -> Self {
        Self { width, tree: Tree::new(&values, width), values }
    }

    /// Copies of the rows at these indices.
    pub(crate) fn rows(&self, indices: &[usize]) -> Vec<Vec<T>> {
        indices.iter().map(|&index| self.values[index * self.width..][..self.width].to_vec()).collect()
    }
}

/// Encodes columns of `2^column_vars` cells, each read as coefficients, lowest first.
pub(crate) fn encode_base(
    dft: &Radix2DFTSmallBatch<F>,
    cells: &[F],
    column_vars: usize,
    log_inv_rate: usize,
) -> Codeword<F> {
    let (len, width) = (1usize << column_vars, cells.len() >> column_vars);
    let mut values = F::zero_vec((len << log_inv_rate) * width);
    let rows = ROWS.min(len);
    values[..len * width].par_chunks_mut(rows * width).enumerate().for_each(|(task, out)| {
        for (c, column) in cells.chunks_exact(len).enumerate() {
            let column = &column[task * rows..][..rows];
            out[c..].iter_mut().step_by(width).zip(column).for_each(|(out, &cell)| *out = cell);
        }
    });
    Codeword::new(dft.dft_batch(RowMajorMatrix::new(values, width)).values, width)
}

/// Encodes a polynomial of the extension as `2^fold` columns, the first variables being the column's index.
pub(crate) fn encode_extension(
    dft: &Radix2DFTSmallBatch<F>,
    poly: &[PackedEF],
    fold: usize,
    log_inv_rate: usize,
) -> Codeword<EF> {
    let width = 1usize << fold;
    let packed = poly.len() >> fold;
    let len = packed * PackedF::WIDTH;
    let mut values = EF::zero_vec((len << log_inv_rate) * width);
    values[..len * width].par_chunks_mut(PackedF::WIDTH * width).enumerate().for_each(|(i, out)| {
        for c in 0..width {
            let lanes = unpack([poly[c * packed + i]]);
            out[c..].iter_mut().step_by(width).zip(lanes).for_each(|(out, cell)| *out = cell);
        }
    });
    Codeword::new(dft.dft_algebra_batch(RowMajorMatrix::new(values, width)).values, width)
}

/// Of each point, of each column: its value at the point's coordinates, one for each variable of a column.
pub(crate) fn partial_values(cells: &[F], points: &[&[EF]]) -> Vec<Vec<EF>> {
    let Some(column_vars) = points.first().map(|point| point.len()) else { return Vec::new() };
    let low_vars = LOW_VARS.min(column_vars);
    let tables: Vec<(Vec<EF>, Vec<PackedEF>)> = points
        .iter()
        .map(|point| {
            let (high, low) = point.split_at(column_vars - low_vars);
            (eq_table(high), pack(&eq_table(low)))
        })
        .collect();
    let zeros = || alloc::vec![EF::ZERO; points.len()];
    let of_column = |column: &[F]| {
        column
            .par_chunks(1 << low_vars)
            .enumerate()
            .fold(zeros, |mut sums, (i, cells)| {
                let cells = PackedF::pack_slice(cells);
                for (sum, (high, low)) in sums.iter_mut().zip(&tables) {
                    *sum += high[i] * lane_sum(inner_product(low, cells));
                }
                sums
            })
            .reduce(zeros, |a, b| a.iter().zip(&b).map(|(&x, &y)| x + y).collect())
    };
    let columns: Vec<Vec<EF>> = cells.chunks(1 << column_vars).map(of_column).collect();
    (0..points.len()).map(|p| columns.iter().map(|sums| sums[p]).collect()).collect()
}

/// Sum of all columns, each times its weight.
pub(crate) fn fold_columns(cells: &[F], column_vars: usize, weights: &[EF]) -> Vec<PackedEF> {
    let columns: Vec<&[PackedF]> = cells.chunks(1 << column_vars).map(PackedF::pack_slice).collect();
    let weights: Vec<PackedEF> = weights[..columns.len()].iter().map(|&w| PackedEF::from(w)).collect();
    let mut out = PackedEF::zero_vec((1 << column_vars) / PackedF::WIDTH);
    out.par_iter_mut().with_min_len(64).enumerate().for_each(|(i, out)| {
        *out = weights.iter().zip(&columns).map(|(&w, column)| w * column[i]).sum();
    });
    out
}

/// Sum of weights times cells, of as many.
fn inner_product(weights: &[PackedEF], cells: &[PackedF]) -> PackedEF {
    const GROUP: usize = 8;
    let (weight_groups, weights) = weights.as_chunks::<GROUP>();
    let (cell_groups, cells) = cells.as_chunks::<GROUP>();
    let groups = weight_groups.iter().zip(cell_groups);
    let sum: PackedEF = groups.map(|(w, x)| <PackedEF as Algebra<PackedF>>::mixed_dot_product(w, x)).sum();
    sum + weights.iter().zip(cells).map(|(&w, &x)| w * x).sum::<PackedEF>()
}

/// Elements in groups as wide as a vector.
pub(crate) fn pack(values: &[EF]) -> Vec<PackedEF> {
    values.chunks_exact(PackedF::WIDTH).map(PackedEF::from_ext_slice).collect()
}

/// The elements of all lanes in turn.
pub(crate) fn unpack(packed: impl IntoIterator<Item = PackedEF>) -> impl Iterator<Item = EF> {
    <PackedEF as PackedFieldExtension<F, EF>>::to_ext_iter(packed)
}

/// Sum of the lanes.
pub(crate) fn lane_sum(packed: PackedEF) -> EF {
    unpack([packed]).sum()
}
