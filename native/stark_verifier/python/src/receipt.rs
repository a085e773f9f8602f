//! The Rust verifier of receipts for Python: the two are compared by tests, and browsers run this one.

use esper_receipt::{Around, Described, ProofJudge, StarkJudge, judge_bytes};
use esper_verifier::Statement;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An object of Python with `described` and `verify`, so that tests need no real proofs.
struct PythonJudge<'p>(Bound<'p, PyAny>);

impl ProofJudge for PythonJudge<'_> {
    fn described(&self, proof: &[u8]) -> Result<Described, String> {
        let proof = PyBytes::new(self.0.py(), proof);
        let ask = || -> PyResult<(Vec<u8>, [u32; 8], u32, u32)> {
            self.0.call_method1("described", (proof,))?.extract()
        };
        let (model_id, shape, bos, eos) = ask().map_err(|error| error.to_string())?;
        let model_id = model_id.try_into().map_err(|_| "a model id has 64 bytes".to_string())?;
        Ok(Described { model_id, shape, bos, eos })
    }

    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<String, String> {
        let py = self.0.py();
        let Statement { model_id, binding, rows, top_k, sequences } = statement;
        let sequences: Vec<_> =
            sequences.iter().map(|one| (&one.prompt, &one.answer, one.max_answer, &one.top)).collect();
        let (model_id, binding) = (PyBytes::new(py, model_id), PyBytes::new(py, binding));
        let claim = (model_id, binding, (rows, top_k), sequences, PyBytes::new(py, proof));
        self.0.call_method1("verify", claim).map_err(|error| error.to_string())?;
        Ok("verified".to_string())
    }
}

/// The verdict on the bytes of a receipt as JSON: {exit, links [{name, status, detail}]}.
///
/// `networks` and `asked` are the records of `esper.receipts.twin`; `judge` takes the place of the verifier of proofs.
/// Raises ValueError for records of another form; whatever the receipt holds, it gives a verdict.
#[pyfunction]
#[pyo3(signature = (data, networks, asked, judge = None))]
fn judge_receipt(
    py: Python<'_>,
    data: &[u8],
    networks: &[u8],
    asked: &[u8],
    judge: Option<Bound<'_, PyAny>>,
) -> PyResult<String> {
    let around = Around::read(networks, asked)
        .map_err(|error| PyValueError::new_err(format!("networks or asked: must be {}", error.0)))?;
    let verdict = match judge {
        Some(judge) => judge_bytes(data, &around, &PythonJudge(judge)),
        None => py.detach(|| judge_bytes(data, &around, &StarkJudge)),
    };
    Ok(verdict.to_json())
}

/// Adds this file's function to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(judge_receipt, module)?)
}
