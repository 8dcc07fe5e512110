//! What a run says, and who listens.
//!
//! The training loop says [`Event`]s and knows neither file nor progress bar. An [`Observer`] turns them into one thing:
//! [`JsonLines`] into `events.jsonl`, [`MetricsCsv`] into `metrics.csv`, [`TensorBoard`] into event files, [`Memory`] into a
//! list for tests. [`Observers`] passes each event to all of them, in the order they were added.
//!
//! Observers only listen: whatever they do, the bits of a run stay the same.
//!
//! ```
//! use medley_core::record::Event;
//! use medley_train::observer::{Memory, Observers};
//!
//! let memory = Memory::default();
//! let mut observers = Observers::default();
//! observers.push("memory", Box::new(memory.clone()));
//! observers.send(&Event::Warning { message: "it works".into() })?;
//! assert_eq!(memory.take().len(), 1);
//! # Ok::<(), medley_train::TrainError>(())
//! ```

mod checksum;
mod jsonl;
mod memory;
mod metrics_csv;
mod tensorboard;

use medley_core::record::Event;

pub use jsonl::JsonLines;
pub use memory::Memory;
pub use metrics_csv::MetricsCsv;
pub use tensorboard::TensorBoard;
pub(crate) use tensorboard::flattened;

use crate::TrainError;

/// Listens to a run.
pub trait Observer: Send {
    /// Takes note of an event.
    ///
    /// # Errors
    /// Whatever keeps it from doing so, such as a full disk, with the path.
    fn observe(&mut self, event: &Event) -> anyhow::Result<()>;
}

/// Several observers, each with a name for errors.
#[derive(Default)]
pub struct Observers {
    all: Vec<(String, Box<dyn Observer>)>,
}

impl Observers {
    /// Adds one, to be told after those that are there.
    pub fn push(&mut self, name: impl Into<String>, observer: Box<dyn Observer>) {
        self.all.push((name.into(), observer));
    }

    /// Tells every observer, also those after one that fails.
    ///
    /// # Errors
    /// [`TrainError::Observer`] with the name and the reason of the first that failed.
    pub fn send(&mut self, event: &Event) -> Result<(), TrainError> {
        let mut first = Ok(());
        for (name, observer) in &mut self.all {
            let result = observer.observe(event);
            if first.is_ok() {
                first =
                    result.map_err(|error| TrainError::Observer(error.context(format!("observer `{name}` failed"))));
            }
        }
        first
    }
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(&'static str);

    impl Observer for Broken {
        fn observe(&mut self, _: &Event) -> anyhow::Result<()> {
            anyhow::bail!("{}", self.0)
        }
    }

    #[test]
    fn all_are_told_and_the_first_failure_is_named() {
        let (before, after) = (Memory::default(), Memory::default());
        let mut observers = Observers::default();
        observers.push("before", Box::new(before.clone()));
        observers.push("first", Box::new(Broken("disk full")));
        observers.push("second", Box::new(Broken("also broken")));
        observers.push("after", Box::new(after.clone()));
        assert_eq!(format!("{observers:?}"), r#"["before", "first", "second", "after"]"#);
        let error = observers.send(&samples::warning()).unwrap_err();
        assert_eq!(error.to_string(), "observer `first` failed: disk full");
        assert_eq!((before.take().len(), after.take().len()), (1, 1));
    }
}
