//! Ctrl-C and SIGTERM, answered with words.
//!
//! While a run is prepared, nothing of it can be lost, and the first signal ends the program at once. While it trains, the first
//! one asks for a stop after the batch in progress, and the second ends the program at once, but for a SIGTERM within two seconds of another:
//! schedulers send it to a script and to all that it started, and the script passes it on. Signals are received by a thread of
//! their own, which may do what a handler may not: take a lock and write a sentence.

use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use medley_cli::failure::{INTERRUPTED, TERMINATED};
use medley_cli::output;
use medley_train::stop::StopFlag;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How far the work is.
#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// Being prepared; what is true if it ends now.
    Preparing(String),
    /// In progress; the subcommand that continues.
    Running(String),
}

/// What is done about a signal.
#[derive(Debug, PartialEq)]
enum Answer {
    /// The batch in progress is the last one.
    Stop,
    /// The program ends with these words.
    End(String),
    /// It is the signal before, once more.
    Nothing,
}

/// SIGTERM within this time of another is the same one.
const SAME: Duration = Duration::from_secs(2);

/// The last signal, and what it has led to.
pub(crate) struct Interruption {
    /// To be looked at between batches.
    pub stop: StopFlag,
    signal: Arc<AtomicI32>,
    phase: Arc<Mutex<Phase>>,
}

impl Interruption {
    /// Receives signals from now on. `prepared` is what is true if the program ends before [`Self::running`].
    pub(crate) fn while_preparing(prepared: &str) -> anyhow::Result<Self> {
        Self::watch(Phase::Preparing(prepared.to_owned()))
    }

    /// Receives signals from now on, when something may be lost already.
    pub(crate) fn while_running(command: &str) -> anyhow::Result<Self> {
        Self::watch(Phase::Running(command.to_owned()))
    }

    /// From now on, this subcommand continues what is interrupted.
    pub(crate) fn running(&self, command: &str) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase::Running(command.to_owned());
    }

    fn watch(phase: Phase) -> anyhow::Result<Self> {
        let watched = Self {
            stop: StopFlag::default(),
            signal: Arc::new(AtomicI32::new(SIGINT)),
            phase: Arc::new(Mutex::new(phase)),
        };
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("installing the signal handlers")?;
        let (stop, signal, phase) = (watched.stop.clone(), Arc::clone(&watched.signal), Arc::clone(&watched.phase));
        let receive = move || {
            let mut terminated: Option<Instant> = None;
            for number in signals.forever() {
                let again = number == SIGTERM && terminated.is_some_and(|then| then.elapsed() < SAME);
                if number == SIGTERM && !again {
                    terminated = Some(Instant::now());
                }
                signal.store(number, Ordering::SeqCst);
                // Held until the end, so that no run begins after it was said that there is none.
                let phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
                match answer(&phase, stop.requested(), again) {
                    Answer::Nothing => {}
                    Answer::Stop => stop.request(),
                    Answer::End(words) => {
                        medley_monitor::restore_terminal();
                        output::note(&words);
                        // Other threads compute, and have nothing to put away.
                        signal_hook::low_level::exit(i32::from(code(number)));
                    }
                }
            }
        };
        let spawned = std::thread::Builder::new().name("signals".to_owned()).spawn(receive);
        spawned.context("starting the thread that receives signals")?;
        Ok(watched)
    }

    /// Says what continues from here.
    pub(crate) fn note(&self, command: &str) -> ExitCode {
        self.stopped(&format!("{command} continues from the last step"))
    }

    /// Says what has become of it.
    pub(crate) fn stopped(&self, what: &str) -> ExitCode {
        output::note(&format!("stopped; {what}"));
        ExitCode::from(code(self.signal.load(Ordering::SeqCst)))
    }
}

fn answer(phase: &Phase, stopping: bool, again: bool) -> Answer {
    match phase {
        Phase::Running(_) if stopping && again => Answer::Nothing,
        Phase::Preparing(words) => Answer::End(words.clone()),
        Phase::Running(_) if !stopping => Answer::Stop,
        Phase::Running(command) => {
            Answer::End(format!("stopped at once, within a batch; {command} continues from what was saved"))
        }
    }
}

fn code(signal: i32) -> u8 {
    if signal == SIGTERM { TERMINATED } else { INTERRUPTED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_signal_says_how_to_continue() {
        let phase = Phase::Running("`medley resume runs/a-1`".to_owned());
        assert_eq!(answer(&phase, false, false), Answer::Stop);
        assert_eq!(answer(&phase, true, true), Answer::Nothing);
        let Answer::End(words) = answer(&phase, true, false) else { panic!("it does not end") };
        assert!(words.contains("`medley resume runs/a-1`"), "{words}");
        let prepared = Phase::Preparing("nothing was written".to_owned());
        assert_eq!(answer(&prepared, false, false), Answer::End("nothing was written".to_owned()));
    }
}
