//! Maps, one after another: they take longer than answers, so few may wait for one.

use std::fmt;
use std::sync::Arc;

use medley_package::{Explainer, Look};
use tokio::sync::{Mutex, Semaphore};

/// Who explains a model.
pub(crate) struct Explaining {
    /// `None` once it has panicked.
    explainer: Arc<Mutex<Option<Box<dyn Explainer>>>>,
    /// Those who wait, and the one who is answered.
    places: Semaphore,
}

/// Why there is no map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoLook {
    /// Too many wait.
    Full,
    /// The explainer said no.
    Failed(String),
    /// It has panicked, now or before.
    Ended,
}

impl Explaining {
    pub(crate) fn new(explainer: Box<dyn Explainer>, places: usize) -> Self {
        Self { explainer: Arc::new(Mutex::new(Some(explainer))), places: Semaphore::new(places) }
    }

    /// Draws a map, when it is this one's turn.
    pub(crate) async fn look(&self, image: bytes::Bytes, class: usize) -> Result<Look, NoLook> {
        let _place = self.places.try_acquire().map_err(|_| NoLook::Full)?;
        let mut explainer = Arc::clone(&self.explainer).lock_owned().await;
        let drawn = tokio::task::spawn_blocking(move || {
            // Out of its place while it works: what it was doing when it panicked is not known.
            let mut own = explainer.take().ok_or(NoLook::Ended)?;
            let look = own.explain(&image, class).map_err(|error| NoLook::Failed(crate::error::chain(&error)));
            *explainer = Some(own);
            look
        });
        drawn.await.unwrap_or(Err(NoLook::Ended))
    }
}

impl fmt::Debug for Explaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explaining").field("places", &self.places).finish_non_exhaustive()
    }
}
