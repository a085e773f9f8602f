//! A global allocator for proving: large blocks on 2 MiB pages, kept after release.
//!
//! The C library gives every block above 32 MiB back to the kernel and takes it again page by page. Measured on
//! a proof with a witness of 2^22 cells, those faults were a third of the proving time. Blocks of 1 MiB and more
//! are rounded up to an eighth of their power of two (waste below 25 %), aligned to 2 MiB, advised as huge pages,
//! and kept in a short list when they are freed: a prover's sizes repeat from proof to proof. A process that
//! proves therefore stays at its peak; [`release`] gives the kept blocks back.
//!
//! The kernel clears pages when they are first touched, a third of a second for a gigabyte. [`reserve`] has that done
//! ahead, by a processor that has nothing else to do; new blocks are then cut from what is ready. They are never
//! cleared a second time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

const HUGE: usize = 2 << 20;
const LARGE: usize = 1 << 20;
/// Blocks kept at most; a proof has a few dozen.
const KEPT: usize = 256;
/// Bytes that are made ready at once: a prover that begins meanwhile finds what is there.
const STEP: usize = 8 * HUGE;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    fn malloc_trim(pad: usize) -> i32;
}

/// Memory from the kernel: zeros, on huge pages where there are any.
#[cfg(target_os = "linux")]
mod kernel {
    use super::HUGE;

    const READ_AND_WRITE: i32 = 1 | 2;
    const PRIVATE_AND_ANONYMOUS: i32 = 2 | 0x20;
    const MADV_HUGEPAGE: i32 = 14;

    unsafe extern "C" {
        fn mmap(at: *mut u8, len: usize, protection: i32, flags: i32, file: i32, offset: i64) -> *mut u8;
        fn munmap(at: *mut u8, len: usize) -> i32;
        fn madvise(at: *mut u8, len: usize, advice: i32) -> i32;
    }

    /// Whole huge pages, aligned to one; null if there are none.
    pub fn take(size: usize) -> *mut u8 {
        let Some(more) = size.checked_add(HUGE) else { return std::ptr::null_mut() };
        // SAFETY: a new anonymous mapping touches nothing that is there.
        let p = unsafe { mmap(std::ptr::null_mut(), more, READ_AND_WRITE, PRIVATE_AND_ANONYMOUS, -1, 0) };
        if p.addr() == usize::MAX {
            return std::ptr::null_mut();
        }
        let before = p.addr().next_multiple_of(HUGE) - p.addr();
        let start = p.wrapping_add(before);
        // SAFETY: both ends lie in the mapping just made, and nobody has seen it.
        unsafe {
            give(p, before);
            give(start.wrapping_add(size), HUGE - before);
            madvise(start, size, MADV_HUGEPAGE);
        }
        start
    }

    /// # Safety
    /// The range was taken, whole pages of it, and nobody uses it any more.
    pub unsafe fn give(p: *mut u8, size: usize) {
        if size > 0 {
            // SAFETY: by this function's contract.
            unsafe { munmap(p, size) };
        }
    }
}

/// The same from the C library, which knows no huge pages.
#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::{GlobalAlloc, HUGE, Layout, System};

    /// Blocks of these sizes alone: parts of one cannot be given back.
    pub fn take(size: usize) -> *mut u8 {
        match Layout::from_size_align(size, HUGE) {
            // SAFETY: the size is above zero.
            Ok(whole) if size > 0 => unsafe { System.alloc_zeroed(whole) },
            _ => std::ptr::null_mut(),
        }
    }

    /// # Safety
    /// The block was taken with this size and nobody uses it any more.
    pub unsafe fn give(p: *mut u8, size: usize) {
        if let Ok(whole) = Layout::from_size_align(size, HUGE) {
            // SAFETY: by this function's contract.
            unsafe { System.dealloc(p, whole) };
        }
    }
}

/// The allocator; declare it as `#[global_allocator]` in a program that proves.
pub struct KeptPages;

/// Freed blocks as (address, size), how many there are, and what was made ready and not yet cut up.
struct Free {
    blocks: [(usize, usize); KEPT],
    len: usize,
    ready: (usize, usize),
}

static FREE: Mutex<Free> = Mutex::new(Free { blocks: [(0, 0); KEPT], len: 0, ready: (0, 0) });

/// The lock; nothing inside it can panic, so a poisoned one is whole.
fn free() -> MutexGuard<'static, Free> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a block is kept when it is freed; the same answer for its allocation and its release.
fn large(l: Layout) -> bool {
    l.size() >= LARGE && l.align() <= HUGE && l.size() <= isize::MAX as usize / 4
}

/// Size rounded up to an eighth of its power of two, and to whole huge pages.
fn class(size: usize) -> usize {
    size.next_multiple_of((size.next_power_of_two() / 8).max(HUGE))
}

/// A block of a class, and whether it is known to hold zeros; null if there is no memory.
fn take(size: usize) -> (*mut u8, bool) {
    {
        let mut free = free();
        let len = free.len;
        if let Some(i) = free.blocks[..len].iter().rposition(|b| b.1 == size) {
            let address = free.blocks[i].0;
            free.blocks[i] = free.blocks[len - 1];
            free.len = len - 1;
            return (address as *mut u8, false);
        }
        let (address, left) = free.ready;
        if left >= size {
            free.ready = (address + size, left - size);
            return (address as *mut u8, true);
        }
    }
    (kernel::take(size), true)
}

// SAFETY: a large block has the size `class(size)`, which depends on the layout's size alone, and is aligned to 2 MiB.
// It is kept, cut from what was made ready, or new: the first two leave the list under its lock, so each is handed out
// once. It is at least as large and as aligned as the layout asks. All other requests go to `System` unchanged.
unsafe impl GlobalAlloc for KeptPages {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        if !large(l) {
            // SAFETY: the caller's contract is that of `System`.
            return unsafe { System.alloc(l) };
        }
        take(class(l.size())).0
    }

    unsafe fn alloc_zeroed(&self, l: Layout) -> *mut u8 {
        if !large(l) {
            // SAFETY: the caller's contract is that of `System`.
            return unsafe { System.alloc_zeroed(l) };
        }
        let (p, zeros) = take(class(l.size()));
        if !zeros && !p.is_null() {
            // SAFETY: the block has at least that size.
            unsafe { p.write_bytes(0, l.size()) };
        }
        p
    }

    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        if !large(l) {
            // SAFETY: `alloc` took this path for the same layout.
            return unsafe { System.dealloc(p, l) };
        }
        let size = class(l.size());
        {
            let mut free = free();
            let len = free.len;
            if len < KEPT {
                free.blocks[len] = (p as usize, size);
                free.len = len + 1;
                return;
            }
        }
        // SAFETY: the block was taken with this size, and its owner has done with it.
        unsafe { kernel::give(p, size) };
    }
    // realloc: the default copies.
}

/// Makes `bytes` of memory ready for large blocks to come, a step at a time; whoever allocates meanwhile takes what
/// is there. Does nothing where the last reserve is not used up, or where there is no memory.
///
/// Of use only where [`KeptPages`] is the global allocator, and where a block's parts can be given back: on Linux.
pub fn reserve(bytes: usize) {
    if cfg!(not(target_os = "linux")) || bytes == 0 || free().ready.1 > 0 {
        return;
    }
    let size = bytes.min(isize::MAX as usize / 4).next_multiple_of(HUGE);
    let start = kernel::take(size);
    if start.is_null() {
        return;
    }
    let mut done = 0;
    while done < size {
        let step = STEP.min(size - done);
        for page in (done..done + step).step_by(4096) {
            // SAFETY: inside the mapping just made, of which nobody has this part yet.
            unsafe { start.wrapping_add(page).write_volatile(0) };
        }
        let mut free = free();
        let (address, left) = free.ready;
        if left == 0 {
            free.ready = (start.addr() + done, step);
        } else if address + left == start.addr() + done {
            free.ready.1 = left + step;
        } else {
            // Another reserve came between.
            drop(free);
            // SAFETY: nobody has this part or what follows it.
            unsafe { kernel::give(start.wrapping_add(done), size - done) };
            return;
        }
        done += step;
    }
}

/// Gives all kept blocks back to the system, and what the C library kept of smaller ones; bytes of the blocks.
///
/// Of use only where [`KeptPages`] is the global allocator. Whoever proves next pays for the faults again.
pub fn release() -> usize {
    let mut released = 0;
    {
        let mut free = free();
        for &(address, size) in &free.blocks[..free.len] {
            // SAFETY: the block was taken with this size and nobody holds it.
            unsafe { kernel::give(address as *mut u8, size) };
            released += size;
        }
        free.len = 0;
        let (address, left) = std::mem::take(&mut free.ready);
        // SAFETY: nobody holds what was made ready and not cut off.
        unsafe { kernel::give(address as *mut u8, left) };
        released += left;
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, from any thread; blocks below the C library's threshold lie in its heap.
    unsafe {
        malloc_trim(0)
    };
    released
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of kept blocks is one for the process: tests that use it take turns.
    static TURN: Mutex<()> = Mutex::new(());

    #[test]
    fn sizes_have_room_and_repeat() {
        for size in
            [LARGE, LARGE + 1, HUGE, 3 << 20, (9 << 20) + 5, 1 << 30, (1 << 30) + 1, isize::MAX as usize / 4]
        {
            let whole = class(size);
            assert!(whole >= size && whole.is_multiple_of(HUGE));
            assert!(size <= 4 * HUGE || whole - size <= size / 4);
            assert_eq!(class(whole), whole, "a class is its own class: {size}");
        }
    }

    #[test]
    fn a_freed_block_comes_back_cleared_when_asked() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let l = Layout::from_size_align(5 << 20, 64).unwrap();
        // SAFETY: the layout has a size above zero, the block is written inside its size and freed once each time.
        unsafe {
            let p = KeptPages.alloc(l);
            assert!(!p.is_null() && p.addr().is_multiple_of(HUGE));
            p.write_bytes(7, l.size());
            KeptPages.dealloc(p, l);
            let q = KeptPages.alloc_zeroed(l);
            assert!(std::slice::from_raw_parts(q, l.size()).iter().all(|&b| b == 0));
            let r = KeptPages.alloc(l);
            assert_ne!(q, r, "two live blocks never share memory");
            KeptPages.dealloc(q, l);
            KeptPages.dealloc(r, l);
        }
        assert!(release() >= 2 * class(l.size()), "both blocks were kept");
    }

    #[test]
    fn what_was_made_ready_is_cut_up_once_and_holds_zeros() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = [3 * HUGE, 7 * HUGE, 6 * HUGE];
        reserve(sizes.iter().sum());
        let range = {
            let (address, left) = free().ready;
            assert_eq!(left, sizes.iter().sum::<usize>());
            address..address + left
        };
        reserve(HUGE);
        assert_eq!(free().ready.1, range.len(), "a second reserve waits until the first is used up");
        let mut seen = std::collections::BTreeSet::new();
        for size in sizes {
            let l = Layout::from_size_align(size, 64).unwrap();
            // SAFETY: the layout has a size above zero; the block is read and written inside its size.
            unsafe {
                let p = KeptPages.alloc_zeroed(l);
                assert!(range.contains(&p.addr()) && p.addr().is_multiple_of(HUGE) && seen.insert(p.addr()));
                assert!(std::slice::from_raw_parts(p, size).iter().all(|&b| b == 0));
                p.write_bytes(9, size);
            }
        }
        assert_eq!(free().ready.1, 0);
        // SAFETY: the three blocks are this test's own.
        unsafe {
            for (at, size) in seen.into_iter().zip(sizes) {
                KeptPages.dealloc(at as *mut u8, Layout::from_size_align(size, 64).unwrap());
            }
        }
        reserve(HUGE);
        assert!(release() >= range.len() + HUGE, "what was not cut off is given back too");
    }
}
