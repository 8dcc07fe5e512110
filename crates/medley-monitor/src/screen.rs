//! The terminal: taken over, drawn on, and given back as it was.

use std::io::{IsTerminal as _, Stderr, stderr, stdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

use crate::draw::draw;
use crate::history::History;
use crate::view::{Action, View};

/// How often the screen is drawn when no key is pressed.
const INTERVAL: Duration = Duration::from_millis(200);

/// Whether the terminal is taken over now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether keys can be read from standard input and a screen be drawn on standard error.
pub fn can_be_shown() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Gives the terminal back if it is taken over. For whoever ends the process without letting [`Screen`] go.
pub fn restore_terminal() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// What is drawn, shared between the thread that draws and those that train.
type Shared = Arc<Mutex<(History, View)>>;

/// A screen on standard error that a thread of its own draws until it is dropped or closed by a key.
#[derive(Debug)]
pub struct Screen {
    shown: Shared,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes the terminal over. `act` is called with what keys ask for, from the thread that draws.
    ///
    /// # Errors
    /// When the terminal cannot be switched, or no thread be started.
    pub fn open(history: History, view: View, mut act: impl FnMut(Action) + Send + 'static) -> anyhow::Result<Self> {
        let mut terminal = take_over().context("cannot draw on this terminal")?;
        let shown: Shared = Arc::new(Mutex::new((history, view)));
        let closing = Arc::new(AtomicBool::new(false));
        let (shared, asked) = (Arc::clone(&shown), Arc::clone(&closing));
        let work = move || {
            while !asked.load(Ordering::SeqCst) {
                {
                    let mut shown = lock(&shared);
                    shown.0.tick(now());
                    let (history, view) = &*shown;
                    // A terminal that is gone takes the screen with it, and not the run.
                    if terminal.draw(|frame| draw(history, view, frame)).is_err() {
                        break;
                    }
                }
                let Some(action) = next_action(&shared) else { continue };
                act(action);
                if action == Action::Close || lock(&shared).0.end.is_some() {
                    break;
                }
            }
            restore_terminal();
        };
        let spawned = std::thread::Builder::new().name("screen".to_owned()).spawn(work);
        let thread = spawned.context("starting the thread that draws").inspect_err(|_| restore_terminal())?;
        Ok(Self { shown, closing, thread: Some(thread) })
    }

    /// Changes what is shown.
    pub fn update(&self, change: impl FnOnce(&mut History)) {
        change(&mut lock(&self.shown).0);
    }

    /// Whether it is still there: a key may have closed it.
    pub fn is_open(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // Where the thread has panicked.
        restore_terminal();
    }
}

fn take_over() -> std::io::Result<Terminal<CrosstermBackend<Stderr>>> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let switch = || {
        execute!(stderr(), EnterAlternateScreen)?;
        let mut terminal = Terminal::new(CrosstermBackend::new(stderr()))?;
        // Terminals without a second screen keep what was on the first.
        terminal.clear()?;
        Ok(terminal)
    };
    switch().inspect_err(|_| restore_terminal())
}

/// What the next key asks for; `None` after a while without one, or one that changed the view alone.
fn next_action(shared: &Shared) -> Option<Action> {
    if !event::poll(INTERVAL).unwrap_or(false) {
        return None;
    }
    let Ok(Event::Key(key)) = event::read() else { return None };
    let mut shown = lock(shared);
    let (tasks, lines) = (shown.0.curves.len(), shown.0.log().len());
    let action = shown.1.press(key, tasks, lines)?;
    // There is nothing left to stop.
    Some(if shown.0.end.is_some() { Action::Close } else { action })
}

/// Seconds since the Unix epoch: the clock of `events.jsonl`. For the eyes of people only.
pub fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

fn lock(shared: &Shared) -> MutexGuard<'_, (History, View)> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
