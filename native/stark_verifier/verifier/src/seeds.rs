//! Seeds of the fractional sums, one for each size.

use crate::error::VerifyError;
use alloc::boxed::Box;
use esper_commitment::{GkrSeed, MAX_GKR_VARS};
use once_cell::race::OnceBox;

/// Seeds of the fractional sums by size. Making one costs more than a whole verification, and it depends on the size
/// alone, so one `Seeds` serves a process.
///
/// Nothing is ever locked: a seed that is there is read, and threads that miss the same one at the same time make it
/// each, of which one stays. Verifications never wait for each other.
pub struct Seeds([OnceBox<GkrSeed>; MAX_GKR_VARS + 1]);

impl Seeds {
    /// No seed yet.
    pub const fn new() -> Self {
        Self([const { OnceBox::new() }; MAX_GKR_VARS + 1])
    }

    /// The seed of a sum over 2^num_vars fractions.
    ///
    /// # Errors
    /// [`VerifyError::Lookup`] for a size that no sum has.
    pub fn get(&self, num_vars: usize) -> Result<&GkrSeed, VerifyError> {
        self.get_or_make(num_vars, GkrSeed::new)
    }

    fn get_or_make<E>(
        &self,
        num_vars: usize,
        make: impl FnOnce(usize) -> Result<GkrSeed, E>,
    ) -> Result<&GkrSeed, VerifyError> {
        let place = self.0.get(num_vars).ok_or(VerifyError::Lookup)?;
        place.get_or_try_init(|| make(num_vars).map(Box::new)).map_err(|_| VerifyError::Lookup)
    }
}

impl Default for Seeds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    /// Far longer than a busy machine needs; only a failing test waits for it.
    const LONG: Duration = Duration::from_secs(60);

    /// Two threads are inside the making of one seed at once: each waits there for a word of the other.
    #[test]
    fn nobody_waits_for_the_maker_of_a_seed() {
        let seeds = Seeds::new();
        let ((to_a, at_a), (to_b, at_b)) = (mpsc::channel(), mpsc::channel());
        let make = |say: mpsc::Sender<()>, hear: mpsc::Receiver<()>| {
            let seed = seeds.get_or_make(7, |n| {
                say.send(()).expect("the other thread is there");
                hear.recv_timeout(LONG).expect("the other thread is locked out");
                GkrSeed::new(n)
            });
            core::ptr::from_ref(seed.expect("a seed")).addr()
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| make(to_a, at_b));
            let own = make(to_b, at_a);
            assert_eq!(other.join().expect("no panic"), own, "one seed stays");
        });
        assert_eq!(seeds.get(7).expect("a seed").num_vars(), 7);
    }

    #[test]
    fn a_seed_is_made_once_and_of_its_own_size() {
        let seeds = Seeds::new();
        for n in [1, 2, MAX_GKR_VARS] {
            assert_eq!(seeds.get(n).expect("a seed").num_vars(), n);
            assert!(seeds.get_or_make(n, |_| Err::<GkrSeed, ()>(())).is_ok(), "made a second time");
        }
        for n in [0, MAX_GKR_VARS + 1, usize::MAX] {
            assert_eq!(seeds.get(n).err(), Some(VerifyError::Lookup));
        }
    }
}
