//! A global allocator for proving: large blocks on 2 MiB pages, kept after release.
//!
//! The C library gives every block above 32 MiB back to the kernel and takes it again page by page. Measured on
//! a proof with a witness of 2^22 cells, those faults were a third of the proving time. Blocks of 1 MiB and more
//! are rounded up to an eighth of their power of two (waste below 25 %), aligned to 2 MiB, advised as huge pages,
//! and kept in a short list when they are freed: a prover's sizes repeat from proof to proof. A process that
//! proves therefore stays at its peak; [`release`] gives the kept blocks back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

const HUGE: usize = 2 << 20;
const LARGE: usize = 1 << 20;
/// Blocks kept at most; a proof has a few dozen.
const KEPT: usize = 256;
#[cfg(target_os = "linux")]
const MADV_HUGEPAGE: i32 = 14;

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn madvise(addr: *mut u8, len: usize, advice: i32) -> i32;
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    fn malloc_trim(pad: usize) -> i32;
}

/// The allocator; declare it as `#[global_allocator]` in a program that proves.
pub struct KeptPages;

/// Freed blocks as (address, size), and how many there are.
struct Free {
    blocks: [(usize, usize); KEPT],
    len: usize,
}

static FREE: Mutex<Free> = Mutex::new(Free { blocks: [(0, 0); KEPT], len: 0 });

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

/// Layout of a large block; valid for every size that [`large`] admits.
fn block(size: usize) -> Option<Layout> {
    Layout::from_size_align(class(size), HUGE).ok()
}

// SAFETY: a large block comes from `System` with the layout `block(size)`, which depends on the size class alone, and
// goes back with the same one. A kept block leaves the list under its lock, so it is handed out once. It is at least
// as large and as aligned as the layout asks. All other requests go to `System` unchanged.
unsafe impl GlobalAlloc for KeptPages {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        let (true, Some(whole)) = (large(l), block(l.size())) else {
            // SAFETY: the caller's contract is that of `System`.
            return unsafe { System.alloc(l) };
        };
        {
            let mut free = free();
            let len = free.len;
            if let Some(i) = free.blocks[..len].iter().rposition(|b| b.1 == whole.size()) {
                let address = free.blocks[i].0;
                free.blocks[i] = free.blocks[len - 1];
                free.len = len - 1;
                return address as *mut u8;
            }
        }
        // SAFETY: `whole` has a size above zero.
        let p = unsafe { System.alloc(whole) };
        #[cfg(target_os = "linux")]
        if !p.is_null() {
            // SAFETY: the range is the block just allocated; a refusal changes nothing, so the answer is not read.
            unsafe { madvise(p, whole.size(), MADV_HUGEPAGE) };
        }
        p
    }

    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        let (true, Some(whole)) = (large(l), block(l.size())) else {
            // SAFETY: `alloc` took this path for the same layout.
            return unsafe { System.dealloc(p, l) };
        };
        {
            let mut free = free();
            let len = free.len;
            if len < KEPT {
                free.blocks[len] = (p as usize, whole.size());
                free.len = len + 1;
                return;
            }
        }
        // SAFETY: the block was allocated with `whole`.
        unsafe { System.dealloc(p, whole) };
    }
    // alloc_zeroed and realloc: the defaults clear and copy, as kept blocks are dirty.
}

/// Gives all kept blocks back to the system, and what the C library kept of smaller ones; bytes of the blocks.
///
/// Of use only where [`KeptPages`] is the global allocator. Whoever proves next pays for the faults again.
pub fn release() -> usize {
    let mut released = 0;
    {
        let mut free = free();
        for &(address, size) in &free.blocks[..free.len] {
            if let Ok(whole) = Layout::from_size_align(size, HUGE) {
                // SAFETY: the block was allocated with this layout and nobody holds it.
                unsafe { System.dealloc(address as *mut u8, whole) };
                released += size;
            }
        }
        free.len = 0;
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

    #[test]
    fn sizes_have_room_and_repeat() {
        for size in
            [LARGE, LARGE + 1, HUGE, 3 << 20, (9 << 20) + 5, 1 << 30, (1 << 30) + 1, isize::MAX as usize / 4]
        {
            let whole = class(size);
            assert!(whole >= size && whole.is_multiple_of(HUGE));
            assert!(size <= 4 * HUGE || whole - size <= size / 4);
            assert_eq!(class(whole), whole, "a class is its own class: {size}");
            assert!(block(size).is_some());
        }
    }

    #[test]
    fn a_freed_block_comes_back_cleared_when_asked() {
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
}
