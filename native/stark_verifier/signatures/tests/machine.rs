//! A machine that is short of memory or threads gives no other verdict: it gives none, or works with what there is.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::Cell;
use std::env;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::process::{Command, ExitStatus, exit};

use esper_signatures::{Claim, first_invalid};
use fips204::ml_dsa_65::KG;
use fips204::traits::{KeyGen, SerDes, Signer};

/// Set for a process that plays one part of a test, and says how scarce things are.
const SCARCE: &str = "ESPER_TEST_SCARCE";

thread_local! {
    /// Requests for memory until one fails; 0: none fails.
    static UNTIL_NONE: Cell<usize> = const { Cell::new(0) };
}

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
}

/// Stands before the C library's, for everything in this program.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut c_void {
    let left = UNTIL_NONE.get();
    UNTIL_NONE.set(left.saturating_sub(1));
    if left == 1 {
        return std::ptr::null_mut();
    }
    // SAFETY: any size may be asked for.
    unsafe { __libc_malloc(size) }
}

fn with_claim<T>(use_it: impl FnOnce(Claim<'_>) -> T) -> T {
    let (key, private) = KG::keygen_from_seed(&[1; 32]);
    let message = [7; 64];
    let signature = private.try_sign_with_seed(&[0; 32], &message, &[]).unwrap();
    use_it(Claim { key: &key.into_bytes(), message: &message, signature: &signature })
}

/// This test again, in a process of its own.
fn again(test: &str, scarce: usize) -> ExitStatus {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads", "1"]).env(SCARCE, scarce.to_string());
    command.output().unwrap().status
}

fn scarce() -> Option<usize> {
    env::var(SCARCE).ok().map(|text| text.parse().unwrap())
}

#[test]
fn without_memory_there_is_no_verdict() {
    const MOST: usize = 12;
    if let Some(requests) = scarce() {
        let holds = with_claim(|claim| {
            assert!(claim.holds());
            UNTIL_NONE.set(requests);
            let holds = claim.holds();
            UNTIL_NONE.set(0);
            holds
        });
        exit(if holds { 40 } else { 41 });
    }
    let ends: Vec<_> =
        (1..=MOST).map(|requests| again("without_memory_there_is_no_verdict", requests).code()).collect();
    // The first requests are AWS-LC's: the process is ended by a signal. The last one is never made.
    assert_eq!((ends[0], ends[MOST - 1]), (None, Some(40)), "{ends:?}");
    assert!(ends.iter().all(|&code| code.is_none() || code == Some(40)), "{ends:?}");
}

#[test]
fn with_fewer_threads_the_verdict_is_the_same() {
    if scarce().is_some() {
        with_claim(|claim| {
            let claims = [claim; 64];
            let many = NonZeroUsize::new(claims.len()).unwrap();
            assert_eq!(first_invalid(&claims, NonZeroUsize::MIN), None);
            let none = libc::rlimit { rlim_cur: pages_in_use() + (8 << 20), rlim_max: libc::RLIM_INFINITY };
            // SAFETY: the limit is a valid one of this process.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &none) }, 0);
            let refused = std::thread::Builder::new().stack_size(16 << 20).spawn(|| ()).is_err();
            let mut wrong = claims;
            wrong[20].message = &[8; 64];
            let right = first_invalid(&claims, many).is_none() && first_invalid(&wrong, many) == Some(20);
            exit(if refused && right { 40 } else { 41 });
        });
    }
    assert_eq!(again("with_fewer_threads_the_verdict_is_the_same", 1).code(), Some(40));
}

/// Bytes of address space that this process has taken.
fn pages_in_use() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    // SAFETY: a constant of the system.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}
