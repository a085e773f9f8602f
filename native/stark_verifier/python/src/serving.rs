//! A batch of answers of different age, for a process that serves many.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use esper_model::{Request, ServingBatch as Batch};
use pyo3::prelude::*;

use crate::model::{NativeModel, python_error};

/// (id, token, best (id, logit) pairs, whether the answer is over).
type ToldFields = (u64, u32, Vec<(u32, i64)>, bool);

/// Sequences that are answered together; they come and go while the others run on.
#[pyclass(frozen, module = "esper._native")]
pub struct ServingBatch {
    batch: Mutex<Batch>,
}

impl ServingBatch {
    fn batch(&self) -> MutexGuard<'_, Batch> {
        // A step that broke off leaves sequences that have half run: no answer of them may be told.
        self.batch.lock().expect("an earlier step of this batch failed")
    }
}

#[pymethods]
impl ServingBatch {
    /// A batch of at most `slots` sequences of at most `positions` tokens each, on `threads` threads.
    ///
    /// Raises ValueError for numbers outside 1 to 1024, or positions beyond the model's.
    #[new]
    fn new(
        py: Python<'_>,
        model: &NativeModel,
        slots: usize,
        positions: usize,
        threads: usize,
    ) -> PyResult<Self> {
        let work = || Batch::new(Arc::clone(&model.engine(threads)?), slots, positions);
        Ok(Self { batch: Mutex::new(py.detach(work).map_err(python_error)?) })
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.batch().len())
    }

    /// Take a sequence in; with `max_new` 0 its prompt is read and kept until it is removed.
    ///
    /// Raises ValueError for an id that is here, a full batch, or what does not fit the model or the positions.
    fn add(&self, py: Python<'_>, id: u64, prompt: Vec<u32>, max_new: usize, top_k: usize) -> PyResult<()> {
        let request = Request { id, prompt, max_new, top_k };
        py.detach(|| self.batch().add(request)).map_err(python_error)
    }

    /// The same for one that begins with the first `length` tokens of sequence `of`, which have run.
    ///
    /// Raises ValueError as `add`, and where they have not, or are others.
    fn fork(
        &self,
        py: Python<'_>,
        of: u64,
        length: usize,
        id: u64,
        prompt: Vec<u32>,
        max_new: usize,
        top_k: usize,
    ) -> PyResult<()> {
        let request = Request { id, prompt, max_new, top_k };
        py.detach(|| self.batch().fork(of, length, request)).map_err(python_error)
    }

    /// Give a sequence up; whether it was here.
    fn remove(&self, py: Python<'_>, id: u64) -> bool {
        py.detach(|| self.batch().remove(id))
    }

    /// Run up to `max_steps` steps, `deadline_ms` long; the tokens that came of them, in order.
    ///
    /// Comes back early with the first token or the end of an answer. Other threads of Python go on.
    fn run(&self, py: Python<'_>, max_steps: usize, deadline_ms: u32) -> Vec<ToldFields> {
        py.detach(|| {
            let deadline = Instant::now() + Duration::from_millis(deadline_ms.into());
            let told = self.batch().run(max_steps, Some(deadline));
            told.into_iter().map(|one| (one.id, one.token, one.top, one.ended)).collect()
        })
    }
}

/// Adds this file's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ServingBatch>()
}
