//! Memory for weights on large pages, where Linux has them.
//!
//! A decoder reads every weight once for each token. With pages of 4 KiB a tenth of the time went into finding the
//! pages; with pages of 2 MiB it does not.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Size of a large page.
const LARGE_PAGE: usize = 2 << 20;

/// Types for which all zero bytes are a value.
///
/// # Safety
/// Implement it only for such types, and for types that need no drop.
pub(crate) unsafe trait Zeroable: Copy {}

// SAFETY: zero is a float32.
unsafe impl Zeroable for f32 {}

/// A fixed number of zeroed elements, aligned to 64 bytes at least.
pub(crate) struct Pages<T: Zeroable> {
    pointer: NonNull<T>,
    len: usize,
}

// SAFETY: it owns plain values, as a vector does.
unsafe impl<T: Zeroable + Send> Send for Pages<T> {}
// SAFETY: as above.
unsafe impl<T: Zeroable + Sync> Sync for Pages<T> {}

impl<T: Zeroable> Pages<T> {
    /// `len` elements, all zero.
    pub fn zeroed(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout is not empty.
        let Some(pointer) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        #[cfg(target_os = "linux")]
        if layout.align() == LARGE_PAGE {
            // SAFETY: the range was just allocated; the call is advice, its failure harmless.
            unsafe { libc::madvise(pointer.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
        }
        // Only now, or the pages would be there before the advice.
        // SAFETY: the range was just allocated.
        unsafe { pointer.write_bytes(0, layout.size()) };
        Self { pointer: pointer.cast(), len }
    }

    /// Small buffers stay on ordinary pages: a large page each would waste more than it brings.
    fn layout(len: usize) -> Layout {
        let align = if len * size_of::<T>() >= LARGE_PAGE / 2 { LARGE_PAGE } else { 64 };
        let layout = Layout::array::<T>(len.max(1)).and_then(|l| l.align_to(align));
        layout.expect("a matrix in memory is smaller than the address space")
    }
}

impl<T: Zeroable> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` values were allocated, zero is a value of T.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }
}

impl<T: Zeroable> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

impl<T: Zeroable> Drop for Pages<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout.
        unsafe { dealloc(self.pointer.as_ptr().cast(), Self::layout(self.len)) };
    }
}

#[cfg(test)]
mod tests {
    use super::Pages;

    #[test]
    fn pages_are_zero_aligned_and_writable() {
        for len in [0, 3, 300_000, 1 << 20] {
            let mut pages = Pages::<f32>::zeroed(len);
            assert!(pages.len() == len && pages.iter().all(|&x| x == 0.0));
            assert!((pages.as_ptr() as usize).is_multiple_of(if len > 300_000 { 2 << 20 } else { 64 }));
            pages.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            assert!(pages.iter().enumerate().all(|(i, &x)| x == i as f32));
        }
    }
}
