//! The best candidates among the logits of one row.

use super::level::per_level;
use super::packed::TILE_ROWS;

/// A token and its logit.
pub type TopEntry = (u32, i64);

per_level! {
    /// Takes the logits of row `index` in `[block][row][16]`, whose first id is `first`, into the `count` best so
    /// far: logit descending, id ascending on a tie. Ids come in ascending order from call to call.
    fn take_best(
        top: &mut Vec<TopEntry>,
        count: usize,
        blocks: &[i64],
        rows: usize,
        index: usize,
        first: usize,
        vocab: usize,
    ) {
        for (block, logits) in blocks.as_chunks::<TILE_ROWS>().0.iter().skip(index).step_by(rows).enumerate() {
            // Most blocks hold nothing better: one comparison of their maximum passes them by.
            if is_worse(top, count, logits.iter().copied().fold(i64::MIN, i64::max)) {
                continue;
            }
            for (id, &logit) in (first + block * TILE_ROWS..vocab).zip(logits) {
                insert(top, count, (id as u32, logit));
            }
        }
    }
}

/// Enters a candidate whose id is above all others' into the `count` best.
#[inline(always)]
pub(crate) fn insert(top: &mut Vec<TopEntry>, count: usize, entry: TopEntry) {
    if is_worse(top, count, entry.1) {
        return;
    }
    // The new id is the highest, so it goes behind its equals.
    let place = top.partition_point(|&(_, other)| other >= entry.1);
    top.insert(place, entry);
    top.truncate(count);
}

#[inline(always)]
fn is_worse(top: &[TopEntry], count: usize, logit: i64) -> bool {
    top.len() == count && top.last().is_some_and(|&(_, worst)| logit <= worst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn the_lowest_id_wins_a_tie_and_padding_never() {
        for level in Level::available() {
            let mut logits = vec![-9; 2 * 48];
            let set =
                |logits: &mut Vec<i64>, id: usize, value| logits[(id / 16 * 2 + 1) * 16 + id % 16] = value;
            for (id, value) in [(1, 7), (2, 7), (4, 7), (20, 3), (33, 7), (34, 100)] {
                set(&mut logits, id, value);
            }
            let mut whole = Vec::new();
            take_best(level, &mut whole, 5, &logits, 2, 1, 0, 34);
            assert_eq!(whole, [(1, 7), (2, 7), (4, 7), (33, 7), (20, 3)], "{level:?}");
            let mut parts = Vec::new();
            take_best(level, &mut parts, 5, &logits[..32], 2, 1, 0, 34);
            take_best(level, &mut parts, 5, &logits[32..], 2, 1, 16, 34);
            assert_eq!(parts, whole, "{level:?}");
            let mut lowest = Vec::new();
            take_best(level, &mut lowest, 1, &[i64::MIN; 16], 1, 0, 0, 2);
            assert_eq!(lowest, [(0, i64::MIN)], "{level:?}");
        }
    }
}
