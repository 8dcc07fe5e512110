//! One file per subcommand.

pub(crate) mod auto;
pub(crate) mod bundle;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod lr_find;
pub(crate) mod models;
pub(crate) mod predict;
pub(crate) mod preview;
pub(crate) mod robustness;
pub(crate) mod serve;
pub(crate) mod study;
pub(crate) mod train;
