//! When a batch is computed: a function of what waits, and nothing else.

use std::time::Duration;

/// How single requests become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Images of a batch, at most; at least 1.
    pub max_batch: usize,
    /// For how long the first image of a batch waits for others, at most. While a batch is computed the next one gathers anyway, so this
    /// matters only where there is little to do.
    pub max_delay: Duration,
    /// Images that may wait; what comes beyond is refused at once.
    pub queue: usize,
}

impl Default for Batching {
    fn default() -> Self {
        Self { max_batch: 64, max_delay: Duration::from_millis(2), queue: 1024 }
    }
}

/// What waits for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Images.
    pub images: usize,
    /// For how long the oldest has waited; `None` where nothing waits.
    pub oldest: Option<Duration>,
    /// Whether nothing more comes.
    pub closed: bool,
}

/// What the thread of a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It computes what waits, up to the size of a batch.
    Compute,
    /// It waits for more, but no longer than this.
    Gather(Duration),
    /// It waits for a request.
    Sleep,
    /// It ends.
    End,
}

impl Batching {
    pub(crate) fn next(&self, waiting: Waiting) -> Next {
        let Some(age) = waiting.oldest else {
            return if waiting.closed { Next::End } else { Next::Sleep };
        };
        let left = self.max_delay.saturating_sub(age);
        if waiting.closed || waiting.images >= self.max_batch || left.is_zero() {
            return Next::Compute;
        }
        Next::Gather(left)
    }
}

/// Seconds after which it is worth to come again: the time that what waits takes at the rate of images per second that was last seen. At
/// least 1, as the header counts in seconds, and at most a minute.
pub(crate) fn retry_after(images: usize, rate: f64) -> u64 {
    let seconds = if rate > 0.0 { images as f64 / rate } else { 1.0 };
    seconds.ceil().clamp(1.0, 60.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_batch_is_computed_when_it_is_full_or_has_waited_or_nothing_more_comes() {
        let batching = Batching { max_batch: 4, max_delay: milliseconds(5), queue: 16 };
        let next = |images, oldest, closed| batching.next(Waiting { images, oldest, closed });
        assert_eq!(next(0, None, false), Next::Sleep);
        assert_eq!(next(0, None, true), Next::End);
        assert_eq!(next(1, Some(milliseconds(0)), false), Next::Gather(milliseconds(5)));
        assert_eq!(next(3, Some(milliseconds(2)), false), Next::Gather(milliseconds(3)));
        assert_eq!(next(3, Some(milliseconds(5)), false), Next::Compute);
        assert_eq!(next(3, Some(milliseconds(60)), false), Next::Compute);
        assert_eq!(next(4, Some(milliseconds(0)), false), Next::Compute);
        assert_eq!(next(9, Some(milliseconds(0)), false), Next::Compute);
        assert_eq!(next(1, Some(milliseconds(0)), true), Next::Compute);
    }

    #[test]
    fn without_a_delay_nothing_waits() {
        let batching = Batching { max_batch: 4, max_delay: Duration::ZERO, queue: 16 };
        let waiting = Waiting { images: 1, oldest: Some(Duration::ZERO), closed: false };
        assert_eq!(batching.next(waiting), Next::Compute);
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_again() {
        assert_eq!(retry_after(1024, 3000.0), 1);
        assert_eq!(retry_after(1024, 100.0), 11);
        assert_eq!(retry_after(1024, 0.0), 1);
        assert_eq!(retry_after(usize::MAX, 1e-9), 60);
    }
}
