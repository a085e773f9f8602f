//! What the layers made of a text, as digests: where two machines differ, the first that is another names the layer and
//! the position.

use sha3::{Digest, Sha3_256};

use super::Engine;
use super::cache::Cache;
use super::forward::{MAX_ROWS, Row, Scratch};
use crate::ModelError;

/// Bytes of one digest.
pub const TRACE_DIGEST: usize = 32;

/// Digests of a pass, one of each row of each layer, layer by layer.
#[derive(Default)]
pub(super) struct LayerDigests(Vec<[u8; TRACE_DIGEST]>);

impl LayerDigests {
    /// Takes the residual stream behind a layer, `[row][dim]`.
    pub fn take(&mut self, x: &[i32], dim: usize) {
        self.0.extend(x.chunks_exact(dim).map(|row| digest(row.iter().map(|value| value.to_le_bytes()))));
    }
}

impl Engine {
    /// For every token in turn SHA3-256 of the residual stream behind each layer (`dim` little-endian int32), then of
    /// the logits (`vocab` little-endian int64): `layers + 1` digests a token.
    ///
    /// # Errors
    /// [`ModelError::Input`] for no token, a token outside the vocabulary, or a text that is too long.
    pub fn trace(&self, tokens: &[u32]) -> Result<Vec<Vec<[u8; TRACE_DIGEST]>>, ModelError> {
        let shape = &self.model.shape;
        if tokens.is_empty() {
            return Err(ModelError::Input { reason: "at least one token is needed".into() });
        }
        shape.check_tokens(0, tokens, 0)?;
        let mut caches = [Cache::new(shape)];
        let mut scratch = Scratch::default();
        let mut logits = Vec::new();
        let mut found: Vec<Vec<[u8; TRACE_DIGEST]>> = Vec::with_capacity(tokens.len());
        self.workers.enter(|| {
            for (number, chunk) in tokens.chunks(MAX_ROWS).enumerate() {
                let rows: Vec<Row> = (number * MAX_ROWS..)
                    .zip(chunk)
                    .map(|(position, &token)| Row { sequence: 0, token, position })
                    .collect();
                let wanted: Vec<usize> = (0..rows.len()).collect();
                scratch.digests = Some(LayerDigests::default());
                self.forward(&mut caches, &rows, &wanted, &mut scratch);
                let layers = scratch.digests.take().unwrap_or_default().0;
                let mut row = 0;
                self.logits_of(&mut scratch, &mut logits, |logits| {
                    let mut digests: Vec<_> = layers.iter().skip(row).step_by(rows.len()).copied().collect();
                    digests.push(digest(logits.iter().map(|logit| logit.to_le_bytes())));
                    found.push(digests);
                    row += 1;
                });
            }
        });
        Ok(found)
    }
}

fn digest<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> [u8; TRACE_DIGEST] {
    let mut hash = Sha3_256::new();
    values.for_each(|bytes| hash.update(bytes));
    hash.finalize().into()
}
