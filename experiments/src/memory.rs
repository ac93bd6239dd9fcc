//! The most memory that this process has held, and its page faults, as Linux tells them; other
//! systems say nothing.

use engine::buffer::release_free;
use std::fs;

/// The largest resident size since the start or since [`forget_peak`], in MiB.
pub(crate) fn peak() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Begins again with what is in use now: several runs may share a process, and the peak of one must
/// not be that of its predecessors. What this thread and the allocator keep of them for later goes back
/// to the system first. Where the system does not allow it, or the allocator is not glibc's, a run
/// inherits something of those before it.
pub(crate) fn forget_peak() {
    release_free::<f32>();
    trim();
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Gives the free pages of all heaps back to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    // SAFETY: malloc.h of glibc declares it so; it may be called at any time by any thread.
    unsafe extern "C" {
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0);
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

/// Pages of memory that all threads of this process have touched for the first time so far, without
/// a disk: one for every 4 KiB that come fresh from the system.
pub(crate) fn page_faults() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may contain anything; minflt is the eighth after it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(7)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_size_of_what_was_held() {
        let bytes = vec![1u8; 64 << 20];
        assert!(bytes.iter().step_by(4096).all(|&byte| byte == 1));
        drop(bytes);
        assert!(peak().unwrap() >= 64.0);
    }

    #[test]
    fn fresh_pages_are_counted() {
        let before = page_faults().unwrap();
        let bytes = vec![1u8; 16 << 20];
        assert!(bytes.iter().step_by(4096).all(|&byte| byte == 1));
        // Where the system gives large pages they are fewer, but never none.
        assert!(page_faults().unwrap() > before);
    }
}
