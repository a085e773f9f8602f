//! How likely a token was: the one float beside the integers.
//!
//! It is told to people who ask for probabilities. It may differ in its last places from machine to machine, is in no
//! proof and no record, and never reaches consensus: what is proven of a token is its integer logit.

/// Logarithm of the sum of `exp(logit * scale)` over the vocabulary: `logit * scale` less it is a logarithm of
/// probability. `logits` are not empty, `scale` is finite and not negative.
pub(super) fn logsumexp(logits: &[i64], scale: f64) -> f64 {
    let most = logits.iter().copied().fold(i64::MIN, i64::max);
    let sum: f64 = logits.iter().map(|&logit| ((logit as i128 - most as i128) as f64 * scale).exp()).sum();
    most as f64 * scale + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::logsumexp;

    #[test]
    fn it_is_the_logarithm_of_the_sum() {
        let scale = 0.25;
        let plain = |logits: &[i64]| logits.iter().map(|&l| (l as f64 * scale).exp()).sum::<f64>().ln();
        for logits in [&[0][..], &[7, -3, 2], &[-40, -40, -41]] {
            assert!((logsumexp(logits, scale) - plain(logits)).abs() < 1e-12);
        }
    }

    #[test]
    fn the_largest_logits_do_not_overflow() {
        let logits = [i64::MAX, i64::MAX, i64::MIN];
        assert!((logsumexp(&logits, 1e-9) - (i64::MAX as f64 * 1e-9 + 2f64.ln())).abs() < 1e-3);
    }
}
