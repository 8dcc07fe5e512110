//! One file per subcommand.

pub(crate) mod augment;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod decide;
pub(crate) mod ensemble;
pub(crate) mod report;
pub(crate) mod robustness;
pub(crate) mod runs;
pub(crate) mod score;
pub(crate) mod study;
