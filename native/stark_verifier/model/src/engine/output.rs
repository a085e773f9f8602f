//! The output matrix: all logits of a few rows, or the best of them without ever storing them all.

use super::Engine;
use super::forward::{Scratch, grown};
use super::matmul::{multiply, token_rows};
use super::packed::{GROUP, TILE_ROWS};
use super::top::{TopEntry, insert, take_best};

/// Logits held at once while looking for the best: few enough to stay in the processor's first caches.
const LOGITS_AT_ONCE: usize = 4096;

impl Engine {
    /// Hands the logits of every wanted row of the last pass, `[vocab]`, to `each`.
    pub(super) fn logits_of(
        &self,
        scratch: &mut Scratch,
        logits: &mut Vec<i64>,
        mut each: impl FnMut(&[i64]),
    ) {
        let Scratch { inputs, blocks, .. } = scratch;
        if inputs.tokens == 0 {
            return;
        }
        self.apply_to(&self.packed.lm_head, inputs, blocks);
        logits.resize(self.model.shape.vocab, 0);
        for index in 0..inputs.tokens {
            token_rows(blocks, inputs.tokens, index, 0, logits);
            each(logits);
        }
    }

    /// The `count` best candidates of every wanted row of the last pass.
    pub(super) fn best_of(&self, scratch: &mut Scratch, count: usize) -> Vec<Vec<TopEntry>> {
        let inputs = &scratch.inputs;
        let matrix = &self.packed.lm_head;
        if inputs.tokens == 0 {
            return Vec::new();
        }
        let unit = (LOGITS_AT_ONCE / TILE_ROWS / inputs.tokens).next_multiple_of(GROUP).max(GROUP);
        let cost = matrix.rows * matrix.columns * inputs.tokens;
        let share = matrix.blocks().div_ceil(self.workers.threads()).next_multiple_of(unit);
        let mut parts = vec![vec![Vec::new(); inputs.tokens]; matrix.blocks().div_ceil(share)];
        let find = |blocks: &mut Vec<i64>, part: usize, top: &mut [Vec<TopEntry>]| {
            let end = matrix.blocks().min((part + 1) * share);
            for first in (part * share..end).step_by(unit) {
                let blocks = grown(blocks, unit.min(end - first) * inputs.tokens * TILE_ROWS);
                multiply(self.level, matrix, first, inputs, blocks);
                for (index, top) in top.iter_mut().enumerate() {
                    let id = first * TILE_ROWS;
                    take_best(self.level, top, count, blocks, inputs.tokens, index, id, matrix.rows);
                }
            }
        };
        if let [part] = parts.as_mut_slice() {
            find(&mut scratch.blocks, 0, part);
        } else {
            let work = |blocks: &mut Vec<i64>, part: usize, top: &mut [Vec<Vec<TopEntry>>]| {
                find(blocks, part, &mut top[0])
            };
            self.workers.for_pieces(&mut parts, 1, cost, Vec::new, work);
        }
        // Parts hold ascending ids, each list ends with ties in order: entering them one by one keeps the order.
        parts
            .into_iter()
            .reduce(|mut all, part| {
                for (top, later) in all.iter_mut().zip(part) {
                    later.into_iter().for_each(|entry| insert(top, count, entry));
                }
                all
            })
            .unwrap_or_default()
    }
}
