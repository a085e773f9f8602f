//! The best candidates among the logits of one row.

use super::level::per_level;
use super::packed::TILE_ROWS;

/// A token and its logit.
pub type TopEntry = (u32, i64);

per_level! {
    /// The `count` best of row `index`, logit descending, id ascending on a tie, from `[block][row][16]`.
    fn best_of_blocks(blocks: &[i64], rows: usize, index: usize, vocab: usize, count: usize) -> Vec<TopEntry> {
        let mut top: Vec<TopEntry> = Vec::with_capacity(count + 1);
        let mut worst = i64::MIN;
        for (block, logits) in blocks.as_chunks::<TILE_ROWS>().0.iter().skip(index).step_by(rows).enumerate() {
            // Most blocks hold nothing better: one comparison of their maximum passes them by.
            if top.len() == count && logits.iter().copied().fold(i64::MIN, i64::max) <= worst {
                continue;
            }
            let first = block * TILE_ROWS;
            for (id, &logit) in (first..vocab).zip(logits) {
                if top.len() == count && logit <= worst {
                    continue;
                }
                // Ids come in ascending order, so a new one goes behind its equals.
                let place = top.partition_point(|&(_, other)| other >= logit);
                top.insert(place, (id as u32, logit));
                top.truncate(count);
                worst = top[top.len() - 1].1;
            }
        }
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn the_lowest_id_wins_a_tie_and_padding_never() {
        for level in Level::available() {
            let mut logits = vec![-9; 2 * 48];
            let set = |logits: &mut Vec<i64>, id: usize, value| logits[(id / 16 * 2 + 1) * 16 + id % 16] = value;
            for (id, value) in [(1, 7), (2, 7), (4, 7), (20, 3), (33, 7), (34, 100)] {
                set(&mut logits, id, value);
            }
            let best = best_of_blocks(level, &logits, 2, 1, 34, 5);
            assert_eq!(best, [(1, 7), (2, 7), (4, 7), (33, 7), (20, 3)], "{level:?}");
            assert_eq!(best_of_blocks(level, &[i64::MIN; 16], 1, 0, 2, 1), [(0, i64::MIN)], "{level:?}");
        }
    }
}
