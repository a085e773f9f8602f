//! Parameters of the commitment, all of them from code.

use alloc::vec::Vec;
use core::fmt;

use p3_whir::{FoldingFactor, ProtocolParameters, SecurityAssumption, WhirConfig};

use crate::field::{EF, F};
use crate::transcript::Sponge;

/// Variables folded by the first round; the width of a leaf of the committed tree is two to its power.
pub(crate) const FIRST_FOLD: usize = 5;
/// Variables folded by each later round.
const LATER_FOLD: usize = 4;
/// Growth of the logarithm of the inverse rate at the first fold, by that logarithm at the start. Five variables fold:
/// with a step of 1 the domain shrinks by 16, with 2 by 8. The smaller step halves all later codewords, which are
/// nearly half of an opening's work, for some 10 KiB; at rate 1/2 it would be 35 KiB.
const fn first_rate_step(log_inv_rate: usize) -> usize {
    if log_inv_rate == 1 { 2 } else { 1 }
}
/// Growth at each later fold: four variables fold, the domain halves.
const LATER_RATE_STEP: usize = 3;
/// Proof of work before the queries of a round, in bits. 20 cost about 20 ms an opening on two cores and save 12 KiB.
const POW_BITS: usize = 20;
/// Level of each error term of a proof's only opening; an opening has some twenty terms, of which the queries weigh.
const SINGLE_OPENING_LEVEL: usize = 131;

/// Fewest variables of a committed polynomial. Callers pad smaller ones up to it.
pub const MIN_VARS: usize = 10;
/// Most variables of a committed polynomial: 2^30 values.
pub const MAX_VARS: usize = 30;

/// Parameters of one committed polynomial. WHIR at the Johnson bound, folding 5 variables and then 4 at a time, with
/// codes of rate `2^-r` for r = `log_inv_rate`, `log_inv_rate + s`, `+ s + 3`, `+ s + 6`, ..., where s is 2 at rate
/// 1/2 and 1 otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PcsParams {
    /// Logarithm of the inverse rate of the committed code, 1 to 4.
    pub log_inv_rate: usize,
    /// Bits of proof of work before the queries of each round.
    pub pow_bits: usize,
    /// Bits that each error term of the opening reaches, proof of work included.
    pub security_level: usize,
}

pub(crate) type Config = WhirConfig<EF, F, Sponge>;

impl PcsParams {
    /// The parameters of a polynomial of `num_vars` variables in a proof that opens `openings` commitments.
    ///
    /// The level is such that the openings' terms and the rest of the proof together stay above 128 bits, whatever
    /// the size and the number of points. The rate trades the prover's time and memory against the proof's size:
    /// small polynomials are cheap to encode widely, the largest would not fit.
    pub fn for_proof(num_vars: usize, openings: usize) -> Self {
        let log_inv_rate = match num_vars {
            0..=20 => 3,
            21..=26 => 2,
            _ => 1,
        };
        let doublings = openings.clamp(1, 1 << 16).next_power_of_two().trailing_zeros() as usize;
        Self { log_inv_rate, pow_bits: POW_BITS, security_level: SINGLE_OPENING_LEVEL + doublings }
    }

    /// WHIR's own description; `None` where the size is out of range or the target cannot be reached.
    pub(crate) fn config(&self, num_vars: usize) -> Option<Config> {
        if !(MIN_VARS..=MAX_VARS).contains(&num_vars) || !(1..=4).contains(&self.log_inv_rate) {
            return None;
        }
        let folding_factor = FoldingFactor::ConstantFromSecondRound(FIRST_FOLD, LATER_FOLD);
        let rounds = folding_factor.compute_folding_schedule(num_vars).ok()?.len() - 1;
        Config::new(
            num_vars,
            ProtocolParameters {
                starting_log_inv_rate: self.log_inv_rate,
                round_log_inv_rates: (0..rounds)
                    .map(|i| self.log_inv_rate + first_rate_step(self.log_inv_rate) + LATER_RATE_STEP * i)
                    .collect(),
                folding_factor,
                soundness_type: SecurityAssumption::JohnsonBound,
                security_level: self.security_level,
                pow_bits: self.pow_bits,
            },
        )
        .ok()
    }

    /// The derived schedule, for parameter digests, reports and tests; `None` where the size is out of range.
    pub fn schedule(&self, num_vars: usize) -> Option<Schedule> {
        let config = self.config(num_vars)?;
        let last = config.final_round_config();
        let round = |r: &p3_whir::RoundConfig| ScheduleRound {
            log_domain: r.domain_size.trailing_zeros() as usize,
            fold: r.folding_factor,
            queries: r.num_queries,
            query_pow_bits: r.pow_bits,
            out_of_domain: r.ood_samples,
            fold_pow_bits: r.folding_pow_bits,
        };
        Some(Schedule {
            first_out_of_domain: config.commitment_ood_samples(),
            first_fold_pow_bits: config.starting_folding_pow_bits(),
            rounds: config.round_parameters().iter().chain(core::iter::once(&last)).map(round).collect(),
            final_sumcheck: config.final_sumcheck_rounds(),
            final_fold_pow_bits: config.final_folding_pow_bits(),
        })
    }
}

/// Everything about an opening that follows from its parameters and size.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// Points outside the domain at which the committed polynomial is opened first.
    pub first_out_of_domain: usize,
    /// Proof of work before each fold of the first round, in bits.
    pub first_fold_pow_bits: usize,
    /// The rounds; the last one queries the last codeword and sends its polynomial in the clear.
    pub rounds: Vec<ScheduleRound>,
    /// Variables left to the closing sumcheck.
    pub final_sumcheck: usize,
    /// Proof of work before each of its folds, in bits.
    pub final_fold_pow_bits: usize,
}

/// `ood a, pow b | 2^domain/fold: queries q, pow p, ood o, pow f | ... | sumcheck n, pow g`: every number, in order.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ood {}, pow {}", self.first_out_of_domain, self.first_fold_pow_bits)?;
        for r in &self.rounds {
            write!(f, " | 2^{}/{}: queries {}, pow {}", r.log_domain, r.fold, r.queries, r.query_pow_bits)?;
            write!(f, ", ood {}, pow {}", r.out_of_domain, r.fold_pow_bits)?;
        }
        write!(f, " | sumcheck {}, pow {}", self.final_sumcheck, self.final_fold_pow_bits)
    }
}

/// One round of queries against a codeword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScheduleRound {
    /// Logarithm of the size of the queried codeword's domain, before folding.
    pub log_domain: usize,
    /// Variables folded inside a leaf.
    pub fold: usize,
    /// Queries, with repetition.
    pub queries: usize,
    /// Proof of work before the queries, in bits.
    pub query_pow_bits: usize,
    /// Points outside the domain for the codeword that follows.
    pub out_of_domain: usize,
    /// Proof of work before each fold that follows, in bits.
    pub fold_pow_bits: usize,
}
