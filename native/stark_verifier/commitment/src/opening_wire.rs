//! The bytes of an opening proof, in the order in which the verifier reads them.
//!
//! ```text
//! out-of-domain answers of the commitment
//! first sumcheck
//! for each round:  root | out-of-domain answers | query nonce | query rows | siblings | sumcheck
//! final polynomial | query nonce | query rows | siblings | closing sumcheck
//!
//! sumcheck = for each variable [h(0), h(inf)], then a nonce for each variable if its folds need proof of work
//! siblings = count (4 bytes) and digests; every other length follows from the parameters
//! ```
//!
//! A nonce is there only where its proof of work is above 0 bits: elsewhere it is 0 by definition.

use alloc::vec;
use alloc::vec::Vec;

use p3_merkle_tree::PrunedMerklePaths;
use p3_multilinear_util::poly::Poly;
use p3_sumcheck::{OpeningBatch, SumcheckData};
use p3_symmetric::MerkleCap;
use p3_whir::{PcsProof, QueryOpenings, RoundConfig, SharedProofOpening, WhirProof, WhirRoundProof};

use crate::field::{EF, F, PrimeCharacteristicRing};
use crate::hash::{DIGEST_LEN, Trees};
use crate::params::Config;
use crate::wire::{BASE_LEN, COUNT_LEN, EXT_LEN, Reader, WireError};

pub(crate) type Proof = PcsProof<F, EF, Trees>;
type Openings = QueryOpenings<F, EF, PrunedMerklePaths<u8, DIGEST_LEN>>;

/// Rows that a round opens: repeated draws are opened again, and a domain smaller than the number of draws is opened
/// whole.
fn query_rows(round: &RoundConfig) -> usize {
    round.num_queries.min(round.domain_size >> round.folding_factor)
}

/// Variables of the polynomial that is sent in the clear.
fn final_variables(config: &Config) -> usize {
    config.num_variables() - config.folding_schedule().iter().sum::<usize>()
}

fn read_nonce(reader: &mut Reader<'_>, bits: usize) -> Result<F, WireError> {
    if bits == 0 { Ok(F::ZERO) } else { reader.base() }
}

fn read_sumcheck(
    reader: &mut Reader<'_>,
    rounds: usize,
    bits: usize,
) -> Result<SumcheckData<F, EF>, WireError> {
    let polynomial_evaluations = reader.exts(2 * rounds)?.as_chunks().0.to_vec();
    let pow_witnesses = if bits == 0 { vec![] } else { reader.bases(rounds)? };
    Ok(SumcheckData { polynomial_evaluations, pow_witnesses })
}

fn read_openings(reader: &mut Reader<'_>, round: &RoundConfig, base: bool) -> Result<Openings, WireError> {
    let (count, width) = (query_rows(round), 1 << round.folding_factor);
    let siblings = |reader: &mut Reader<'_>| Ok(PrunedMerklePaths { sibling_hashes: reader.digests()? });
    Ok(if base {
        let rows = (0..count).map(|_| reader.bases(width)).collect::<Result<_, _>>()?;
        QueryOpenings::Base(SharedProofOpening { rows, proof: siblings(reader)? })
    } else {
        let rows = (0..count).map(|_| reader.exts(width)).collect::<Result<_, _>>()?;
        QueryOpenings::Extension(SharedProofOpening { rows, proof: siblings(reader)? })
    })
}

/// Reads a proof of `values` under `config`; the whole of `bytes` must be one.
pub(crate) fn decode(config: &Config, values: &[EF], bytes: &[u8]) -> Result<Proof, WireError> {
    let mut reader = Reader::new(bytes);
    let r = &mut reader;
    let initial_ood_answers = r.exts(config.commitment_ood_samples())?;
    let initial_sumcheck =
        read_sumcheck(r, config.round_folding_factor(0), config.starting_folding_pow_bits())?;
    let mut rounds = Vec::new();
    for (i, round) in config.round_parameters().iter().enumerate() {
        rounds.push(WhirRoundProof {
            commitment: Some(MerkleCap::new(vec![r.digest()?])),
            ood_answers: r.exts(round.ood_samples)?,
            pow_witness: read_nonce(r, round.pow_bits)?,
            openings: read_openings(r, round, i == 0)?,
            sumcheck: read_sumcheck(r, config.round_folding_factor(i + 1), round.folding_pow_bits)?,
        });
    }
    let last = config.final_round_config();
    let final_poly = Some(Poly::new(r.exts(1 << final_variables(config))?));
    let final_pow_witness = read_nonce(r, last.pow_bits)?;
    let final_openings = read_openings(r, &last, rounds.is_empty())?;
    let final_sumcheck = match config.final_sumcheck_rounds() {
        0 => None,
        n => Some(read_sumcheck(r, n, config.final_folding_pow_bits())?),
    };
    reader.finish()?;
    let whir = WhirProof {
        initial_ood_answers,
        initial_sumcheck,
        rounds,
        final_poly,
        final_pow_witness,
        final_openings,
        final_sumcheck,
    };
    Ok(PcsProof { whir, evals: values.iter().map(|&v| OpeningBatch::new(vec![v], vec![])).collect() })
}

/// Bytes that [`decode`] reads of a proof whose lists of siblings are empty.
pub(crate) fn least_len(config: &Config) -> usize {
    let nonces = |count: usize, bits: usize| if bits == 0 { 0 } else { count * BASE_LEN };
    let sumcheck = |rounds: usize, bits: usize| 2 * rounds * EXT_LEN + nonces(rounds, bits);
    let rows = |round: &RoundConfig, base: bool| {
        let width = if base { BASE_LEN } else { EXT_LEN };
        nonces(1, round.pow_bits) + ((query_rows(round) * width) << round.folding_factor) + COUNT_LEN
    };
    let mut len = config.commitment_ood_samples() * EXT_LEN;
    len += sumcheck(config.round_folding_factor(0), config.starting_folding_pow_bits());
    for (i, round) in config.round_parameters().iter().enumerate() {
        len += DIGEST_LEN + round.ood_samples * EXT_LEN + rows(round, i == 0);
        len += sumcheck(config.round_folding_factor(i + 1), round.folding_pow_bits);
    }
    let last = config.final_round_config();
    len += (EXT_LEN << final_variables(config)) + rows(&last, config.round_parameters().is_empty());
    len + sumcheck(config.final_sumcheck_rounds(), config.final_folding_pow_bits())
}

#[cfg(feature = "prover")]
pub(crate) use encode::encode;

#[cfg(feature = "prover")]
mod encode {
    use alloc::vec::Vec;

    use p3_sumcheck::SumcheckData;
    use p3_whir::QueryOpenings;

    use super::{Openings, Proof};
    use crate::field::{EF, F};
    use crate::params::Config;
    use crate::wire::write;

    fn sumcheck(out: &mut Vec<u8>, data: &SumcheckData<F, EF>, bits: usize) {
        data.polynomial_evaluations.as_flattened().iter().for_each(|e| write::ext(out, e));
        if bits > 0 {
            data.pow_witnesses.iter().for_each(|&w| write::base(out, w));
        }
    }

    fn nonce(out: &mut Vec<u8>, witness: F, bits: usize) {
        if bits > 0 {
            write::base(out, witness);
        }
    }

    fn openings(out: &mut Vec<u8>, openings: &Openings) {
        let siblings = match openings {
            QueryOpenings::Base(opening) => {
                opening.rows.iter().flatten().for_each(|&e| write::base(out, e));
                &opening.proof.sibling_hashes
            }
            QueryOpenings::Extension(opening) => {
                opening.rows.iter().flatten().for_each(|e| write::ext(out, e));
                &opening.proof.sibling_hashes
            }
        };
        write::digests(out, siblings);
    }

    /// The bytes of an honest proof under `config`; its values are not among them, as the statement holds them.
    pub(crate) fn encode(config: &Config, proof: &Proof) -> Vec<u8> {
        let whir = &proof.whir;
        let mut out = Vec::new();
        whir.initial_ood_answers.iter().for_each(|e| write::ext(&mut out, e));
        sumcheck(&mut out, &whir.initial_sumcheck, config.starting_folding_pow_bits());
        for (round, params) in whir.rounds.iter().zip(config.round_parameters()) {
            let cap = round.commitment.as_ref().expect("an honest round carries its commitment");
            cap.roots().iter().for_each(|root| out.extend_from_slice(root));
            round.ood_answers.iter().for_each(|e| write::ext(&mut out, e));
            nonce(&mut out, round.pow_witness, params.pow_bits);
            openings(&mut out, &round.openings);
            sumcheck(&mut out, &round.sumcheck, params.folding_pow_bits);
        }
        let last = whir.final_poly.as_ref().expect("an honest proof carries the final polynomial");
        last.as_slice().iter().for_each(|e| write::ext(&mut out, e));
        nonce(&mut out, whir.final_pow_witness, config.final_round_config().pow_bits);
        openings(&mut out, &whir.final_openings);
        if let Some(data) = &whir.final_sumcheck {
            sumcheck(&mut out, data, config.final_folding_pow_bits());
        }
        out
    }
}
