//! The instruction, or nothing where there is none.
#![allow(unsafe_code)] // an instruction has no safe name

/// Asks for the line of `at`, to be read. Any address will do: one that is not mapped is
/// left alone.
#[inline(always)]
pub(crate) fn read_soon(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 (Intel SDM volume 2) changes no state that a program can see,
        // and faults at no address. SSE, which it is of, every x86-64 has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: PRFM (Arm ARM, C6.2) changes no state that a program can see, and faults at no address.
    unsafe {
        core::arch::asm!(
            "prfm pldl1keep, [{at}]",
            at = in(reg) at,
            options(readonly, nostack, preserves_flags)
        );
    }
    #[cfg(all(target_arch = "arm", target_os = "linux"))]
    // SAFETY: PLD (Arm ARM for ARMv7-A, A8.8.127) changes no state that a program can see, and faults at no address.
    unsafe {
        core::arch::asm!(
            "pld [{at}]",
            at = in(reg) at,
            options(readonly, nostack, preserves_flags)
        );
    }
    #[cfg(not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        all(target_arch = "arm", target_os = "linux")
    )))]
    let _ = at;
}
