//! The verifier of receipts as a WebAssembly module: memory, three functions, no imports.
//!
//! Whoever calls takes room for the receipt and for what is known beside it, writes both there, and gives them to
//! `esper_judge`, which leaves the verdict, JSON in ASCII, where `esper_verdict` points to. Known networks are those of
//! the release that the module was built from. A panic or too little memory is a trap.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod abi {
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::cell::Cell;
    use core::panic::PanicInfo;
    use core::ptr::null_mut;

    use esper_receipt::{Around, StarkJudge, judge_bytes};

    #[global_allocator]
    static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

    /// `esper/receipts/twin.py` writes it, a test compares.
    static NETWORKS: &[u8] = include_bytes!("../networks.bin");

    /// Longest receipt, and longest record of what is known beside it.
    const MOST: usize = 1 << 23;

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        core::arch::wasm32::unreachable()
    }

    /// Bytes that are lent to the host.
    struct Lent(Cell<*mut u8>);

    // SAFETY: the module has one thread; nothing else is compiled into it that could make another.
    unsafe impl Sync for Lent {}

    static VERDICT: Lent = Lent(Cell::new(null_mut()));

    /// Room for so many bytes, zeroed; null for more than 8 MiB. It is given back to `esper_judge` alone.
    #[unsafe(no_mangle)]
    pub extern "C" fn esper_room(size: usize) -> *mut u8 {
        if size > MOST {
            return null_mut();
        }
        Box::into_raw(alloc::vec![0u8; size].into_boxed_slice()).cast()
    }

    /// Takes back what `esper_room` gave.
    ///
    /// # Safety
    /// `at` and `size` are the result and the argument of one call of `esper_room`, and not given back before.
    unsafe fn taken(at: *mut u8, size: usize) -> Box<[u8]> {
        // SAFETY: by the caller's promise this is the very box that `esper_room` let go of.
        unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(at, size)) }
    }

    /// Judges a receipt; the length of the verdict, 0 if what is known beside it cannot be read.
    ///
    /// # Safety
    /// Both pairs are results and arguments of one call of `esper_room` each, and not given back before.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn esper_judge(
        receipt: *mut u8,
        receipt_size: usize,
        asked: *mut u8,
        asked_size: usize,
    ) -> usize {
        // SAFETY: the caller promises for both what `taken` asks for.
        let (receipt, asked) = unsafe { (taken(receipt, receipt_size), taken(asked, asked_size)) };
        let Ok(around) = Around::read(NETWORKS, &asked) else { return 0 };
        let verdict: Vec<u8> = judge_bytes(&receipt, &around, &StarkJudge).to_json().into_bytes();
        let size = verdict.len();
        // One verdict a module: its memory goes with it.
        VERDICT.0.set(Box::into_raw(verdict.into_boxed_slice()).cast());
        size
    }

    /// Where the last verdict stands, null before the first.
    #[unsafe(no_mangle)]
    pub extern "C" fn esper_verdict() -> *const u8 {
        VERDICT.0.get()
    }
}
