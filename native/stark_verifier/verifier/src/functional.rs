//! Linear functionals on a committed polynomial, as sums of structured terms.
//!
//! Every claim that the protocol makes about committed cells has this form. The verifier evaluates
//! the extension of the weights at one point; the prover writes the weights out.

use crate::mle::{carried_overlap, eq_index, eq_points, eq_table, index_bits, range_sum};
use crate::prefix_eq::PrefixEq;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use esper_commitment::{EF, PrimeCharacteristicRing};

/// Weights over the row index inside a column.
#[derive(Clone, Debug)]
pub enum RowWeight {
    /// eq(point, row).
    Eq(Vec<EF>),
    /// One weight a row; the length is a power of two.
    Dense(Vec<EF>),
}

impl RowWeight {
    /// Bits of the row index.
    pub fn bits(&self) -> usize {
        match self {
            Self::Eq(p) => p.len(),
            Self::Dense(w) => w.len().trailing_zeros() as usize,
        }
    }

    /// The weights written out.
    pub fn table(&self) -> Vec<EF> {
        match self {
            Self::Eq(p) => eq_table(p, EF::ONE),
            Self::Dense(w) => w.clone(),
        }
    }

    /// Their extension at `y`.
    pub fn at(&self, y: &[EF]) -> EF {
        match self {
            Self::Eq(p) => eq_points(p, y),
            Self::Dense(w) => eq_table(y, EF::ONE).iter().zip(w).map(|(&e, &w)| e * w).sum(),
        }
    }
}

/// Weights over columns: `Eq(point, start)` gives column c the weight eq(point, start + c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColWeight {
    /// Every column counts once.
    Ones,
    /// Index into [`Functional::points`], and the index of the first column in that point's space.
    Eq(usize, usize),
}

/// `coef * sum_c sum_row col(c) row(row) P[offset + c 2^bits + row]` for `cols` columns.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// Factor of the whole term.
    pub coef: EF,
    /// First cell; a multiple of 2^bits.
    pub offset: usize,
    /// Number of columns.
    pub cols: usize,
    /// Weight of each column.
    pub col: ColWeight,
    /// Index into [`Functional::rows`]; None: cells are columns of one row.
    pub row: Option<usize>,
}

/// A linear functional on the cells of one committed polynomial.
#[derive(Clone, Debug, Default)]
pub struct Functional {
    /// Points that columns refer to.
    pub points: Vec<Vec<EF>>,
    /// Row weights that terms refer to.
    pub rows: Vec<RowWeight>,
    /// The terms.
    pub terms: Vec<Term>,
}

impl Functional {
    /// Registers a column point, each only once: terms at one point share what [`Self::at`] computes for it. There are
    /// a few dozen different ones in a proof, of any number of layers.
    pub fn point(&mut self, p: &[EF]) -> usize {
        if let Some(known) = self.points.iter().position(|q| q == p) {
            return known;
        }
        self.points.push(p.to_vec());
        self.points.len() - 1
    }

    /// Registers a row weight.
    pub fn row(&mut self, w: RowWeight) -> usize {
        self.rows.push(w);
        self.rows.len() - 1
    }

    /// Adds a term; zero coefficients are dropped.
    pub fn push(&mut self, coef: EF, offset: usize, cols: usize, col: ColWeight, row: Option<usize>) {
        if coef != EF::ZERO && cols > 0 {
            self.terms.push(Term { coef, offset, cols, col, row });
        }
    }

    /// Extension of the weights at `y`.
    ///
    /// Terms whose columns have one weight or all the same need a product or a difference of two sums. The others
    /// add up eq(point, first + c) eq(y, start + c) over their columns: the low bits of both sides go through
    /// [`carried_overlap`], once for all terms that agree on them, the high bits are looked up.
    pub fn at(&self, y: &[EF]) -> EF {
        let rows = self.rows.iter().map(|w| (w.bits(), w.at(&y[y.len() - w.bits()..])));
        let rows: Vec<(usize, EF)> = rows.collect();
        let prefix = PrefixEq::new(y);
        let mut overlaps: BTreeMap<[usize; 5], [[EF; 2]; 2]> = BTreeMap::new();
        let mut total = EF::ZERO;
        for t in &self.terms {
            let (bits, row) = t.row.map_or((0, EF::ONE), |r| rows[r]);
            let high = &y[..y.len() - bits];
            let start = t.offset >> bits;
            let col = match t.col {
                ColWeight::Ones if t.cols == 1 => prefix.at(high.len(), start),
                ColWeight::Ones => range_sum(high, start, start + t.cols),
                ColWeight::Eq(p, first) => {
                    let x = &self.points[p];
                    // Beyond the point's range the weights are 0.
                    let cols = t.cols.min(1 << x.len());
                    let n = index_bits(cols);
                    let (xh, xl) = x.split_at(x.len() - n);
                    let (a, b) = (first % (1 << n), start % (1 << n));
                    let carried = overlaps
                        .entry([p, a, b, t.cols, bits])
                        .or_insert_with(|| carried_overlap(xl, a, &high[high.len() - n..], b, cols));
                    let side = |i: usize| eq_index(xh, (first >> n) + i);
                    let [x0, x1] = if xh.is_empty() { [EF::ONE, EF::ZERO] } else { [side(0), side(1)] };
                    let [y0, y1] = [0, 1].map(|j| prefix.at(high.len() - n, (start >> n) + j));
                    let [of_x0, of_x1] = carried.map(|[j0, j1]| j0 * y0 + j1 * y1);
                    x0 * of_x0 + x1 * of_x1
                }
            };
            total += t.coef * row * col;
        }
        total
    }

    /// Adds `scale` times the weights into `out`, one entry a cell (tests; the prover has its own).
    pub fn add_dense(&self, scale: EF, out: &mut [EF]) {
        for t in &self.terms {
            let row = t.row.map_or_else(|| alloc::vec![EF::ONE], |r| self.rows[r].table());
            for c in 0..t.cols {
                let col = match t.col {
                    ColWeight::Ones => EF::ONE,
                    ColWeight::Eq(p, first) => eq_index(&self.points[p], first + c),
                };
                let at = t.offset + c * row.len();
                for (o, &w) in out[at..at + row.len()].iter_mut().zip(&row) {
                    *o += scale * t.coef * col * w;
                }
            }
        }
    }
}

/// One run of columns with weights `coef * eq(point, first + c)`.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Factor.
    pub coef: EF,
    /// First column of the run in the tensor.
    pub column: usize,
    /// Number of columns.
    pub len: usize,
}

/// Columns indexed by digits (outermost first), each digit with its own point and padded on its own:
/// runs over the innermost digits, merged as long as these fill their points. Returns the runs and
/// the point that the runs refer to (starting at index 0).
pub fn digit_runs(digits: &[(usize, &[EF])]) -> (Vec<Run>, Vec<EF>) {
    let mut inner = digits.len();
    let (mut len, mut point) = (1usize, Vec::new());
    while inner > 0 {
        let (size, p) = digits[inner - 1];
        // The digits so far must fill their bits, or the joint index would have gaps.
        if len != 1 << point.len() {
            break;
        }
        len *= size;
        point.splice(0..0, p.iter().copied());
        inner -= 1;
    }
    let mut runs = alloc::vec![Run { coef: EF::ONE, column: 0, len }];
    let mut stride = len;
    for &(size, p) in digits[..inner].iter().rev() {
        let outer: Vec<EF> = (0..size).map(|i| eq_index(p, i)).collect();
        runs = outer
            .iter()
            .enumerate()
            .flat_map(|(i, &e)| {
                runs.iter().map(move |r| Run { coef: r.coef * e, column: r.column + i * stride, len: r.len })
            })
            .collect();
        stride *= size;
    }
    (runs, point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use esper_commitment::Transcript;

    #[test]
    fn evaluation_equals_dense_weights() {
        let mut t = Transcript::new("test");
        let mut f = Functional::default();
        let (p, q) = (t.challenges(4), t.challenges(6));
        let (p, q) = (f.point(&p), f.point(&q));
        let r = f.row(RowWeight::Eq(t.challenges(3)));
        let d = f.row(RowWeight::Dense(t.challenges(4)));
        f.push(t.challenge(), 24, 11, ColWeight::Eq(p, 2), Some(r));
        f.push(t.challenge(), 48, 5, ColWeight::Ones, Some(d));
        f.push(t.challenge(), 77, 50, ColWeight::Eq(q, 9), None);
        f.push(t.challenge(), 200, 1, ColWeight::Eq(q, 33), None);
        // Columns of which both sides carry into higher bits.
        f.push(t.challenge(), 102, 7, ColWeight::Eq(q, 13), None);
        f.push(t.challenge(), 8 * 13, 7, ColWeight::Eq(q, 22), Some(r));
        // Columns that lie in the point's range, and more that do not.
        f.push(t.challenge(), 210, 30, ColWeight::Eq(p, 1), None);
        let mut dense = alloc::vec![EF::ZERO; 256];
        f.add_dense(EF::ONE, &mut dense);
        let y = t.challenges(8);
        let direct: EF = eq_table(&y, EF::ONE).iter().zip(&dense).map(|(&e, &w)| e * w).sum();
        assert_eq!(f.at(&y), direct);
    }

    #[test]
    fn digit_runs_cover_all_digits() {
        let mut t = Transcript::new("test");
        for sizes in [[3usize, 3, 2, 24], [4, 2, 2, 4], [6, 1, 2, 16], [1, 1, 1, 5]] {
            let points: Vec<Vec<EF>> =
                sizes.iter().map(|&s| t.challenges(crate::mle::index_bits(s))).collect();
            let digits: Vec<(usize, &[EF])> = sizes.iter().zip(&points).map(|(&s, p)| (s, &p[..])).collect();
            let (runs, point) = digit_runs(&digits);
            let mut seen = alloc::vec![EF::ZERO; sizes.iter().product()];
            for r in &runs {
                for c in 0..r.len {
                    seen[r.column + c] += r.coef * eq_index(&point, c);
                }
            }
            for (i, &s) in seen.iter().enumerate() {
                let (mut rest, mut want) = (i, EF::ONE);
                for (&n, p) in sizes.iter().zip(&points).rev() {
                    want *= eq_index(p, rest % n);
                    rest /= n;
                }
                assert_eq!(s, want);
            }
        }
    }
}
