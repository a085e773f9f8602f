//! eq(y, .) over every prefix of one point, from small tables: what the terms of a functional share.

use crate::mle::index_bits;
use alloc::vec;
use alloc::vec::Vec;
use esper_commitment::{EF, PrimeCharacteristicRing};

/// Coordinates of one table.
const BLOCK: usize = 8;

/// `at(n, i)` is eq of the first `n` coordinates of a point with the bits of `i`, for every `n`.
pub struct PrefixEq {
    /// Per block of coordinates: entry 2^j + i is eq of its first j coordinates with i.
    blocks: Vec<Vec<EF>>,
}

impl PrefixEq {
    /// Tables for `y`, most significant coordinate first.
    pub fn new(y: &[EF]) -> Self {
        let blocks = y
            .chunks(BLOCK)
            .map(|block| {
                let mut tree = vec![EF::ONE; 2 << block.len()];
                for (j, &v) in block.iter().enumerate() {
                    for node in 1 << j..2 << j {
                        let high = tree[node] * v;
                        tree[2 * node + 1] = high;
                        tree[2 * node] = tree[node] - high;
                    }
                }
                tree
            })
            .collect();
        Self { blocks }
    }

    /// eq of the first `n` coordinates with `index`; 0 where the index does not fit.
    pub fn at(&self, n: usize, index: usize) -> EF {
        if index_bits(index + 1) > n {
            return EF::ZERO;
        }
        let mut value = EF::ONE;
        for (b, tree) in self.blocks.iter().enumerate().take(n.div_ceil(BLOCK)) {
            let bits = BLOCK.min(n - BLOCK * b);
            let below = n - BLOCK * b - bits;
            let part = tree[(1 << bits) + (index >> below) % (1 << bits)];
            value = if b == 0 { part } else { value * part };
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mle::eq_index;
    use esper_commitment::Transcript;

    #[test]
    fn every_prefix_equals_the_product() {
        let y = Transcript::new("test").challenges(19);
        let prefix = PrefixEq::new(&y);
        for n in 0..=19 {
            for index in [0, 1, 2, 3, 77, (1usize << n) - 1, 1 << n, usize::MAX >> 1] {
                assert_eq!(prefix.at(n, index), eq_index(&y[..n], index), "{n} {index}");
            }
        }
    }
}
