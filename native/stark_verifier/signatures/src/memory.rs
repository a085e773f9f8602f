//! What AWS-LC gets when it asks for memory: some, or the end of the process.
//!
//! It asks five times for each signature. If once there were none it would only say that the signature does not
//! hold, and a node would refuse a block that all others take. Rust's own containers end the process too.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;

use aws_lc_sys::CRYPTO_set_mem_functions;

/// Has AWS-LC ask here for its memory. To be called before anything else of it: what it holds already would be given
/// back to another allocator. Calls after the first do nothing.
pub(crate) fn ask_here() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the three belong together, and this crate, the only user of AWS-LC, calls it first.
        let set = unsafe { CRYPTO_set_mem_functions(Some(allocate), Some(reallocate), Some(release)) };
        assert_eq!(set, 1, "somebody else gives AWS-LC its memory");
    });
}

unsafe extern "C" fn allocate(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    // SAFETY: any size may be asked for.
    some(unsafe { libc::malloc(size.max(1)) }, size)
}

unsafe extern "C" fn reallocate(old: *mut c_void, size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    // SAFETY: AWS-LC gives what it got from `allocate` or here.
    some(unsafe { libc::realloc(old, size.max(1)) }, size)
}

unsafe extern "C" fn release(memory: *mut c_void, _: *const c_char, _: c_int) {
    // SAFETY: AWS-LC gives what it got from `allocate` or `reallocate`, once.
    unsafe { libc::free(memory) };
}

fn some(memory: *mut c_void, size: usize) -> *mut c_void {
    if memory.is_null() {
        handle_alloc_error(Layout::from_size_align(size, 1).unwrap_or(Layout::new::<u8>()));
    }
    memory
}
