//! Proving that a sum of fractions is 0.

use alloc::vec::Vec;

use p3_multi_stark::fractional_gkr::{Fraction, FractionGkrProof, LeafNumerator, prove_fractional_gkr};
use p3_multilinear_util::poly::{Poly, PolyMaybePacked};

use crate::field::{EF, F, PackedEF, PackedF, PackedFieldExtension, PackedValue, parallel::*};
use crate::fraction::{GkrClaim, fraction_proof_len};
use crate::transcript::{Sponge, Transcript};
use crate::wire::write;

/// Proves that `numerators[i] / denominators[i]` sum to 0.
///
/// Both have the same length, a power of two and at least 2; the index's most significant bit belongs to the first
/// coordinate of the claim's point. They must be fixed by what the transcript already holds.
///
/// # Panics
/// On other lengths, a vanishing denominator, or a sum that is not 0.
pub fn prove_fraction_sum(
    numerators: Vec<F>,
    denominators: Vec<EF>,
    tr: &mut Transcript,
) -> (Vec<u8>, GkrClaim) {
    if denominators.len() < PackedF::WIDTH {
        return prove(numerators, PolyMaybePacked::Scalar(Poly::new(denominators)), tr);
    }
    let packed = denominators.par_chunks_exact(PackedF::WIDTH).map(PackedEF::from_ext_slice).collect();
    drop(denominators);
    prove_fraction_sum_packed(numerators, packed, tr)
}

/// [`prove_fraction_sum`] for denominators that are packed already: `numerators.len() / PackedF::WIDTH` of them.
///
/// # Panics
/// As [`prove_fraction_sum`] does.
pub fn prove_fraction_sum_packed(
    numerators: Vec<F>,
    denominators: Vec<PackedEF>,
    tr: &mut Transcript,
) -> (Vec<u8>, GkrClaim) {
    prove(numerators, PolyMaybePacked::Packed(Poly::new(denominators)), tr)
}

fn prove(
    numerators: Vec<F>,
    denominators: PolyMaybePacked<F, EF>,
    tr: &mut Transcript,
) -> (Vec<u8>, GkrClaim) {
    let numerators = Poly::new(numerators);
    let leaves = Fraction { n: LeafNumerator::Base(&numerators), d: &denominators };
    let (proof, out) = prove_fractional_gkr::<F, EF, Sponge>(leaves, &mut tr.sponge);
    let claim = GkrClaim {
        point: out.point.as_slice().to_vec(),
        numerator: out.numerator,
        denominator: out.denominator,
    };
    (encode(&proof), claim)
}

fn encode(proof: &FractionGkrProof<EF>) -> Vec<u8> {
    let mut out = Vec::with_capacity(fraction_proof_len(proof.layers.len()));
    write::ext(&mut out, &proof.root_denominator);
    for layer in &proof.layers {
        layer.round_polys.as_flattened().iter().for_each(|e| write::ext(&mut out, e));
        let c = &layer.claims;
        [c.n0, c.d0, c.n1, c.d1].iter().for_each(|e| write::ext(&mut out, e));
    }
    out
}

#[cfg(test)]
mod tests {
    use p3_multi_stark::fractional_gkr::verify_fractional_gkr;

    use super::*;
    use crate::field::{Field, PrimeCharacteristicRing};
    use crate::fraction::{GkrSeed, verify_fraction_sum};

    /// The crate's own verifier is the oracle: same claim, same transcript afterwards.
    #[test]
    fn the_verifier_agrees_with_that_of_the_crate() {
        for num_vars in 1..=8 {
            let mut tr = Transcript::new("test");
            // Fractions 1/d and -1/d side by side.
            let denominators: Vec<EF> =
                (0..1 << (num_vars - 1)).flat_map(|_| [tr.challenge()].repeat(2)).collect();
            let numerators = (0..1 << num_vars).map(|i| if i % 2 == 0 { F::ONE } else { -F::ONE }).collect();
            assert!(denominators.iter().all(|d| d.try_inverse().is_some()));
            let numerators = Poly::new(numerators);
            let denominators = PolyMaybePacked::Scalar(Poly::new(denominators));
            let leaves = Fraction { n: LeafNumerator::Base(&numerators), d: &denominators };
            let (proof, _) = prove_fractional_gkr::<F, EF, Sponge>(leaves, &mut tr.clone().sponge);
            let (mut theirs, mut ours) = (tr.clone(), tr);
            let expected = verify_fractional_gkr::<F, EF, Sponge>(&proof, num_vars, &mut theirs.sponge)
                .expect("an honest proof");
            let seed = GkrSeed::new(num_vars).expect("in range");
            let claim = verify_fraction_sum(&seed, &encode(&proof), &mut ours).expect("an honest proof");
            assert_eq!(claim.point, expected.point.as_slice());
            assert_eq!((claim.numerator, claim.denominator), (expected.numerator, expected.denominator));
            assert_eq!(ours.challenge(), theirs.challenge());
        }
    }
}
