//! One file per subcommand.

pub(crate) mod augment;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod data_folder;
pub(crate) mod doctor;
pub(crate) mod models;
pub(crate) mod report;
pub(crate) mod score;
pub(crate) mod train;
