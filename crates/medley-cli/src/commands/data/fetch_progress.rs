//! What people see while files arrive: a bar for each on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use medley_fetch::FetchEvent;

use crate::output::{bytes, note};

/// How often a download that is not on a terminal says where it is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Draws events on standard error.
pub(super) struct Progress {
    names: Vec<String>,
    bars: Option<MultiProgress>,
    files: Mutex<Vec<Option<File>>>,
}

/// One download under way.
struct File {
    bar: Option<ProgressBar>,
    spoken: Instant,
    begun: Instant,
    had: u64,
}

impl Progress {
    pub(super) fn new(names: Vec<String>) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        let files = Mutex::new(names.iter().map(|_| None).collect());
        Self { names, bars, files }
    }

    pub(super) fn on_event(&self, index: usize, event: FetchEvent) {
        let mut files = self.files();
        let file = files[index].get_or_insert_with(|| self.begin(index));
        match event {
            FetchEvent::Waiting => {
                self.say(&format!("{}: another process is downloading it; waiting", self.names[index]));
            }
            FetchEvent::Asking { url, have } => {
                (file.begun, file.had) = (Instant::now(), have);
                let from = if have > 0 { format!(" from byte {have} on") } else { String::new() };
                if self.bars.is_none() {
                    note(&format!("{}: requesting {url}{from}", self.names[index]));
                }
                if let Some(bar) = &file.bar {
                    bar.set_position(have);
                    bar.reset_eta();
                }
            }
            FetchEvent::Progress { done, total } => file.progress(&self.names[index], done, total),
            FetchEvent::Retrying { problem, pause } => {
                let then =
                    if pause.is_zero() { String::new() } else { format!("; again in {} s", pause.as_secs().max(1)) };
                self.say(&format!("{}: {problem}{then}", self.names[index]));
            }
            FetchEvent::Verifying => {
                if let Some(bar) = file.bar.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    /// Takes the bars away.
    pub(super) fn finish(&self) {
        for bar in self.files().iter().flatten().filter_map(|file| file.bar.as_ref()) {
            bar.finish_and_clear();
        }
    }

    fn begin(&self, index: usize) -> File {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length().with_prefix(self.names[index].clone()));
            if let Ok(style) =
                ProgressStyle::with_template("{prefix:22} {bar:28} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left")
            {
                bar.set_style(style);
            }
            bar
        });
        File { bar, spoken: Instant::now(), begun: Instant::now(), had: 0 }
    }

    fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(text)),
            None => note(text),
        }
    }

    fn files(&self) -> MutexGuard<'_, Vec<Option<File>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    fn progress(&mut self, name: &str, done: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
        } else if self.spoken.elapsed() >= PLAIN_INTERVAL {
            self.spoken = Instant::now();
            let speed = done.saturating_sub(self.had) as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
            note(&format!("{name}: {}", plain(done, total, speed)));
        }
    }
}

/// `12.3 MB of 45.6 MB (27 %), 1.2 MB/s, 28 s left`.
fn plain(done: u64, total: Option<u64>, speed: f64) -> String {
    let rate = format!("{}/s", bytes(speed as u64));
    match total {
        Some(total) if total > 0 => {
            let share = 100.0 * done as f64 / total as f64;
            let left = total.saturating_sub(done) as f64 / speed.max(1.0);
            format!("{} of {} ({share:.0} %), {rate}, {} left", bytes(done), bytes(total), duration(left))
        }
        _ => format!("{}, {rate}", bytes(done)),
    }
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_say_how_far_and_how_long() {
        assert_eq!(plain(12_300_000, Some(45_600_000), 1_200_000.0), "12.3 MB of 45.6 MB (27 %), 1.2 MB/s, 28 s left");
        assert_eq!(plain(0, Some(13_000_000_000), 1_000_000.0), "0 B of 13.00 GB (0 %), 1.0 MB/s, 3 h 36 min left");
        assert_eq!(plain(2_000, None, 500.0), "2.0 kB, 500 B/s");
    }
}
