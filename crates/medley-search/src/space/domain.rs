use std::fmt;

// The same bits on every machine, so that a proposal can be derived again on another.
use libm::{exp, log};
use toml::Value;

/// The values of a key, and how they lie in [0, 1).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Domain {
    /// Numbers between two ends, both included; even in the value, or in its logarithm (then `low` is positive).
    Real {
        /// Least.
        low: f64,
        /// Greatest; more than `low`.
        high: f64,
        /// Whether the logarithm is even.
        log: bool,
    },
    /// `low`, `low + step`, and so on: `count` numbers, at least 2.
    Steps {
        /// Least.
        low: f64,
        /// From one to the next; positive.
        step: f64,
        /// How many.
        count: usize,
    },
    /// Whole numbers `low`, `low + step`, and so on: `count` of them, at least 2.
    Integer {
        /// Least.
        low: i64,
        /// From one to the next; positive.
        step: i64,
        /// How many.
        count: usize,
    },
    /// Whole numbers between two ends, both included, even in the logarithm: n has the share of [n - 1/2, n + 1/2].
    LogInteger {
        /// Least, at least 1.
        low: i64,
        /// Greatest; more than `low`.
        high: i64,
    },
    /// Values without an order, all different.
    Choice(Vec<Value>),
}

/// The greatest number below 1.
const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

impl Domain {
    /// The number of values; `None` where they are not counted.
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Real { .. } => None,
            Self::Steps { count, .. } | Self::Integer { count, .. } => Some(*count),
            Self::LogInteger { low, high } => usize::try_from(high - low + 1).ok(),
            Self::Choice(values) => Some(values.len()),
        }
    }

    /// Whether the values have no order.
    pub fn is_choice(&self) -> bool {
        matches!(self, Self::Choice(_))
    }

    /// The value at a number of [0, 1); others are moved to the ends.
    pub fn value(&self, at: f64) -> Value {
        let at = at.clamp(0.0, BELOW_ONE);
        match self {
            Self::Real { high, .. } if at >= BELOW_ONE => Value::Float(*high),
            Self::Real { low, high, log: false } => Value::Float((low + at * (high - low)).clamp(*low, *high)),
            Self::Real { low, high, log: true } => {
                let (from, to) = (log(*low), log(*high));
                Value::Float(rounded(exp(from + at * (to - from))).clamp(*low, *high))
            }
            Self::Steps { low, step, .. } => Value::Float(rounded(low + self.cell_of(at) as f64 * step)),
            Self::Integer { low, step, .. } => Value::Integer(low + self.cell_of(at) as i64 * step),
            Self::LogInteger { low, .. } => Value::Integer(low + self.cell_of(at) as i64),
            Self::Choice(values) => values[self.cell_of(at)].clone(),
        }
    }

    /// The index of the value at a number of [0, 1); `None` where values are not counted.
    pub fn cell(&self, at: f64) -> Option<usize> {
        self.count().map(|_| self.cell_of(at.clamp(0.0, BELOW_ONE)))
    }

    fn cell_of(&self, at: f64) -> usize {
        if let Self::LogInteger { low, high } = self {
            let (from, to) = log_ends(*low, *high);
            let value = exp(from + at * (to - from)).round();
            return (value - *low as f64).clamp(0.0, (high - low) as f64) as usize;
        }
        let count = self.count().unwrap_or(1);
        ((at * count as f64) as usize).min(count - 1)
    }

    /// The share of [0, 1) that a counted value has, by its index: from, to. The middle stands for the value.
    pub fn bounds(&self, index: usize) -> (f64, f64) {
        if let Self::LogInteger { low, high } = self {
            let (from, to) = log_ends(*low, *high);
            let value = *low as f64 + index as f64;
            let place = |value: f64| ((log(value) - from) / (to - from)).clamp(0.0, 1.0);
            return (place(value - 0.5), place(value + 0.5));
        }
        let count = self.count().unwrap_or(1) as f64;
        (index as f64 / count, (index + 1) as f64 / count)
    }

    /// The number in [0, 1) that stands for a value; `None` of a value that is not among them.
    pub fn place_of(&self, value: &Value) -> Option<f64> {
        let index = match self {
            Self::Real { low, high, log: is_log } => {
                let value = value.as_float().filter(|value| (low..=high).contains(&value))?;
                let scale = |number: f64| if *is_log { log(number) } else { number };
                return Some(((scale(value) - scale(*low)) / (scale(*high) - scale(*low))).clamp(0.0, BELOW_ONE));
            }
            Self::Steps { low, step, count } => {
                let index = ((value.as_float()? - low) / step).round().max(0.0) as usize;
                (index < *count && rounded(low + index as f64 * step) == value.as_float()?).then_some(index)?
            }
            Self::Integer { low, step, count } => {
                let above = value.as_integer()?.checked_sub(*low).filter(|above| *above >= 0 && above % step == 0)?;
                usize::try_from(above / step).ok().filter(|index| index < count)?
            }
            Self::LogInteger { low, high } => {
                let value = value.as_integer().filter(|value| (low..=high).contains(&value))?;
                usize::try_from(value - low).ok()?
            }
            Self::Choice(values) => values.iter().position(|choice| choice == value)?,
        };
        let (from, to) = self.bounds(index);
        Some(f64::midpoint(from, to).min(BELOW_ONE))
    }
}

/// The ends of whole numbers in the logarithm.
fn log_ends(low: i64, high: i64) -> (f64, f64) {
    (log(low as f64 - 0.5), log(high as f64 + 0.5))
}

/// To 12 digits: 0.1 + 0.2 is 0.3, and 10^-3 is 0.001.
fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real { low, high, .. } => write!(f, "a number in [{low:?}, {high:?}]"),
            Self::Steps { low, step, count } => {
                write!(f, "a number in [{low:?}, {:?}] in steps of {step:?}", rounded(low + (count - 1) as f64 * step))
            }
            Self::Integer { low, step, count } => {
                write!(f, "an integer in [{low}, {}] in steps of {step}", low + (*count as i64 - 1) * step)
            }
            Self::LogInteger { low, high } => write!(f, "an integer in [{low}, {high}]"),
            Self::Choice(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "one of {}", values.join(", "))
            }
        }
    }
}
