//! `--tui`: the run of this process on the whole terminal, with keys to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use medley_cli::output::note;
use medley_core::RunLayout;
use medley_core::record::Event;
use medley_monitor::{Action, History, Screen, View, now};
use medley_train::observer::Observer;
use medley_train::stop::StopFlag;
use signal_hook::consts::SIGINT;

/// Passes events to a screen. Warnings are printed again when it is closed, so that they stay to be read.
pub(crate) struct Watching {
    screen: Option<Screen>,
    warnings: Vec<String>,
    after_epoch: Arc<AtomicBool>,
    stop: StopFlag,
}

impl Watching {
    /// Takes the terminal over. What the run folder says of epochs before an interruption is shown too.
    pub(crate) fn open(run: &RunLayout, stop: &StopFlag) -> anyhow::Result<Self> {
        let history = History::try_from(run).unwrap_or_default();
        let after_epoch = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&after_epoch);
        let act = move |action| match action {
            // As if Ctrl-C had reached the program, which the terminal keeps from it now.
            Action::StopNow => {
                let _ = signal_hook::low_level::raise(SIGINT);
            }
            Action::StopAfterEpoch(stops) => asked.store(stops, Ordering::SeqCst),
            Action::Close => {}
        };
        let screen = Screen::open(history, View::default(), act)?;
        Ok(Self { screen: Some(screen), warnings: Vec::new(), after_epoch, stop: stop.clone() })
    }

    fn close(&mut self) {
        self.screen = None;
        for message in self.warnings.drain(..) {
            note(&format!("warning: {message}"));
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.close();
    }
}

impl Observer for Watching {
    fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
        if matches!(event, Event::EpochFinished { .. }) && self.after_epoch.load(Ordering::SeqCst) {
            self.stop.request();
        }
        if let Event::Warning { message } = event {
            self.warnings.push(message.clone());
        }
        if let Some(screen) = &self.screen {
            screen.update(|history| history.add(now(), event));
        }
        if matches!(event, Event::RunInterrupted { .. } | Event::RunFinished { .. }) {
            self.close();
        }
        Ok(())
    }
}
