//! What people see while a study goes on: whoever works on it, its folder is looked at.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use medley_cli::output::note;
use medley_cli::study::state_name;
use medley_core::text::duration;
use medley_search::{Study, TrialRecord, TrialState};

/// How often the folder is looked at, at most.
const INTERVAL: Duration = Duration::from_millis(500);
/// How often a study that is not on a terminal says where it is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// A thread that shows the progress of a study until it is dropped.
pub(super) struct Monitor {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    pub(super) fn start(study: &Study, quiet: bool) -> Self {
        if quiet {
            return Self { end: None, thread: None };
        }
        let (end, ended) = channel();
        let mut view = View::new(study.clone());
        let look = move || {
            loop {
                let began = Instant::now();
                view.look();
                // A study of many trials takes longer to look at.
                let pause = INTERVAL.max(began.elapsed() * 10);
                if !matches!(ended.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
                    view.look();
                    return view.end();
                }
            }
        };
        let thread = std::thread::Builder::new().name("monitor".to_owned()).spawn(look).ok();
        Self { end: Some(end), thread }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What was shown.
struct View {
    study: Study,
    bar: Option<ProgressBar>,
    began: Instant,
    spoken: Instant,
    /// Trials that were over when this process began.
    before: Option<usize>,
    shown: BTreeMap<u64, (TrialState, u64)>,
    best: Option<f64>,
}

impl View {
    fn new(study: Study) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:24} {pos}/{len} trials  {msg}  {elapsed_precise} elapsed")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        let now = Instant::now();
        Self { study, bar, began: now, spoken: now, before: None, shown: BTreeMap::new(), best: None }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => note(text),
        }
    }

    /// What cannot be read now will be later, or whoever works says why not.
    fn look(&mut self) {
        let Ok(trials) = self.study.trials() else { return };
        let first = self.before.is_none();
        for trial in &trials {
            let rung = trial.rungs.last().map_or(0, |(rung, _)| *rung);
            let known = self.shown.insert(trial.number, (trial.state, rung));
            let is_new = known.is_none_or(|(state, _)| state != trial.state);
            let better = trial.value.is_some_and(|value| self.is_better(value));
            if better {
                self.best = trial.value;
            }
            let settled = trial.state.has_ended() || trial.state == TrialState::Paused;
            if is_new && settled && !first {
                self.say(&line(trial, better));
            }
        }
        let over = trials.iter().filter(|trial| is_over(trial.state)).count();
        let before = *self.before.get_or_insert(over);
        self.advance(&trials, over, before);
    }

    fn is_better(&self, value: f64) -> bool {
        let direction = self.study.definition().direction;
        self.best.is_none_or(|best| direction.loss(value) < direction.loss(best))
    }

    fn advance(&mut self, trials: &[TrialRecord], over: usize, before: usize) {
        let budget = self.study.budget().unwrap_or(u64::MAX);
        let running = trials.iter().filter(|trial| trial.state == TrialState::Running).count();
        let best = self.best.map_or_else(|| "none finished".to_owned(), |best| format!("best {best:.4}"));
        let left = self
            .left(budget, over, before, running)
            .map_or_else(String::new, |left| format!(", about {} left", duration(left)));
        let message = format!("{running} running, {best}{left}");
        if let Some(bar) = &self.bar {
            bar.set_length(if budget == u64::MAX { trials.len() as u64 } else { budget });
            bar.set_position(over as u64);
            bar.set_message(message);
        } else if self.spoken.elapsed() >= PLAIN_INTERVAL {
            self.spoken = Instant::now();
            note(&format!("{over} trials are over, {message}"));
        }
    }

    /// Seconds that are left: by what trials took, or by the time that is allowed, whichever is less.
    fn left(&self, budget: u64, over: usize, before: usize, running: usize) -> Option<f64> {
        let done = over.saturating_sub(before);
        let elapsed = self.began.elapsed().as_secs_f64();
        let by_trials =
            (done > 0 && budget < u64::MAX).then(|| elapsed / done as f64 * budget.saturating_sub(over as u64) as f64);
        let spent = self.study.clock().map_or(0.0, |clock| clock.seconds);
        let by_time =
            self.study.time().ok().flatten().map(|time| (time.as_secs_f64() - spent).max(0.0) / running.max(1) as f64);
        match (by_trials, by_time) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A paused trial is over until it is promoted.
fn is_over(state: TrialState) -> bool {
    state.has_ended() || state == TrialState::Paused
}

fn line(trial: &TrialRecord, better: bool) -> String {
    let state = state_name(trial.state);
    let at = trial.rungs.last().map_or_else(String::new, |(rung, value)| format!(" after epoch {rung}, {value:.4}"));
    let rest = match (trial.value, &trial.message) {
        (Some(value), _) => format!(", {value:.4}{}", if better { "  (best so far)" } else { "" }),
        (None, Some(message)) => format!(": {}", message.lines().next().unwrap_or_default()),
        (None, None) => at,
    };
    format!("trial {}: {state}{rest}", trial.number)
}
