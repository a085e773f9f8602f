//! Steps of the transcript that prover and verifier share.

use crate::boundary::Chain;
use crate::descriptor::{Descriptor, PART_VERSION, SPEC_VERSION};
use crate::layout::Layout;
use crate::modes::Modes;
use crate::soundness::opening_params;
use crate::statement::Statement;
use esper_commitment::{F, PrimeField64, Transcript};

/// Name of the protocol of a part.
const PART_DOMAIN: &str = "esper proof of inference v3, part";
/// Name of the protocol.
const DOMAIN: &str = "esper proof of inference v2";

/// Opens the transcript: parameters, then everything that the statement says, then the modes.
pub fn start(d: &Descriptor, layout: &Layout, statement: &Statement, modes: &Modes) -> Transcript {
    let mut t = public(DOMAIN, SPEC_VERSION, d, layout, statement);
    t.absorb_bytes(&modes.encode());
    t
}

/// Opens the transcript of a part: the same, and between statement and modes which part of which parts it is, and what
/// all of them hand on.
pub fn start_part(
    d: &Descriptor,
    layout: &Layout,
    statement: &Statement,
    modes: &Modes,
    chain: &Chain,
) -> Transcript {
    let mut t = public(PART_DOMAIN, PART_VERSION, d, layout, statement);
    t.absorb_u64(d.part.map_or(0, |p| p.index) as u64);
    t.absorb_u64(chain.ids.len() as u64);
    chain.ids.iter().chain(&chain.boundaries).for_each(|hash| t.absorb_bytes(hash));
    t.absorb_bytes(&modes.encode());
    t
}

/// Parameters and statement.
fn public(name: &str, version: u32, d: &Descriptor, layout: &Layout, statement: &Statement) -> Transcript {
    let mut t = Transcript::new(name);
    t.absorb_u64(u64::from(version));
    t.absorb_u64(F::ORDER_U64);
    let (witness, model) = opening_params(d, layout);
    for (size, p) in [(layout.size(), witness), (d.size(), model)] {
        for v in [size.num_vars, size.width, p.log_inv_rate, p.pow_bits, p.security_level] {
            t.absorb_u64(v as u64);
        }
    }
    statement.absorb(&mut t);
    t
}
