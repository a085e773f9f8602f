//! Norms, rotation, softmax and gate in float32.

use crate::engine::per_level;

/// `e^x` for x ≤ 0, relative error about 2e-7; 0 below -87.
///
/// Powers of two by bits, the rest by the Taylor series of degree 6 on ±ln(2)/2.
#[inline(always)]
fn exp_negative(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer.
    let clamped = x.max(-87.0);
    let power = (clamped * std::f32::consts::LOG2_E + MAGIC) - MAGIC;
    let r = clamped - power * 0.693_359_4 + power * 2.121_944_4e-4;
    let series =
        1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0)))));
    // `power` is an integer from -126 to 0, so the biased exponent stays positive.
    let scale = f32::from_bits(((power as i32 + 127) as u32) << 23);
    if x < -87.0 { 0.0 } else { series * scale }
}

per_level! {
    /// `h = x / sqrt(mean(x²) + eps) * gain`.
    fn rms_norm(x: &[f32], gain: &[f32], eps: f32, h: &mut [f32]) {
        let mut parts = [0.0_f32; 16];
        let (whole, rest) = x.as_chunks::<16>();
        for chunk in whole {
            parts.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x * x);
        }
        let sum = parts.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
        let factor = 1.0 / (sum / x.len() as f32 + eps).sqrt();
        for ((h, x), gain) in h.iter_mut().zip(x).zip(gain) {
            *h = x * factor * gain;
        }
    }
}

per_level! {
    /// Rotates the pairs (i, i + head_dim/2) of every head in place.
    fn rotate(a: &mut [f32], cos: &[f32], sin: &[f32]) {
        let half = cos.len();
        for head in a.chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            for i in 0..half {
                let (a, b) = (first[i], second[i]);
                first[i] = a * cos[i] - b * sin[i];
                second[i] = a * sin[i] + b * cos[i];
            }
        }
    }
}

per_level! {
    /// Turns scores into weights `e^(scale (s - max))`; returns their sum.
    fn softmax(scores: &mut [f32], scale: f32) -> f32 {
        let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut parts = [0.0_f32; 16];
        let (whole, rest) = scores.as_chunks_mut::<16>();
        for chunk in whole {
            for (score, sum) in chunk.iter_mut().zip(&mut parts) {
                *score = exp_negative((*score - top) * scale);
                *sum += *score;
            }
        }
        let mut total: f32 = parts.iter().sum();
        for score in rest {
            *score = exp_negative((*score - top) * scale);
            total += *score;
        }
        total
    }
}

per_level! {
    /// `z = gate / (1 + e^-gate) * up`, by the exponential of a negative number so that nothing overflows.
    fn swiglu(gate: &[f32], up: &[f32], z: &mut [f32]) {
        for ((z, &gate), &up) in z.iter_mut().zip(gate).zip(up) {
            let small = exp_negative(-gate.abs());
            let logistic = if gate >= 0.0 { 1.0 } else { small } / (1.0 + small);
            *z = gate * logistic * up;
        }
    }
}

per_level! {
    /// `x += update`.
    fn add(update: &[f32], x: &mut [f32]) {
        x.iter_mut().zip(update).for_each(|(x, u)| *x += u);
    }
}

#[cfg(test)]
mod tests {
    use super::exp_negative;

    #[test]
    fn the_exponential_is_close() {
        for step in 0..870_000 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp_negative(x)) - exact).abs() <= 4e-7 * exact, "{x}");
        }
        assert_eq!((exp_negative(-88.0), exp_negative(-1e30)), (0.0, 0.0));
    }
}
