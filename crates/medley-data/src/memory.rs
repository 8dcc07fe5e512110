//! Memory that this process may still take.
//!
//! The kernel gives more than there is and kills who uses it, a control group kills sooner, and a limit on the address space makes
//! allocations fail. So whoever is about to take much asks first. What the files of the kernel say is read here and judged by pure
//! functions below; where they cannot be read (on other systems than Linux), nothing is known.

use std::fmt;
use std::path::Path;

use medley_storage::read_text;

/// No file of the kernel that is read here comes near it.
const LONGEST: u64 = 1 << 20;

/// What sets the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// What the machine has free.
    Machine,
    /// The control group, of a container or a job.
    ControlGroup,
    /// The limit on the address space (`ulimit -v`).
    AddressSpace,
    /// The limit on data (`ulimit -d`).
    Data,
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "on this machine",
            Self::ControlGroup => "in the control group (a container or a job)",
            Self::AddressSpace => "in the address space (`ulimit -v`)",
            Self::Data => "below the limit on data (`ulimit -d`)",
        })
    }
}

/// Memory that may still be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvailableMemory {
    /// Bytes.
    pub bytes: u64,
    /// What allows no more.
    pub limit: MemoryLimit,
}

/// The least of what machine, control groups and limits of the process allow; `None` where nothing is known.
pub fn available() -> Option<AvailableMemory> {
    let read = |path: &str| read_text(Path::new(path), LONGEST).ok();
    let machine = read("/proc/meminfo").and_then(|text| kibibytes(&text, "MemAvailable:"));
    let group = read("/proc/self/cgroup").and_then(|text| {
        let free = |(folder, files): (String, &GroupFiles)| free_in_group(Path::new(&folder), files);
        groups(&text).into_iter().filter_map(free).min()
    });
    let (limits, status) = (read("/proc/self/limits")?, read("/proc/self/status")?);
    let below = |limit: &str, used: &str| Some(soft_limit(&limits, limit)?.saturating_sub(kibibytes(&status, used)?));
    let all = [
        (MemoryLimit::Machine, machine),
        (MemoryLimit::ControlGroup, group),
        (MemoryLimit::AddressSpace, below("Max address space", "VmSize:")),
        (MemoryLimit::Data, below("Max data size", "VmData:")),
    ];
    let known = all.into_iter().filter_map(|(limit, bytes)| Some(AvailableMemory { bytes: bytes?, limit }));
    known.min_by_key(|available| available.bytes)
}

/// What the files of a control group are called.
struct GroupFiles {
    limit: &'static str,
    usage: &'static str,
    /// Of `memory.stat`: pages of files that can be given up.
    reclaimable: &'static str,
}

const VERSION_1: GroupFiles =
    GroupFiles { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", reclaimable: "total_inactive_file " };
const VERSION_2: GroupFiles =
    GroupFiles { limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file " };

/// The folders of the groups that a process is in, each with those around it, from `/proc/self/cgroup`.
fn groups(text: &str) -> Vec<(String, &'static GroupFiles)> {
    let mut folders = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, files) = match controllers {
            "" => ("/sys/fs/cgroup", &VERSION_2),
            _ if controllers.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", &VERSION_1),
            _ => continue,
        };
        let around = Path::new(path).ancestors().map(|path| format!("{root}{}", path.display()));
        folders.extend(around.map(|folder| (folder, files)));
    }
    folders
}

fn free_in_group(folder: &Path, files: &GroupFiles) -> Option<u64> {
    let read = |name: &str| read_text(&folder.join(name), LONGEST).ok();
    let statistics = read("memory.stat").unwrap_or_default();
    free_of(&read(files.limit)?, &read(files.usage)?, &statistics, files.reclaimable)
}

/// What a group may still take; `None` if it has no limit.
fn free_of(limit: &str, usage: &str, statistics: &str, reclaimable: &str) -> Option<u64> {
    // Version 2 writes `max` where there is no limit, version 1 a number that no machine has.
    let limit = limit.trim().parse::<u64>().ok().filter(|&bytes| bytes < 1 << 60)?;
    let usage: u64 = usage.trim().parse().ok()?;
    let pages = statistics.lines().find_map(|line| line.strip_prefix(reclaimable)?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(usage.saturating_sub(pages.unwrap_or(0))))
}

/// A line such as `MemAvailable:   12345 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of a line of `/proc/self/limits`; `None` if there is none.
fn soft_limit(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read() {
        assert_eq!(kibibytes("MemTotal:  9 kB\nMemAvailable:   2048 kB\n", "MemAvailable:"), Some(2 << 20));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         8589934592           unlimited            bytes     \n";
        assert_eq!(soft_limit(limits, "Max address space"), Some(8 << 30));
        assert_eq!(soft_limit(limits, "Max data size"), None);
    }

    #[test]
    fn a_group_has_what_its_limit_leaves_and_can_give_up_pages_of_files() {
        let free = |limit| free_of(limit, "700\n", "anon 500\ninactive_file 150\n", VERSION_2.reclaimable);
        assert_eq!((free("1000\n"), free("max\n"), free("600\n")), (Some(450), None, Some(50)));
        assert_eq!(free_of("9223372036854771712", "1", "", VERSION_1.reclaimable), None);
    }

    #[test]
    fn groups_have_others_around_them() {
        let folders = |text| groups(text).into_iter().map(|(folder, _)| folder).collect::<Vec<_>>();
        assert_eq!(folders("0::/a/b\n"), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup/"]);
        let first = "5:cpu,cpuacct:/x\n4:memory:/job\n";
        assert_eq!(folders(first), ["/sys/fs/cgroup/memory/job", "/sys/fs/cgroup/memory/"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_some() {
        assert!(available().unwrap().bytes > 1 << 20);
    }
}
