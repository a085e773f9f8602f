//! The bytes of an opening, in the order in which the verifier reads them.
//!
//! ```text
//! value at the first point outside the domain | rounds of the first fold
//! for each later codeword:  root | value outside | queries to the one before | rounds of the next fold
//! values of the last polynomial | queries to the last codeword | rounds of the last fold
//!
//! queries = witness of the work, rows in the order drawn, number of siblings (4 bytes), siblings
//! rounds  = for each variable the constant term and the coefficient of the square
//! ```
//!
//! Every length but the numbers of siblings follows from the plan.

use alloc::vec::Vec;

use crate::field::{EF, F};
use crate::hash::{DIGEST_LEN, Digest};
use crate::plan::{Phase, Plan};
use crate::wire::{BASE_LEN, COUNT_LEN, EXT_LEN, Reader, WireError};

/// Round polynomials of a fold: constant term and coefficient of the square.
pub(crate) type Rounds = Vec<[EF; 2]>;

/// Rows of a codeword, one for each query in the order drawn.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Rows {
    /// Of the committed codeword.
    Base(Vec<Vec<F>>),
    /// Of a later one.
    Extension(Vec<Vec<EF>>),
}

/// What answers the queries to a codeword.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Queries {
    /// Witness of the proof of work.
    pub(crate) work: F,
    pub(crate) rows: Rows,
    pub(crate) siblings: Vec<Digest>,
}

/// A later codeword, the queries to the one before, the fold that follows.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Step {
    pub(crate) root: Digest,
    /// The new polynomial at a point outside the domain.
    pub(crate) outside: EF,
    pub(crate) queries: Queries,
    pub(crate) fold: Rounds,
}

/// All that an opening carries.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Opening {
    pub(crate) outside: EF,
    pub(crate) fold: Rounds,
    /// One for each codeword but the committed one.
    pub(crate) steps: Vec<Step>,
    /// Values of the last polynomial.
    pub(crate) last: Vec<EF>,
    pub(crate) last_queries: Queries,
    pub(crate) last_fold: Rounds,
}

fn read_rounds(r: &mut Reader<'_>, count: usize) -> Result<Rounds, WireError> {
    Ok(r.exts(2 * count)?.as_chunks().0.to_vec())
}

fn read_queries(r: &mut Reader<'_>, plan: &Plan, phase: usize) -> Result<Queries, WireError> {
    let (count, len) = (plan.phases[phase].queries, plan.row_len(phase));
    let work = r.base()?;
    let rows = if phase == 0 {
        Rows::Base((0..count).map(|_| r.bases(len)).collect::<Result<_, _>>()?)
    } else {
        Rows::Extension((0..count).map(|_| r.exts(len)).collect::<Result<_, _>>()?)
    };
    Ok(Queries { work, rows, siblings: r.digests()? })
}

/// Reads an opening under `plan`; the whole of `bytes` must be one.
pub(crate) fn decode(plan: &Plan, bytes: &[u8]) -> Result<Opening, WireError> {
    let mut reader = Reader::new(bytes);
    let r = &mut reader;
    let outside = r.ext()?;
    let fold = read_rounds(r, plan.phases[0].fold)?;
    let mut steps = Vec::new();
    for (before, phase) in plan.phases[1..].iter().enumerate() {
        steps.push(Step {
            root: r.digest()?,
            outside: r.ext()?,
            queries: read_queries(r, plan, before)?,
            fold: read_rounds(r, phase.fold)?,
        });
    }
    let last = r.exts(1 << plan.last_vars)?;
    let last_queries = read_queries(r, plan, plan.phases.len() - 1)?;
    let last_fold = read_rounds(r, plan.last_vars)?;
    reader.finish()?;
    Ok(Opening { outside, fold, steps, last, last_queries, last_fold })
}

/// Bytes that [`decode`] reads of an opening whose lists of siblings are empty.
pub(crate) fn least_len(plan: &Plan) -> usize {
    let rounds: usize = plan.phases.iter().map(|phase| phase.fold).sum::<usize>() + plan.last_vars;
    let queries = |(i, phase): (usize, &Phase)| {
        let element = if i == 0 { BASE_LEN } else { EXT_LEN };
        BASE_LEN + phase.queries * plan.row_len(i) * element + COUNT_LEN
    };
    let elements = plan.phases.len() + 2 * rounds + (1 << plan.last_vars);
    elements * EXT_LEN
        + (plan.phases.len() - 1) * DIGEST_LEN
        + plan.phases.iter().enumerate().map(queries).sum::<usize>()
}

#[cfg(feature = "prover")]
pub(crate) use encode::encode;

#[cfg(feature = "prover")]
mod encode {
    use super::*;
    use crate::wire::write;

    fn rounds(out: &mut Vec<u8>, rounds: &Rounds) {
        rounds.as_flattened().iter().for_each(|e| write::ext(out, e));
    }

    fn queries(out: &mut Vec<u8>, queries: &Queries) {
        write::base(out, queries.work);
        match &queries.rows {
            Rows::Base(rows) => rows.iter().flatten().for_each(|&e| write::base(out, e)),
            Rows::Extension(rows) => rows.iter().flatten().for_each(|e| write::ext(out, e)),
        }
        write::digests(out, &queries.siblings);
    }

    /// The bytes that [`decode`] reads.
    pub(crate) fn encode(opening: &Opening) -> Vec<u8> {
        let mut out = Vec::new();
        write::ext(&mut out, &opening.outside);
        rounds(&mut out, &opening.fold);
        for step in &opening.steps {
            out.extend_from_slice(&step.root);
            write::ext(&mut out, &step.outside);
            queries(&mut out, &step.queries);
            rounds(&mut out, &step.fold);
        }
        opening.last.iter().for_each(|e| write::ext(&mut out, e));
        queries(&mut out, &opening.last_queries);
        rounds(&mut out, &opening.last_fold);
        out
    }
}
