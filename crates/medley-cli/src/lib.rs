//! The medley program.
