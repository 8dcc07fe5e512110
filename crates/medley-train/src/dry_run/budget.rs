use std::time::{Duration, Instant};

use medley_core::text::parse_duration;

/// What a run may take, as `train.budget` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// Time by a clock.
    Time(Duration, Clock),
    /// Optimizer steps.
    Steps(usize),
}

impl Budget {
    /// `90s`, `20min` or `1.5h` of the clock on the wall; `20 cpu min` of processor time, over all cores; `2000 steps`.
    ///
    /// # Errors
    /// What is expected, where it is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "it is {text:?}, it must be a time above zero such as \"90s\", \"20min\" or \"1.5h\", processor time such as \"20 cpu min\", \
                 or a number of steps such as \"2000 steps\""
            )
        };
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..digits], text[digits..].trim());
        if unit == "steps" {
            let steps = number.parse().ok().filter(|&steps| steps > 0);
            return steps.map(Self::Steps).ok_or_else(expected);
        }
        let (unit, clock) = match unit.strip_prefix("cpu") {
            Some(unit) => (unit, Clock::Processor),
            None => (unit, Clock::Wall),
        };
        let time = parse_duration(&format!("{number}{unit}")).map_err(|_| expected())?;
        Ok(Self::Time(time, clock))
    }

    /// An equal share of it, at least a step.
    #[must_use]
    pub fn share(self, of: usize) -> Self {
        let of = of.max(1);
        match self {
            Self::Time(time, clock) => Self::Time(time / of as u32, clock),
            Self::Steps(steps) => Self::Steps((steps / of).max(1)),
        }
    }
}

/// By what time is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// That on the wall.
    Wall,
    /// That of the processor: the time that all threads of this process have computed.
    Processor,
}

/// A moment by a clock.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    wall: Instant,
    processor: Duration,
    clock: Clock,
}

impl Clock {
    /// Now.
    pub fn now(self) -> Moment {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let processor = Duration::new(time.tv_sec.max(0).unsigned_abs(), time.tv_nsec.clamp(0, 999_999_999) as u32);
        Moment { wall: Instant::now(), processor, clock: self }
    }
}

impl Moment {
    /// The time since then.
    pub fn elapsed(&self) -> Duration {
        match self.clock {
            Clock::Wall => self.wall.elapsed(),
            Clock::Processor => self.clock.now().processor.saturating_sub(self.processor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read() {
        let minutes = |count: u64, clock| Budget::Time(Duration::from_secs(60 * count), clock);
        for (text, budget) in [
            ("20min", minutes(20, Clock::Wall)),
            ("20 min", minutes(20, Clock::Wall)),
            ("20 cpu min", minutes(20, Clock::Processor)),
            ("1cpu h", minutes(60, Clock::Processor)),
            ("2000 steps", Budget::Steps(2000)),
        ] {
            assert_eq!(Budget::parse(text), Ok(budget), "{text}");
        }
        for text in
            ["", "20", "0 steps", "1.5 steps", "steps", "-3 steps", "cpu", "20 cpu", "20 gpu min", "0 cpu min", "é"]
        {
            let error = Budget::parse(text).unwrap_err();
            assert!(error.contains("20 cpu min") && error.contains("2000 steps"), "{error}");
        }
        assert_eq!(minutes(20, Clock::Wall).share(2), minutes(10, Clock::Wall));
        assert_eq!((Budget::Steps(10).share(3), Budget::Steps(1).share(3)), (Budget::Steps(3), Budget::Steps(1)));
    }

    #[test]
    fn the_processor_does_not_count_waiting() {
        let start = Clock::Processor.now();
        let mut sum = 0_u64;
        while start.elapsed() < Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
    }
}
