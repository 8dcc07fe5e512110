//! placeholder.
mod document;
mod error;
mod place;
pub mod pruner;
pub mod sampler;
pub mod space;
pub mod study;

pub use error::SearchError;
pub use place::Place;
pub use pruner::{History, Pruner, PrunerConfig, TrialState, Verdict};
pub use sampler::{Ask, Direction, Observation, Outcome, Sampler, SamplerConfig};
pub use space::{Condition, Dimension, Domain, Point, Space};
pub use study::{
    Best, Evaluation, Objective, Reason, Status, Study, StudyDefinition, Trial, TrialRecord, Work, WorkOptions, work,
};
