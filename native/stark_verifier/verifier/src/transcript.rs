//! Steps of the transcript that prover and verifier share.

use crate::descriptor::{Descriptor, SPEC_VERSION};
use crate::layout::Layout;
use crate::modes::Modes;
use crate::soundness::opening_params;
use crate::statement::Statement;
use esper_commitment::{F, PrimeField64, Transcript};

/// Name of the protocol.
const DOMAIN: &str = "esper proof of inference v2";

/// Opens the transcript: parameters, then everything that the statement says, then the modes.
pub fn start(d: &Descriptor, layout: &Layout, statement: &Statement, modes: &Modes) -> Transcript {
    let mut t = Transcript::new(DOMAIN);
    t.absorb_u64(u64::from(SPEC_VERSION));
    t.absorb_u64(F::ORDER_U64);
    let (witness, model) = opening_params(d, layout);
    for (size, p) in [(layout.size(), witness), (d.size(), model)] {
        for v in [size.num_vars, size.width, p.log_inv_rate, p.pow_bits, p.security_level] {
            t.absorb_u64(v as u64);
        }
    }
    statement.absorb(&mut t);
    t.absorb_bytes(&modes.encode());
    t
}
