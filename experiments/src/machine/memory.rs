//! How much memory there is, the most that this process has held, and its page faults, as Linux tells them; other
//! systems say nothing.
//!
//! An allocation that fails ends the process, whatever it was doing. So sizes that come from flags and files are
//! multiplied, in floats, which do not wrap, and what does not fit is refused ([`refuse_more`]) before anything is
//! allocated or written.

use engine::buffer::release_free;
use indicatif::DecimalBytes;
use std::fs;
use std::path::Path;

/// What no process can address, for systems that do not say what they have.
const ADDRESSES: u64 = 1 << 47;

/// What is wrong where `what` takes more memory than there is.
pub(crate) fn lacking(what: &str, bytes: f64) -> Option<String> {
    let free = available().unwrap_or(ADDRESSES);
    (bytes.is_nan() || bytes > free as f64).then(|| {
        // A cast of what is too large is the largest.
        let (bytes, free) = (DecimalBytes(bytes as u64), DecimalBytes(free));
        format!(
            "{what} needs {bytes} of memory at least, expected at most the {free} that are free"
        )
    })
}

/// The bytes that this process can still be given, as far as the system tells: what the machine has left, what the
/// control groups of the process leave of that, and the limit on its addresses.
pub(crate) fn available() -> Option<u64> {
    let text = |path: &str| fs::read_to_string(path).ok();
    let machine = text("/proc/meminfo").and_then(|text| kib(&text, "MemAvailable:"));
    let groups = text("/proc/self/cgroup").into_iter().flat_map(|text| {
        let lines = text.lines().map(str::to_string).collect::<Vec<_>>();
        lines
            .into_iter()
            .filter_map(|line| left_by_group(Path::new("/sys/fs/cgroup"), &line))
    });
    let addresses = text("/proc/self/limits")
        .and_then(|text| most_addresses(&text))
        .zip(text("/proc/self/status").and_then(|text| kib(&text, "VmSize:")))
        .map(|(most, used)| most.saturating_sub(used));
    machine.into_iter().chain(groups).chain(addresses).min()
}

/// The bytes in a line such as `VmHWM:   1234 kB`.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// The soft limit on the address space in /proc/self/limits; none where it is unlimited.
fn most_addresses(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What a control group and those above it leave, by a line of /proc/self/cgroup: `0::/PATH` of the second version,
/// `4:memory:/PATH` of the first. Pages of files that nobody has looked at lately count as free.
fn left_by_group(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (root, most, used, files) = match controllers {
        "" => (
            root.to_path_buf(),
            "memory.max",
            "memory.current",
            "inactive_file",
        ),
        _ if controllers.split(',').any(|name| name == "memory") => (
            root.join("memory"),
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
        _ => return None,
    };
    let left = |folder: &Path| -> Option<u64> {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
        let (most, used) = (number(most)?, number(used)?);
        let files = text("memory.stat").and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(files))?;
            line.trim().parse::<u64>().ok()
        });
        Some(most.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
    };
    // In a container the path may be one of the host: then the root is the container's.
    let own = root.join(path.trim_start_matches('/'));
    let above = own
        .ancestors()
        .take_while(|folder| folder.starts_with(&root));
    above.filter_map(left).min()
}

/// The largest resident size since the start or since [`forget_peak`], in MiB.
pub(crate) fn peak() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(kib(&status, "VmHWM:")? as f64 / f64::from(1 << 20))
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
    fn what_is_free_is_more_than_nothing_and_less_than_everything() {
        let free = available().unwrap();
        assert!(free > 1 << 20 && free < ADDRESSES, "{free}");
        assert_eq!(lacking("this", 1e6), None);
        assert!(lacking("this", f64::NAN).is_some());
        let told = lacking("this", 1e30).unwrap();
        let start = "this needs 18.45 EB of memory at least, expected at most the ";
        assert!(told.starts_with(start), "{told}");
        assert!(told.ends_with(" that are free"), "{told}");
    }

    #[test]
    fn limits_are_read_as_the_system_writes_them() {
        let meminfo = "MemTotal:       16 kB\nMemFree:        1 kB\nMemAvailable:    3 kB\n";
        assert_eq!(kib(meminfo, "MemAvailable:"), Some(3072));
        assert_eq!(kib(meminfo, "VmSize:"), None);
        let limits = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max address space         {soft}           unlimited            bytes     \n"
            )
        };
        assert_eq!(most_addresses(&limits("4096000")), Some(4_096_000));
        assert_eq!(most_addresses(&limits("unlimited")), None);
    }

    #[test]
    fn the_tightest_of_the_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, files: &[(&str, &str)]| {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in files {
                fs::write(folder.join(name), text).unwrap();
            }
        };
        group(
            "a",
            &[("memory.max", "9000\n"), ("memory.current", "5000\n")],
        );
        group(
            "a/b",
            &[("memory.max", "max\n"), ("memory.current", "10\n")],
        );
        let stat = ("memory.stat", "anon 1\ninactive_file 300\n");
        group(
            "a/c",
            &[("memory.max", "900\n"), ("memory.current", "500\n"), stat],
        );
        let left = |line: &str| left_by_group(root.path(), line);
        assert_eq!(left("0::/a/b"), Some(4000));
        assert_eq!(left("0::/a/c"), Some(700));
        assert_eq!(left("0::/elsewhere"), None);
        let old = [
            ("memory.limit_in_bytes", "800\n"),
            ("memory.usage_in_bytes", "100\n"),
            ("memory.stat", "total_inactive_file 40\n"),
        ];
        group("memory/a", &old);
        assert_eq!(left("4:cpu,memory:/a"), Some(740));
        assert_eq!(left("4:cpu:/a"), None);
        assert_eq!(left("nonsense"), None);
    }

    #[test]
    fn fresh_pages_are_counted() {
        let before = page_faults().unwrap();
        let bytes = vec![1u8; 64 << 20];
        assert!(bytes.iter().step_by(4096).all(|&byte| byte == 1));
        // More than the allocator keeps for later. Where the system gives large pages they are fewer, but never none.
        assert!(page_faults().unwrap() > before);
    }
}
