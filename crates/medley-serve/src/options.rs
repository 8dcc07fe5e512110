//! What a server may take, and for how long it waits.

use std::time::Duration;

use crate::ServeError;
use crate::batching::Batching;

/// Limits, so that no client can take the memory or the time of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body, also once it is decompressed; beyond, 413.
    pub max_body: usize,
    /// Bytes of all bodies that are being received or wait; beyond, 429.
    pub bodies: usize,
    /// Pixels of a picture, counted before any is decoded; beyond, 413.
    pub max_pixels: u64,
    /// Bytes of all pictures that are being decoded; who needs more waits.
    pub pictures: u64,
    /// Maps of one model that are drawn or waited for; beyond, 429.
    pub explanations: usize,
    /// Open connections; whoever comes beyond waits to be let in.
    pub connections: usize,
    /// Time for the headers of a request, and for which an idle connection stays open.
    pub header_timeout: Duration,
    /// Time for a body; beyond, 408.
    pub body_timeout: Duration,
    /// Time for which a client may leave an answer in the line without reading on.
    pub write_timeout: Duration,
    /// Time from a whole body to its answer; beyond, 504.
    pub answer_timeout: Duration,
    /// Time for what has been accepted once the server is told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 32 << 20,
            bodies: 256 << 20,
            max_pixels: 1 << 26,
            pictures: 512 << 20,
            explanations: 8,
            connections: 1024,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }
}

/// How a server works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServeOptions {
    /// How requests become batches.
    pub batching: Batching,
    /// What it may take.
    pub limits: Limits,
}

impl ServeOptions {
    /// Whether a server can work so.
    ///
    /// # Errors
    /// [`ServeError::Option`] with the option that must be another.
    pub fn check(&self) -> Result<(), ServeError> {
        let Self { batching, limits } = self;
        let wrong = |option, value: String, wanted| Err(ServeError::Option { option, value, wanted });
        if batching.max_batch == 0 || batching.max_batch > 65_536 {
            return wrong("--max-batch", batching.max_batch.to_string(), "from 1 to 65536");
        }
        if batching.queue < batching.max_batch {
            return wrong("--queue", batching.queue.to_string(), "at least --max-batch");
        }
        if batching.queue > 1 << 24 {
            return wrong("--queue", batching.queue.to_string(), "at most 16777216");
        }
        if batching.max_delay > Duration::from_secs(10) {
            return wrong("--max-delay-ms", batching.max_delay.as_millis().to_string(), "at most 10000");
        }
        if limits.max_body == 0 || limits.max_body > 1 << 32 {
            return wrong("--max-body", limits.max_body.to_string(), "from 1 byte to 4 GiB");
        }
        if limits.bodies < limits.max_body {
            return wrong("--max-body", limits.max_body.to_string(), "at most the memory for all bodies");
        }
        if limits.max_pixels == 0 {
            return wrong("--max-pixels", limits.max_pixels.to_string(), "at least 1");
        }
        if limits.connections == 0 {
            return wrong("--connections", limits.connections.to_string(), "at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_options_are_named() {
        assert!(ServeOptions::default().check().is_ok());
        let check = |change: fn(&mut ServeOptions)| {
            let mut options = ServeOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(check(|options| options.batching.max_batch = 0), "--max-batch is 0; it must be from 1 to 65536");
        assert_eq!(check(|options| options.batching.queue = 3), "--queue is 3; it must be at least --max-batch");
        assert!(check(|options| options.batching.max_delay = Duration::from_secs(11)).contains("--max-delay-ms"));
        assert!(check(|options| options.limits.max_body = 0).contains("--max-body"));
        assert!(check(|options| options.limits.connections = 0).contains("--connections"));
    }
}
