//! The mode mask: which completeness machinery a proof carries. Every mode is exact; a mode that is
//! off is stricter, so the mask concerns completeness alone.

use crate::descriptor::{CLAMP_CLASSES, ClampClass, Descriptor, LayerDescriptor};
use crate::error::VerifyError;
use crate::limits;
use alloc::vec;
use alloc::vec::Vec;

/// Which of a layer's sites that may be wider than 16 bits are ranged at their full width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WideSites {
    /// Update by the attention output.
    pub o: bool,
    /// Update by the MLP output.
    pub down: bool,
    /// silu times up.
    pub z: bool,
}

impl WideSites {
    /// Each site's class, its width in the model, and whether it is ranged at that width.
    fn sites(self, l: &LayerDescriptor) -> [(ClampClass, u32, bool); 3] {
        [
            (ClampClass::UpdateO, l.o_bits, self.o),
            (ClampClass::UpdateDown, l.down_bits, self.down),
            (ClampClass::Z, l.z_bits, self.z),
        ]
    }
}

/// Modes of one proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Clamp columns of each [`ClampClass`].
    pub clamp: [bool; CLAMP_CLASSES],
    /// 16-bit limbs of the score overflow: 0, 1 or 2.
    pub overflow: u8,
    /// Third limb of the top-K slack.
    pub slack_top: bool,
    /// Per layer.
    pub wide: Vec<WideSites>,
}

impl Modes {
    /// Everything off.
    pub fn off(layers: usize) -> Self {
        Self {
            clamp: [false; CLAMP_CLASSES],
            overflow: 0,
            slack_top: false,
            wide: vec![WideSites::default(); layers],
        }
    }

    /// Everything on that the model has.
    pub fn all(d: &Descriptor) -> Self {
        let wide = d
            .layers
            .iter()
            .map(|l| WideSites { o: l.o_bits > 16, down: l.down_bits > 16, z: l.z_bits > 16 })
            .collect();
        Self { clamp: [true; CLAMP_CLASSES], overflow: 2, slack_top: d.has_head(), wide }
    }

    /// Whether a class carries clamp columns.
    pub fn clamps(&self, class: ClampClass) -> bool {
        self.clamp[class as usize]
    }

    /// Two bytes, then one byte a layer.
    pub fn encode(&self) -> Vec<u8> {
        let clamp = self.clamp.iter().enumerate().fold(0, |m, (i, &on)| m | u8::from(on) << i);
        let mut out = vec![clamp, self.overflow | u8::from(self.slack_top) << 2];
        out.extend(self.wide.iter().map(|w| u8::from(w.o) | u8::from(w.down) << 1 | u8::from(w.z) << 2));
        out
    }

    /// Reads exactly what [`Self::encode`] writes for `d`.
    ///
    /// # Errors
    /// An unknown bit, three overflow limbs, full width of a site of 16 bits, slack without an output head, or a clamp of a class of which a wider site is
    /// not ranged at its width.
    pub fn decode(bytes: &[u8], d: &Descriptor) -> Result<Self, VerifyError> {
        if bytes.len() != 2 + d.layers.len() {
            return Err(VerifyError::Encoding("mode mask"));
        }
        if bytes[0] >> CLAMP_CLASSES != 0 || bytes[1] >> 3 != 0 || bytes[2..].iter().any(|&b| b >> 3 != 0) {
            return Err(VerifyError::Modes("unknown bit"));
        }
        let mut clamp = [false; CLAMP_CLASSES];
        clamp.iter_mut().enumerate().for_each(|(i, c)| *c = bytes[0] >> i & 1 == 1);
        let overflow = bytes[1] & 3;
        if !limits::OVERFLOW_LIMBS.takes(overflow) {
            return Err(VerifyError::Modes("three overflow limbs"));
        }
        let wide: Vec<WideSites> = bytes[2..]
            .iter()
            .map(|b| WideSites { o: b & 1 == 1, down: b >> 1 & 1 == 1, z: b >> 2 & 1 == 1 })
            .collect();
        let modes = Self { clamp, overflow, slack_top: bytes[1] >> 2 & 1 == 1, wide };
        if modes.slack_top && !d.has_head() {
            return Err(VerifyError::Modes("slack of a part without the output head"));
        }
        for (w, l) in modes.wide.iter().zip(&d.layers) {
            for (class, bits, wide) in w.sites(l) {
                // A width of 16 bits has one exact table: there is nothing to widen.
                if wide && bits == 16 {
                    return Err(VerifyError::Modes("full width of a site of 16 bits"));
                }
                if modes.clamps(class) && !wide && bits != 16 {
                    return Err(VerifyError::Modes("clamp of a site that is not ranged at its width"));
                }
            }
        }
        Ok(modes)
    }
}
