//! Events kept in memory.

use std::sync::{Arc, Mutex, PoisonError};

use medley_core::record::Event;

use super::Observer;

/// Keeps all events. Clones share the list: push one, keep the other.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    events: Arc<Mutex<Vec<Event>>>,
}

impl Memory {
    /// The events since the last call.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Memory {
    fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        Ok(())
    }
}
