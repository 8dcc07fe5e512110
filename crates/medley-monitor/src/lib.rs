//! A run watched on a terminal: curves of every task, the log, and keys to stop it.
//!
//! What is shown follows from the events of a run alone, and they come from either of two places: from the training loop of this
//! process (`medley train --tui`), or from the `events.jsonl` of a run that another process trains (`medley runs watch`). So the crate
//! has three parts that do not know each other's business:
//!
//! - [`History`] is told [`Event`](medley_core::record::Event)s, each with its time, and holds what can be shown: curves, the last
//!   scores, the position, the log. It never looks at a clock.
//! - [`draw`] makes a screen of a [`History`] and a [`View`] (which task is chosen, whether the help is open), whatever the size of the
//!   terminal.
//! - [`Screen`] owns the terminal: it draws several times a second, turns keys into [`Action`]s, and gives the terminal back as it was,
//!   also after a panic. [`EventReader`] follows a file that grows.
//!
//! ```
//! use medley_core::record::Event;
//! use medley_monitor::{History, View, draw};
//! use ratatui::{Terminal, backend::TestBackend};
//!
//! let mut history = History::default();
//! let (tasks, seeds) = (vec!["breastmnist".to_owned()], vec![0]);
//! let run = "small-1".to_owned();
//! history.add(0.0, &Event::RunStarted { run, tasks, seeds, epochs: 3, steps_per_epoch: 10, resumed: false });
//!
//! let mut terminal = Terminal::new(TestBackend::new(80, 24))?;
//! terminal.draw(|frame| draw(&history, &View::default(), frame))?;
//! assert!(terminal.backend().to_string().contains("small-1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod draw;
mod event_reader;
mod history;
mod screen;
mod view;

pub use draw::{as_text, draw};
pub use event_reader::EventReader;
pub use history::{Curve, End, History, Position};
pub use screen::{Screen, can_be_shown, now, restore_terminal};
pub use view::{Action, View, Watched};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
