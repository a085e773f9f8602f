//! Sizes of the values a float model computes: what an export chooses its scales by.

use serde::Serialize;

/// Where values are measured in every layer, in the order of [`LayerStats::sites`].
pub const SITES: [&str; 12] = [
    "attention_input",
    "query",
    "key",
    "value",
    "attention_output",
    "attention_update",
    "feed_forward_input",
    "gate",
    "up",
    "gated",
    "feed_forward_update",
    "residual",
];

/// A place of measurement; queries and keys are taken after rotation, the residual stream after the whole layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Site {
    AttentionInput,
    Query,
    Key,
    Value,
    AttentionOutput,
    AttentionUpdate,
    FeedForwardInput,
    Gate,
    Up,
    Gated,
    FeedForwardUpdate,
    Residual,
}

/// Size of the values seen at one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Largest absolute value.
    pub absmax: f32,
    /// Sum of absolute values.
    pub sum_abs: f64,
    /// Number of values.
    pub count: u64,
}

impl Spread {
    /// Mean absolute value; 0 where nothing was seen.
    pub fn mean_abs(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_abs / self.count as f64 }
    }

    pub(crate) fn see(&mut self, values: &[f32]) {
        for value in values {
            self.absmax = self.absmax.max(value.abs());
            self.sum_abs += f64::from(value.abs());
        }
        self.count += values.len() as u64;
    }

    fn merge(&mut self, other: &Self) {
        self.absmax = self.absmax.max(other.absmax);
        self.sum_abs += other.sum_abs;
        self.count += other.count;
    }
}

/// What was measured in one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerStats {
    /// One spread for each name of [`SITES`].
    pub sites: [Spread; SITES.len()],
    /// Smallest attention score, `q·k / sqrt(head_dim)`, over all causal pairs.
    pub score_min: f32,
    /// Largest attention score.
    pub score_max: f32,
    /// Largest difference between the best and the worst score of one row of attention.
    pub score_range: f32,
}

/// What was measured in a whole model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// First to last layer.
    pub layers: Vec<LayerStats>,
    /// Input of the output matrix.
    pub final_input: Spread,
    /// Tokens seen.
    pub tokens: u64,
}

impl Calibration {
    pub(crate) fn new(layers: usize) -> Self {
        let empty = LayerStats {
            sites: [Spread::default(); SITES.len()],
            score_min: f32::INFINITY,
            score_max: f32::NEG_INFINITY,
            score_range: 0.0,
        };
        Self { layers: vec![empty; layers], final_input: Spread::default(), tokens: 0 }
    }

    pub(crate) fn see(&mut self, layer: usize, site: Site, values: &[f32]) {
        self.layers[layer].sites[site as usize].see(values);
    }

    pub(crate) fn see_scores(&mut self, layer: usize, scores: &[f32]) {
        let (min, max) =
            scores.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &s| (a.min(s), b.max(s)));
        let stats = &mut self.layers[layer];
        stats.score_min = stats.score_min.min(min);
        stats.score_max = stats.score_max.max(max);
        stats.score_range = stats.score_range.max(max - min);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.layers.iter_mut().zip(&other.layers) {
            mine.sites.iter_mut().zip(&theirs.sites).for_each(|(a, b)| a.merge(b));
            mine.score_min = mine.score_min.min(theirs.score_min);
            mine.score_max = mine.score_max.max(theirs.score_max);
            mine.score_range = mine.score_range.max(theirs.score_range);
        }
        self.final_input.merge(&other.final_input);
        self.tokens += other.tokens;
    }
}
