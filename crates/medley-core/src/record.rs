//! What a run leaves behind, as written to its folder and as read by reports.
//!
//! Every file carries [`SCHEMA_VERSION`]. Readers accept unknown fields, so a newer run can be read by an older program as
//! long as the version is the same.

mod epoch;
mod event;
mod gallery;
mod manifest;
mod related;
mod result;
mod robustness;

pub use epoch::{EpochMetrics, MetricRow, TaskMetrics};
pub use event::{Event, EventLine};
pub use gallery::{Gallery, GalleryCase, GalleryNeighbour, GalleryTask, LARGEST_GALLERY, LARGEST_PICTURE};
pub use manifest::{
    CalibrationTrial, ChannelStatistics, DataRecord, Environment, FoldsRecord, Inheritance, Manifest, Parent,
    ParentSeed, TeacherRecord, TestOpening, WeightsRecord,
};
pub use related::{Estimate, RelatedRecord, RelatedScore, RelatedTask};
pub use result::{
    ClassResult, FineTuned, Interval, PredictionRecord, Resampling, RunResults, ScoreIntervals, ScoreSet, SeedRecord,
    SeedResult, Spread, TaskIntervals, TaskResult,
};
pub use robustness::{CorruptionErrors, RobustnessRecord, SEVERITIES, TaskRobustness};

/// Version of the files described here.
pub const SCHEMA_VERSION: u32 = 1;
