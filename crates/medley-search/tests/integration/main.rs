//! Workers as processes: killed, stopped, many at once.

mod workers;
