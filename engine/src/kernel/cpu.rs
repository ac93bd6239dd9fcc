//! What the CPU can do: the instruction sets that loops and products are compiled for, chosen at run time.

use std::cell::Cell;

/// An instruction set a loop is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the compilation target guarantees.
    Portable,
    /// 256-bit vectors, and fused multiply-adds.
    Avx2,
    /// 512-bit vectors, and fused multiply-adds.
    Avx512,
}

thread_local!(static LIMIT: Cell<Level> = const { Cell::new(Level::Avx512) });

/// The widest instruction set this machine has.
#[inline]
pub fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let limit = LIMIT.get();
        let fused = is_x86_feature_detected!("fma");
        if limit == Level::Avx512
            && fused
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return Level::Avx512;
        }
        if limit >= Level::Avx2 && fused && is_x86_feature_detected!("avx2") {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Runs `work` on this thread with nothing wider than `limit`: for the tests that compare the
/// paths.
pub fn limited_to<R>(limit: Level, work: impl FnOnce() -> R) -> R {
    let before = LIMIT.replace(limit);
    let result = work();
    LIMIT.set(before);
    result
}
