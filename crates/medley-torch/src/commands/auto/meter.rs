//! What people see while the time goes by.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use medley_cli::output::note;
use medley_core::text::duration;
use medley_tune::auto::Clock;

/// How often a line says how much time is left, where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);
/// How often it is looked whether that is due.
const PAUSE: Duration = Duration::from_millis(100);

/// A bar over the budget on a terminal, else lines with the time; until it is dropped.
pub(super) struct Meter {
    clock: Clock,
    quiet: bool,
    bar: Option<ProgressBar>,
    end: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Meter {
    pub(super) fn start(clock: Clock, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new((clock.budget() * 10.0) as u64);
            let style = ProgressStyle::with_template("{bar:30} {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let (end, ended) = std::sync::mpsc::channel();
        let shown = bar.clone();
        let watch = move || {
            let mut spoken = std::time::Instant::now();
            while ended.recv_timeout(PAUSE).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout) {
                if let Some(bar) = &shown {
                    bar.set_position((clock.spent() * 10.0) as u64);
                    bar.set_message(time(&clock));
                } else if spoken.elapsed() >= PLAIN_INTERVAL {
                    spoken = std::time::Instant::now();
                    note(&time(&clock));
                }
            }
        };
        let builder = std::thread::Builder::new().name("meter".to_owned());
        let thread = if quiet { None } else { builder.spawn(watch).ok() };
        Self { clock, quiet, bar, end: Some(end), thread }
    }

    pub(super) fn say(&self, text: &str) {
        if self.quiet {
            return;
        }
        let line = format!("[{}] {text}", duration(self.clock.spent()));
        match &self.bar {
            Some(bar) => bar.println(line),
            None => note(&line),
        }
    }
}

fn time(clock: &Clock) -> String {
    let (spent, budget) = (clock.spent(), clock.budget());
    format!("{} of {}, {} left", duration(spent), duration(budget), duration((budget - spent).max(0.0)))
}

impl Drop for Meter {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
