//! Matrices laid out for the kernels, and activations split into the parts a kernel multiplies.

use super::Level;
use super::pages::{Pages, Zeroable};
use crate::bounds::{ACT_MAX, max_of_width, row_l1};
use crate::model::Linear;

/// Rows of one tile.
pub(crate) const TILE_ROWS: usize = 16;
/// Most blocks of 16 rows whose tiles lie interleaved, so that one product reads memory in one straight line.
pub(crate) const GROUP: usize = 8;
/// Columns of one tile.
pub(crate) const TILE_COLUMNS: usize = 4;

/// 16 rows by 4 columns, row-major: one vector register.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Tile(pub [i8; TILE_ROWS * TILE_COLUMNS]);

// SAFETY: zero is an int8, and an array of them.
unsafe impl Zeroable for Tile {}

/// One matrix, or several with the same input stacked, in tiles of 16 rows and 4 columns.
pub(crate) struct Packed {
    /// Rows that mean something.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// `[group of blocks][column_tile][block of the group]`; rows and columns beyond the matrix are zero.
    pub tiles: Pages<Tile>,
    /// Blocks of one group: as many as the level's kernel takes at once.
    pub group: usize,
    /// Tiles along the columns.
    pub column_tiles: usize,
    /// Multiplier of every row, padded to whole tiles.
    pub mult: Vec<i64>,
    /// Sum of the weights of every row, padded to whole tiles.
    pub row_sum: Vec<i32>,
    /// Width of the inputs in bits: 16, or 18 to 24.
    pub input_bits: u32,
    /// Whether no dot product with inputs of `input_bits` can leave int32, by the L1 norms of the rows.
    pub fits_i32: bool,
    /// The same for inputs of 16 bits: holds for the high part of a wide input as well.
    pub part_fits_i32: bool,
}

impl Packed {
    /// Stacks `matrices`, which share their input of `input_bits` bits.
    pub fn new(level: Level, matrices: &[&Linear], input_bits: u32) -> Self {
        let group = if level == Level::Avx512 { GROUP } else { 2 };
        let columns = matrices[0].inp;
        let rows: usize = matrices.iter().map(|m| m.out).sum();
        let blocks = rows.div_ceil(TILE_ROWS);
        let column_tiles = columns.div_ceil(TILE_COLUMNS);
        let mut tiles = Pages::<Tile>::zeroed(blocks * column_tiles);
        let mut mult = vec![0; blocks * TILE_ROWS];
        let mut row_sum = vec![0; blocks * TILE_ROWS];
        let mut largest_l1 = 0;
        let sources = matrices.iter().flat_map(|m| m.weight.chunks_exact(columns).zip(&m.mult));
        for (index, (row, &multiplier)) in sources.enumerate() {
            mult[index] = multiplier.into();
            row_sum[index] = row.iter().map(|&w| i32::from(w)).sum();
            largest_l1 = largest_l1.max(row_l1(row));
            let (first, stride) = place(index / TILE_ROWS, group, blocks, column_tiles);
            for (column, quad) in row.chunks(TILE_COLUMNS).enumerate() {
                let start = index % TILE_ROWS * TILE_COLUMNS;
                tiles[first + column * stride].0[start..start + quad.len()].copy_from_slice(quad);
            }
        }
        let limit = 1 << 31;
        Self {
            rows,
            columns,
            tiles,
            group,
            column_tiles,
            mult,
            row_sum,
            input_bits,
            fits_i32: largest_l1 * max_of_width(input_bits) < limit,
            part_fits_i32: largest_l1 * (ACT_MAX + 1) < limit,
        }
    }

    /// Blocks of 16 rows.
    pub fn blocks(&self) -> usize {
        self.mult.len() / TILE_ROWS
    }

    /// Tiles of one block, columns ascending.
    pub fn block_tiles(&self, block: usize) -> impl Iterator<Item = &Tile> {
        let (first, stride) = self.place(block);
        self.tiles[first..].iter().step_by(stride).take(self.column_tiles)
    }

    /// Index of the first tile of a block, and the step from one column to the next.
    pub fn place(&self, block: usize) -> (usize, usize) {
        place(block, self.group, self.blocks(), self.column_tiles)
    }

    /// Bytes into which an unsigned input is split: 2, or 3 where it is wide.
    pub fn byte_planes(&self) -> usize {
        if self.input_bits > 16 { 3 } else { 2 }
    }
}

fn place(block: usize, group: usize, blocks: usize, column_tiles: usize) -> (usize, usize) {
    let first_block = block / group * group;
    (first_block * column_tiles + block % group, group.min(blocks - first_block))
}

/// Inputs of one matrix for a few tokens, in the form the level's kernel reads.
#[derive(Default)]
pub(crate) struct Inputs {
    /// Number of tokens.
    pub tokens: usize,
    /// Values `[token][column_tiles * 4]`, for the portable kernel.
    pub plain: Vec<i32>,
    /// Bytes of `x + 2^(8 planes - 1)`: `[token][plane, low first][column_tiles]` groups of 4, for AVX-512.
    pub bytes: Vec<u32>,
    /// `x` (or `x >> 8` and `x & 255`): `[token][part][column_tiles]` groups of 4, for AVX2.
    pub words: Vec<u64>,
}

impl Inputs {
    /// Takes `values`, `[token][matrix.columns]`.
    pub fn set(&mut self, level: Level, matrix: &Packed, values: &[i32]) {
        self.tokens = values.len() / matrix.columns;
        let rows = values.chunks_exact(matrix.columns);
        match level {
            Level::Portable => {
                self.plain.clear();
                for row in rows {
                    self.plain.extend_from_slice(row);
                    self.plain.resize(self.plain.len().next_multiple_of(TILE_COLUMNS), 0);
                }
            }
            Level::Avx512 => {
                let planes = matrix.byte_planes();
                // Every group is written below: no need to clear what is there.
                self.bytes.resize(self.tokens * planes * matrix.column_tiles, 0);
                let sections = self.bytes.chunks_exact_mut(planes * matrix.column_tiles);
                for (row, section) in rows.zip(sections) {
                    split_bytes(level, row, section, matrix.column_tiles);
                }
            }
            Level::Avx2 => {
                self.words.clear();
                for row in rows {
                    if matrix.input_bits > 16 {
                        self.words.extend(row.chunks(TILE_COLUMNS).map(|quad| words(quad, |x| x >> 8)));
                        self.words.extend(row.chunks(TILE_COLUMNS).map(|quad| words(quad, |x| x & 255)));
                    } else {
                        self.words.extend(row.chunks(TILE_COLUMNS).map(|quad| words(quad, |x| x)));
                    }
                }
            }
        }
    }
}

/// Four values as 16-bit words of one 64-bit group, first value lowest.
fn words(quad: &[i32], part: impl Fn(i32) -> i32) -> u64 {
    quad.iter().rev().fold(0, |group, &x| group << 16 | u64::from(part(x) as u16))
}

super::level::per_level! {
    /// Splits a row into byte planes, low byte first; unused columns stay zero.
    fn split_bytes(row: &[i32], section: &mut [u32], column_tiles: usize) {
        let planes = section.len() / column_tiles;
        let offset = 1 << (8 * planes - 1);
        let (whole, rest) = row.as_chunks::<TILE_COLUMNS>();
        for (plane, out) in section.chunks_exact_mut(column_tiles).enumerate() {
            let byte = |x: i32| (x + offset) as u32 >> (8 * plane) & 255;
            for (group, &[a, b, c, d]) in out.iter_mut().zip(whole) {
                *group = byte(a) | byte(b) << 8 | byte(c) << 16 | byte(d) << 24;
            }
            if !rest.is_empty() {
                let group = rest.iter().rev().fold(0, |group, &x| group << 8 | byte(x));
                out[column_tiles - 1] = group;
            }
        }
    }
}
