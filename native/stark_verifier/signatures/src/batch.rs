//! Many signatures, on several threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

use crate::Claim;

/// The index of the first claim that does not hold, `None` if all do; `threads` look at once.
///
/// The answer does not depend on the number of threads: every claim before the one that is named was checked.
#[must_use]
pub fn first_invalid(claims: &[Claim<'_>], threads: NonZeroUsize) -> Option<usize> {
    let next = AtomicUsize::new(0);
    let found = AtomicUsize::new(claims.len());
    let look = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            // Claims are taken in their order: nothing from here on could come first any more.
            if index >= found.load(Ordering::Relaxed) {
                return;
            }
            if !claims[index].holds() {
                found.fetch_min(index, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.get().min(claims.len()) {
            // A machine without another thread to give is no reason to give no answer.
            if Builder::new().spawn_scoped(scope, look).is_err() {
                break;
            }
        }
        look();
    });
    Some(found.into_inner()).filter(|&index| index < claims.len())
}
