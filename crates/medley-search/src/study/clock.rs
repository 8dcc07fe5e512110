//! How long workers have worked: each writes its own clock, and nobody compares clocks of two machines.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::records;
use crate::SearchError;

/// Name of the file in the folder of a worker.
pub(super) const FILE: &str = "clock.json";

/// Working time, of a worker or of all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Clock {
    /// Seconds in all.
    pub seconds: f64,
    /// Seconds on each trial, over all that had it.
    pub trials: BTreeMap<u64, f64>,
}

impl Clock {
    fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        for (trial, seconds) in &other.trials {
            *self.trials.entry(*trial).or_default() += seconds;
        }
    }
}

/// The clocks of all workers, added up. What a worker that was killed did after it last wrote is not known.
pub(super) fn of_all(workers: &Path) -> Result<Clock, SearchError> {
    let unlistable = |source| SearchError::Unlistable { path: workers.to_owned(), source };
    let entries = match fs_err::read_dir(workers) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Clock::default()),
        entries => entries.map_err(unlistable)?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        folders.push(entry.map_err(unlistable)?.path());
    }
    // Sums of numbers depend on their order.
    folders.sort();
    let mut all = Clock::default();
    for folder in folders {
        if let Some(clock) = records::read::<Clock>(&folder.join(FILE))? {
            all.add(&clock);
        }
    }
    Ok(all)
}
