//! The verifier of proofs, as the links use it.

use alloc::format;
use alloc::string::{String, ToString};

use esper_verifier::descriptor::Descriptor;
use esper_verifier::{Statement, verify};

/// What a proof's descriptor says of its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The descriptor's hash.
    pub model_id: [u8; 64],
    /// vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq.
    pub shape: [u32; 8],
    /// Token that begins every sequence.
    pub bos: u32,
    /// Token that ends an answer.
    pub eos: u32,
}

/// Who judges proofs: the verifier, but for tests of all else.
pub trait ProofJudge {
    /// The model that a proof is about.
    ///
    /// # Errors
    /// Why it describes none.
    fn described(&self, proof: &[u8]) -> Result<Described, String>;

    /// That a proof shows a statement; what it rests on, in words.
    ///
    /// # Errors
    /// The check that failed.
    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<String, String>;
}

/// The verifier of the proof of inference.
#[derive(Clone, Copy, Debug)]
pub struct StarkJudge;

impl ProofJudge for StarkJudge {
    fn described(&self, proof: &[u8]) -> Result<Described, String> {
        let none = || format!("{} bytes hold no descriptor", proof.len());
        let (length, rest) = proof.split_first_chunk::<4>().ok_or_else(none)?;
        let bytes = rest.get(..u32::from_le_bytes(*length) as usize).ok_or_else(none)?;
        let found = Descriptor::decode(bytes).map_err(|error| error.to_string())?;
        let sizes = [
            found.vocab,
            found.dim,
            found.hidden,
            found.layers.len(),
            found.heads,
            found.kv_heads,
            found.head_dim,
            found.max_seq,
        ];
        // All of them are far below 2^32: the descriptor was checked.
        let shape = sizes.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        Ok(Described { model_id: found.model_id(), shape, bos: found.bos, eos: found.eos })
    }

    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<String, String> {
        let report = verify(statement, proof).map_err(|error| error.to_string())?;
        Ok(format!("{:.1} bits", report.security_bits))
    }
}
