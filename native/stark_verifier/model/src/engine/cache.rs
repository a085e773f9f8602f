//! Keys and values of one sequence, laid out for the attention kernels.

use std::collections::TryReserveError;

use crate::model::Shape;

/// Keys of one block.
pub(crate) const KEY_BLOCK: usize = 16;
/// Channels of a value are padded to a multiple of this.
pub(crate) const CHANNEL_BLOCK: usize = 16;

/// Keys and values of one key/value head of one layer.
#[derive(Clone, Default)]
pub(crate) struct HeadCache {
    /// `[block][head_dim/2][16 keys][2 channels]`.
    pub keys: Vec<i16>,
    /// `[pair of positions][padded channel][2 positions]`.
    pub values: Vec<i16>,
}

/// Keys and values of one sequence.
#[derive(Clone)]
pub(crate) struct Cache {
    /// `[layer][kv_head]`, flat.
    heads: Vec<HeadCache>,
    kv_heads: usize,
    head_dim: usize,
    /// Positions already complete in every layer.
    pub len: usize,
}

impl Cache {
    /// An empty cache.
    pub fn new(shape: &Shape) -> Self {
        let heads = vec![HeadCache::default(); shape.layers * shape.kv_heads];
        Self { heads, kv_heads: shape.kv_heads, head_dim: shape.head_dim, len: 0 }
    }

    /// An empty cache that has all the memory which `positions` take.
    ///
    /// # Errors
    /// Where the system refuses it.
    pub fn reserved(shape: &Shape, positions: usize) -> Result<Self, TryReserveError> {
        let mut cache = Self::new(shape);
        for head in &mut cache.heads {
            head.keys.try_reserve_exact(keys_of(positions, shape.head_dim))?;
            head.values.try_reserve_exact(values_of(positions, shape.head_dim))?;
        }
        Ok(cache)
    }

    /// Bytes of keys and values of so many positions.
    pub fn bytes(shape: &Shape, positions: usize) -> usize {
        let numbers = keys_of(positions, shape.head_dim) + values_of(positions, shape.head_dim);
        shape.layers * shape.kv_heads * numbers * size_of::<i16>()
    }

    /// Keeps the first `length` positions, which are complete, in the memory that it has.
    pub fn cut(&mut self, length: usize) {
        assert!(length <= self.len, "positions that have not run");
        // What a block holds of later positions is never looked at, and is written over by those that come.
        for head in &mut self.heads {
            head.keys.truncate(keys_of(length, self.head_dim));
            head.values.truncate(values_of(length, self.head_dim));
        }
        self.len = length;
    }

    /// Becomes the first `length` positions of another cache of this model, which are complete there.
    pub fn copy(&mut self, other: &Self, length: usize) {
        assert!(length <= other.len, "positions that have not run");
        self.cut(0);
        for (head, from) in self.heads.iter_mut().zip(&other.heads) {
            head.keys.extend_from_slice(&from.keys[..keys_of(length, other.head_dim)]);
            head.values.extend_from_slice(&from.values[..values_of(length, other.head_dim)]);
        }
        self.len = length;
    }

    /// One key/value head of one layer.
    pub fn head(&self, layer: usize, head: usize) -> &HeadCache {
        &self.heads[layer * self.kv_heads + head]
    }

    /// Stores the key and value of `position`; positions of one layer come in order.
    pub fn push(&mut self, layer: usize, head: usize, position: usize, key: &[i16], value: &[i16]) {
        let channels = padded_channels(self.head_dim);
        let cache = &mut self.heads[layer * self.kv_heads + head];
        if position.is_multiple_of(KEY_BLOCK) {
            cache.keys.resize(cache.keys.len() + KEY_BLOCK * self.head_dim, 0);
        }
        if position.is_multiple_of(2) {
            cache.values.resize(cache.values.len() + 2 * channels, 0);
        }
        let block = position / KEY_BLOCK * KEY_BLOCK * self.head_dim + position % KEY_BLOCK * 2;
        for (pair, two) in key.as_chunks::<2>().0.iter().enumerate() {
            cache.keys[block + pair * 2 * KEY_BLOCK..][..2].copy_from_slice(two);
        }
        let row = position / 2 * 2 * channels + position % 2;
        for (channel, &v) in value.iter().enumerate() {
            cache.values[row + 2 * channel] = v;
        }
    }
}

/// Numbers that the keys of so many positions take.
fn keys_of(positions: usize, head_dim: usize) -> usize {
    positions.next_multiple_of(KEY_BLOCK) * head_dim
}

/// Numbers that their values take.
fn values_of(positions: usize, head_dim: usize) -> usize {
    positions.next_multiple_of(2) * padded_channels(head_dim)
}

/// Channels of one position in the values, padding included.
pub(crate) fn padded_channels(head_dim: usize) -> usize {
    head_dim.next_multiple_of(CHANNEL_BLOCK)
}
