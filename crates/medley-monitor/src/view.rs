//! What the keys of a person change: what is looked at, and what is asked of the run.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Whose run is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Watched {
    /// That of this process: keys can stop it.
    #[default]
    Own,
    /// That of another process: keys can only end the watching.
    Other,
}

/// What a key asks for beside another view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Stop after the batch in progress.
    StopNow,
    /// Whether to stop after the epoch in progress: a second press takes it back.
    StopAfterEpoch(bool),
    /// Close the screen; the run goes on.
    Close,
}

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a key that is pressed or not")]
pub struct View {
    /// Whose run it is.
    pub watched: Watched,
    /// The chosen task; `None` for the mean of all.
    pub task: Option<usize>,
    /// Whether curves of the loss are shown instead of macro-F1.
    pub loss: bool,
    /// Lines of the log below those that are shown.
    pub scrolled: usize,
    /// Whether the keys are explained.
    pub help: bool,
    /// Whether the run is to stop after this epoch.
    pub stops_after_epoch: bool,
    /// Whether the run is to stop after this batch.
    pub stops_now: bool,
}

impl View {
    /// A view of the run of another process.
    pub fn of_another_process() -> Self {
        Self { watched: Watched::Other, ..Self::default() }
    }

    /// Follows a key. `tasks` and `lines` are how many tasks and lines of the log there are.
    pub fn press(&mut self, key: KeyEvent, tasks: usize, lines: usize) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let interrupts = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        match key.code {
            _ if interrupts => return Some(self.quit()),
            KeyCode::Char('q') => return Some(self.quit()),
            KeyCode::Char('e') if self.watched == Watched::Own => {
                self.stops_after_epoch = !self.stops_after_epoch;
                return Some(Action::StopAfterEpoch(self.stops_after_epoch));
            }
            KeyCode::Char('l') => self.loss = !self.loss,
            KeyCode::Char('?' | 'h') => self.help = !self.help,
            KeyCode::Esc => self.help = false,
            KeyCode::Down | KeyCode::Tab => self.task = following(self.task, tasks),
            KeyCode::Up | KeyCode::BackTab => self.task = preceding(self.task, tasks),
            KeyCode::PageUp => self.scrolled = (self.scrolled + 5).min(lines.saturating_sub(1)),
            KeyCode::PageDown => self.scrolled = self.scrolled.saturating_sub(5),
            _ => {}
        }
        None
    }

    fn quit(&mut self) -> Action {
        match self.watched {
            Watched::Other => Action::Close,
            Watched::Own => {
                self.stops_now = true;
                Action::StopNow
            }
        }
    }
}

/// All, the first, …, the last, and all again.
fn following(task: Option<usize>, tasks: usize) -> Option<usize> {
    let next = task.map_or(0, |task| task + 1);
    (next < tasks).then_some(next)
}

fn preceding(task: Option<usize>, tasks: usize) -> Option<usize> {
    task.map_or(tasks.checked_sub(1), |task| task.checked_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(view: &mut View, code: KeyCode) -> Option<Action> {
        view.press(KeyEvent::new(code, KeyModifiers::NONE), 2, 12)
    }

    #[test]
    fn arrows_go_round_the_tasks() {
        let mut view = View::default();
        let mut seen = Vec::new();
        for _ in 0..4 {
            press(&mut view, KeyCode::Down);
            seen.push(view.task);
        }
        assert_eq!(seen, [Some(0), Some(1), None, Some(0)]);
        press(&mut view, KeyCode::Up);
        press(&mut view, KeyCode::Up);
        assert_eq!(view.task, Some(1));
        let mut empty = View::default();
        empty.press(KeyEvent::new(KeyCode::Up, KeyModifiers::NONE), 0, 0);
        assert_eq!(empty.task, None);
    }

    #[test]
    fn only_the_run_of_this_process_can_be_stopped() {
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let mut own = View::default();
        assert_eq!(own.press(control_c, 1, 0), Some(Action::StopNow));
        assert!(own.stops_now);
        assert_eq!(press(&mut own, KeyCode::Char('e')), Some(Action::StopAfterEpoch(true)));
        assert!(own.stops_after_epoch);
        assert_eq!(press(&mut own, KeyCode::Char('e')), Some(Action::StopAfterEpoch(false)));
        assert!(!own.stops_after_epoch, "the second press takes it back");
        let mut other = View::of_another_process();
        assert_eq!(other.press(control_c, 1, 0), Some(Action::Close));
        assert_eq!(press(&mut other, KeyCode::Char('e')), None);
        // A plain c is no interruption.
        assert_eq!(press(&mut own, KeyCode::Char('c')), None);
    }

    #[test]
    fn the_log_scrolls_within_its_lines() {
        let mut view = View::default();
        for _ in 0..9 {
            press(&mut view, KeyCode::PageUp);
        }
        assert_eq!(view.scrolled, 11);
        for _ in 0..9 {
            press(&mut view, KeyCode::PageDown);
        }
        assert_eq!(view.scrolled, 0);
    }
}
