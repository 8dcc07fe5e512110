//! Who has a trial.
//!
//! A lease is an empty file in the folder of the trial, whose name says who has it: `lease-4-w3-9f3a12bc-71` is the 4th, of worker 3,
//! process 71 on a machine; `lease-5-waiting` is for anyone; `lease-5-paused` for whoever promotes the trial. It changes hands by a
//! rename from one name to the next. Of two that try, the second finds the first name gone.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use medley_storage::{Storage, StorageError, is_running, read_text, touch};

use crate::SearchError;
use crate::digest::digest;

/// A worker as leases name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its number, which no other worker of the study has.
    pub(super) worker: u64,
    /// Eight digits, or `unknown`.
    pub(super) machine: String,
    /// Its process.
    pub(super) process: u32,
}

/// Who has a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Worker(Holder),
    Waiting,
    Paused,
}

/// The name of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeaseName {
    /// It goes up each time the trial changes hands.
    pub(super) generation: u64,
    pub(super) owner: Owner,
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease-{}-", self.generation)?;
        match &self.owner {
            Owner::Worker(Holder { worker, machine, process }) => write!(f, "w{worker}-{machine}-{process}"),
            Owner::Waiting => f.write_str("waiting"),
            Owner::Paused => f.write_str("paused"),
        }
    }
}

impl LeaseName {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (generation, owner) = name.strip_prefix("lease-")?.split_once('-')?;
        let owner = match owner {
            "waiting" => Owner::Waiting,
            "paused" => Owner::Paused,
            owner => {
                let mut parts = owner.strip_prefix('w')?.splitn(3, '-');
                let worker = parts.next()?.parse().ok()?;
                let machine = parts.next()?.to_owned();
                Owner::Worker(Holder { worker, machine, process: parts.next()?.parse().ok()? })
            }
        };
        Some(Self { generation: generation.parse().ok()?, owner })
    }
}

impl Holder {
    /// This process, as a worker of this number.
    pub(super) fn this(worker: u64) -> Self {
        Self { worker, machine: machine(), process: std::process::id() }
    }

    /// Whether it is known not to be running any more: a process of this machine that is gone.
    pub(super) fn is_gone(&self, here: &str) -> bool {
        here != UNKNOWN && self.machine == here && !is_running(self.process)
    }
}

const UNKNOWN: &str = "unknown";

/// What tells this machine from others, since it was started, and containers on it from each other: numbers of processes mean the
/// same there.
fn machine() -> String {
    let started = read_text(Path::new("/proc/sys/kernel/random/boot_id"), 1_000).ok();
    let space = std::fs::read_link("/proc/self/ns/pid").ok();
    match (started, space) {
        (Some(started), Some(space)) => digest(&format!("{started} {}", space.display()))[..8].to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}

/// A trial that this worker has.
pub(super) struct Lease<'a> {
    storage: &'a dyn Storage,
    folder: PathBuf,
    trial: u64,
    name: LeaseName,
}

impl<'a> Lease<'a> {
    /// Of a trial whose folder was made with the lease in it.
    pub(super) fn of_new(storage: &'a dyn Storage, folder: &Path, trial: u64, name: LeaseName) -> Self {
        Self { storage, folder: folder.to_owned(), trial, name }
    }

    /// Takes a trial from its owner; `None` where somebody else was faster, or the owner has ended the trial.
    pub(super) fn take(
        storage: &'a dyn Storage,
        folder: &Path,
        trial: u64,
        from: &LeaseName,
        holder: &Holder,
    ) -> Result<Option<Self>, SearchError> {
        let mut lease = Self { storage, folder: folder.to_owned(), trial, name: from.clone() };
        match lease.pass(Owner::Worker(holder.clone())) {
            Ok(()) => Ok(Some(lease)),
            Err(SearchError::LeaseLost { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands it on.
    pub(super) fn pass(&mut self, owner: Owner) -> Result<(), SearchError> {
        let next = LeaseName { generation: self.name.generation + 1, owner };
        let to = self.folder.join(next.to_string());
        match self.storage.rename_synced(&self.path(), &to) {
            Ok(()) => {
                self.name = next;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SearchError::LeaseLost { trial: self.trial }),
            Err(source) => Err(StorageError::io(&to, source).into()),
        }
    }

    /// Whether it is still this worker's.
    pub(super) fn check(&self) -> Result<(), SearchError> {
        match touch(&self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SearchError::LeaseLost { trial: self.trial }),
            // What cannot be touched for another reason may be so for a moment; whoever writes next finds out.
            _ => Ok(()),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.name.to_string())
    }

    /// Keeps it alive until the returned value is dropped.
    pub(super) fn heartbeat(&self, every: Duration) -> Result<Heartbeat, SearchError> {
        let (path, lost) = (self.path(), Arc::new(AtomicBool::new(false)));
        let (stop, stopped) = channel::<()>();
        let flag = Arc::clone(&lost);
        let beat = move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                if touch(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                    flag.store(true, Ordering::Relaxed);
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("heartbeat".to_owned());
        let thread = thread.spawn(beat).map_err(|source| SearchError::NoThread { source })?;
        Ok(Heartbeat { stop: Some(stop), thread: Some(thread), lost })
    }
}

/// Touches a lease from time to time.
#[derive(Debug)]
pub(super) struct Heartbeat {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    lost: Arc<AtomicBool>,
}

impl Heartbeat {
    /// Whether the lease was seen to be gone.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

/// Tells which leases give no sign of life. Times of files are compared for equality alone, and time is measured by a clock of this
/// process that never jumps.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Name, time of the file, and when it was first seen so, per trial.
    seen: BTreeMap<u64, (String, Option<SystemTime>, Duration)>,
}

impl Watch {
    /// Whether a lease has been as it is for so long, since it was first looked at.
    pub(super) fn is_dead(
        &mut self,
        trial: u64,
        lease: &str,
        changed: Option<SystemTime>,
        now: Duration,
        length: Duration,
    ) -> bool {
        match self.seen.get(&trial) {
            Some((name, time, since)) if name == lease && *time == changed => now.saturating_sub(*since) >= length,
            _ => {
                self.seen.insert(trial, (lease.to_owned(), changed, now));
                false
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use medley_storage::RealFs;

    use super::*;

    #[test]
    fn names_can_be_read_again() {
        let holder = Holder { worker: 3, machine: "9f3a12bc".to_owned(), process: 71 };
        for owner in [Owner::Worker(holder), Owner::Waiting, Owner::Paused, Owner::Worker(Holder::this(0))] {
            let name = LeaseName { generation: 12, owner };
            assert_eq!(LeaseName::parse(&name.to_string()), Some(name));
        }
        for other in
            ["lease", "lease-1-", "lease-x-waiting", "lease-1-w3", "lease-1-w3-a", "lease-1-w3-a-b", "outcome.json"]
        {
            assert_eq!(LeaseName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn of_many_that_take_a_trial_one_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let from = LeaseName { generation: 0, owner: Owner::Waiting };
        std::fs::write(folder.path().join(from.to_string()), "").unwrap();
        let take =
            |worker: u64| Lease::take(&RealFs, folder.path(), 7, &from, &Holder::this(worker)).unwrap().is_some();
        let won: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|worker| scope.spawn(move || take(worker))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
    }

    #[test]
    fn an_owner_that_was_taken_for_dead_finds_out() {
        let folder = tempfile::tempdir().unwrap();
        let name = LeaseName { generation: 0, owner: Owner::Worker(Holder::this(0)) };
        std::fs::write(folder.path().join(name.to_string()), "").unwrap();
        let mut old = Lease::of_new(&RealFs, folder.path(), 7, name.clone());
        let heartbeat = old.heartbeat(Duration::from_millis(1)).unwrap();
        old.check().unwrap();
        let new = Lease::take(&RealFs, folder.path(), 7, &name, &Holder::this(1)).unwrap().unwrap();
        assert!(matches!(old.check(), Err(SearchError::LeaseLost { trial: 7 })));
        assert!(matches!(old.pass(Owner::Paused), Err(SearchError::LeaseLost { trial: 7 })));
        while !heartbeat.is_lost() {
            std::thread::yield_now();
        }
        new.check().unwrap();
    }

    #[test]
    fn life_is_change_whatever_the_clock_says() {
        let mut watch = Watch::default();
        let (length, day) = (Duration::from_mins(1), Duration::from_hours(24));
        let start = SystemTime::UNIX_EPOCH + day;
        let mut dead = |lease: &str, changed: SystemTime, now: u64| {
            watch.is_dead(0, lease, Some(changed), Duration::from_secs(now), length)
        };
        assert!(!dead("a", start, 1_000), "however old, it is watched first");
        assert!(!dead("a", start, 1_059));
        assert!(!dead("a", start - day, 1_061), "a clock that went back is a sign of life too");
        assert!(!dead("a", start + day * 365, 1_100));
        assert!(!dead("b", start + day * 365, 1_159), "a new owner");
        assert!(!dead("b", start + day * 365, 1_218));
        assert!(dead("b", start + day * 365, 1_219));
    }

    #[test]
    fn a_process_that_is_gone_is_known_here_alone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = Holder { process: child.id(), ..Holder::this(0) };
        child.wait().unwrap();
        assert!(gone.is_gone(&machine()) && !Holder::this(0).is_gone(&machine()));
        assert!(!gone.is_gone("elsewhere") && !gone.is_gone(UNKNOWN));
    }
}
