//! `medley runs watch`: a run that another process trains, on the whole terminal.

use std::process::ExitCode;
use std::time::Duration;

use medley_core::RunLayout;
use medley_monitor::{EventReader, History, Screen, View, as_text, can_be_shown};
use medley_predictions::record::read_manifest;

use crate::args::runs::WatchArguments;
use crate::failure::Usage;
use crate::output;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// The size of the screen where there is none.
const WIDTH: u16 = 100;
const HEIGHT: u16 = 28;

pub(super) fn run(arguments: &WatchArguments) -> anyhow::Result<ExitCode> {
    let run = RunLayout::new(&arguments.run);
    read_manifest(&run)?;
    let mut events = EventReader::of_run(&run)?;
    let mut history = History::default();
    events.follow(&mut history)?;
    if arguments.once {
        output::line(&as_text(&history, WIDTH, HEIGHT)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !can_be_shown() {
        return Err(Usage("there is no terminal to draw on: --once prints what there is now".to_owned()).into());
    }
    // All that a key can ask for here closes the screen.
    let screen = Screen::open(history, View::of_another_process(), |_| {})?;
    while screen.is_open() {
        let mut followed = Ok(());
        screen.update(|history| followed = events.follow(history));
        followed?;
        std::thread::sleep(INTERVAL);
    }
    Ok(ExitCode::SUCCESS)
}
