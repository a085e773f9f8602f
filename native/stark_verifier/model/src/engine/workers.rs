//! Threads of one engine.

use rayon::prelude::*;

use crate::ModelError;

/// Below this many multiplications, handing work to another thread costs more than it saves.
const WORTH_SHARING: usize = 1 << 20;

/// A fixed number of threads; one means that no thread is ever started.
pub(crate) struct Workers {
    pool: Option<rayon::ThreadPool>,
    threads: usize,
}

impl Workers {
    /// `threads` from 1 to 1024.
    pub fn new(threads: usize) -> Result<Self, ModelError> {
        let input = |reason: String| ModelError::Input { reason };
        if !(1..=1024).contains(&threads) {
            return Err(input(format!("threads must be from 1 to 1024, got {threads}")));
        }
        let build = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = if threads == 1 {
            None
        } else {
            Some(build().map_err(|e| input(format!("cannot start {threads} threads: {e}")))?)
        };
        Ok(Self { pool, threads })
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` where parallel iterators use these threads.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Cuts `items` into pieces of `unit` items each, given with their index, and works on them, in parallel where
    /// `cost` multiplications in all are worth it. `init` makes the buffers of one thread.
    pub fn for_pieces<T: Send, S>(
        &self,
        items: &mut [T],
        unit: usize,
        cost: usize,
        init: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, usize, &mut [T]) + Sync,
    ) {
        if self.pool.is_none() || cost < WORTH_SHARING {
            let mut state = init();
            items.chunks_mut(unit).enumerate().for_each(|(index, piece)| work(&mut state, index, piece));
            return;
        }
        let each = || init();
        items
            .par_chunks_mut(unit)
            .enumerate()
            .for_each_init(each, |state, (index, piece)| work(state, index, piece));
    }

    /// Works on every item, each on some thread.
    pub fn for_each<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        match &self.pool {
            Some(_) => items.into_par_iter().map(work).collect(),
            None => items.into_iter().map(work).collect(),
        }
    }
}
