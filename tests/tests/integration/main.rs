//! The program as a user runs it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod attacks;
mod auto;
mod commands;
mod companion;
mod data_commands;
mod data_fetch;
mod exit_codes;
mod explain;
mod full_disk;
mod gpu_check;
mod help;
mod memory;
mod predict;
mod same_bits;
mod score;
mod serve;
mod slurm;
mod weights;
mod whole_runs;
mod wrong_inputs;
