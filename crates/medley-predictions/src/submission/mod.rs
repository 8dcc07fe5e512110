//! The competition's file: `id,id_image_in_task,task_name,label`.
//!
//! `id` counts all rows from 0, `id_image_in_task` those of a task, `task_name` is the stem of the data file, `label` the
//! class index. Public entries order the tasks in two ways, and both were accepted: any order is read ([`Submission`]), and the order
//! that is written is the caller's choice, or follows a sample file ([`write_submission`]).

/// Largest submission or sample of one that is read: that of the competition's eleven tasks takes 3 MB.
pub(crate) const LARGEST: u64 = 16 << 20;

mod error;
mod of_run;
mod order;
mod read;
mod write;

pub use error::SubmissionError;
pub use read::{Submission, is_submission};
pub use write::{
    COMPETITION_ROWS, LabelRule, SubmissionOrder, TaskLabels, WrittenSubmission, write_labels, write_submission,
    write_submission_by,
};
