//! Values that the products' sumcheck ends in, in transcript order.

use crate::bytes::Reader;
use crate::error::VerifyError;
use crate::layout::{Layout, Site};
use crate::linear::clamp_sites;
use alloc::vec::Vec;
use esper_commitment::EF;

/// Per norm.
#[derive(Clone, Copy, Debug)]
pub struct NormFinals<T> {
    /// Residual at (column, row).
    pub x: T,
    /// rs, Q, x * gain summed over columns, idx, P: at the row.
    pub rs: T,
    /// Q.
    pub q: T,
    /// Sum over columns of weight * gain * x.
    pub gained: T,
    /// idx.
    pub idx: T,
    /// P.
    pub p: T,
}

/// Per clamp site: sigma and w.
#[derive(Clone, Copy, Debug)]
pub struct ClampFinals<T> {
    /// Sign of the clamp.
    pub sigma: T,
    /// Ranged value.
    pub w: T,
}

/// Per layer.
#[derive(Clone, Debug)]
pub struct LayerFinals<T> {
    /// Row maximum.
    pub max: T,
    /// Score.
    pub score: T,
    /// W.
    pub gap: T,
    /// One-hot B.
    pub reached: T,
    /// (O, D') with overflow limbs.
    pub overflow: Option<[T; 2]>,
    /// silu.
    pub silu: T,
    /// Up projection, unshifted.
    pub up: T,
    /// Query and key before the rotation, heads folded.
    pub rotary: [T; 2],
    /// Z, and o with channels folded.
    pub division: [T; 2],
    /// The two norms.
    pub norms: [NormFinals<T>; 2],
    /// Clamp sites that are on, in the order of [`clamp_sites`].
    pub clamps: Vec<ClampFinals<T>>,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Finals<T> {
    /// Per layer.
    pub layers: Vec<LayerFinals<T>>,
    /// Final norm, where the output head is.
    pub norm: Option<NormFinals<T>>,
    /// Its clamp.
    pub clamp: Option<ClampFinals<T>>,
    /// cos and sin at (pair, position).
    pub rope: [T; 2],
}

impl<T> Finals<T> {
    /// Builds the structure that `layout` asks for, taking values from `next` in order.
    pub fn build<E>(layout: &Layout, mut next: impl FnMut() -> Result<T, E>) -> Result<Self, E> {
        let n = &mut next;
        let norm = |n: &mut dyn FnMut() -> Result<T, E>| -> Result<NormFinals<T>, E> {
            Ok(NormFinals { x: n()?, rs: n()?, q: n()?, gained: n()?, idx: n()?, p: n()? })
        };
        let clamp = |site: &Site, n: &mut dyn FnMut() -> Result<T, E>| -> Result<Option<ClampFinals<T>>, E> {
            Ok(if site.clamp.is_some() { Some(ClampFinals { sigma: n()?, w: n()? }) } else { None })
        };
        let mut layers = Vec::with_capacity(layout.layers.len());
        for cells in &layout.layers {
            let (max, score, gap, reached) = (n()?, n()?, n()?, n()?);
            let overflow = if cells.overflow.is_empty() { None } else { Some([n()?, n()?]) };
            let (silu, up) = (n()?, n()?);
            let (rotary, division) = ([n()?, n()?], [n()?, n()?]);
            let norms = [norm(n)?, norm(n)?];
            let mut clamps = Vec::new();
            for (site, _) in clamp_sites(cells) {
                clamps.extend(clamp(site, n)?);
            }
            layers.push(LayerFinals {
                max,
                score,
                gap,
                reached,
                overflow,
                silu,
                up,
                rotary,
                division,
                norms,
                clamps,
            });
        }
        let (norm, clamp) = match &layout.final_norm {
            Some(cells) => (Some(norm(n)?), clamp(&cells.site, n)?),
            None => (None, None),
        };
        Ok(Self { layers, norm, clamp, rope: [n()?, n()?] })
    }
}

impl Finals<EF> {
    /// Reads all values.
    pub fn read(r: &mut Reader<'_>, layout: &Layout) -> Result<Self, VerifyError> {
        Self::build(layout, || r.ext())
    }

    /// All values in transcript order.
    pub fn values(&self) -> Vec<EF> {
        fn norm(f: &NormFinals<EF>, out: &mut Vec<EF>) {
            let NormFinals { x, rs, q, gained, idx, p } = *f;
            out.extend([x, rs, q, gained, idx, p]);
        }
        let mut out = Vec::new();
        for l in &self.layers {
            let LayerFinals { max, score, gap, reached, overflow, silu, up, rotary, division, norms, clamps } =
                l;
            out.extend([*max, *score, *gap, *reached]);
            out.extend(overflow.iter().flatten().copied());
            out.extend([*silu, *up, rotary[0], rotary[1], division[0], division[1]]);
            norms.iter().for_each(|f| norm(f, &mut out));
            clamps.iter().for_each(|c| out.extend([c.sigma, c.w]));
        }
        self.norm.iter().for_each(|f| norm(f, &mut out));
        self.clamp.iter().for_each(|c| out.extend([c.sigma, c.w]));
        out.extend(self.rope);
        out
    }
}
