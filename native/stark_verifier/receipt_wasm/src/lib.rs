#![cfg_attr(target_arch = "wasm32", no_std)]
#[cfg(target_arch = "wasm32")]
mod abi {
    #[global_allocator]
    static A: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
    #[panic_handler]
    fn p(_: &core::panic::PanicInfo<'_>) -> ! { core::arch::wasm32::unreachable() }
    #[unsafe(no_mangle)]
    pub extern "C" fn judge(p: *const u8, n: usize) -> u32 { esper_receipt::judge(unsafe{core::slice::from_raw_parts(p,n)}) }
}
