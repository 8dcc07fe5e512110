//! Medley from outside: what its integration tests share.
//!
//! The crates test themselves; here the whole is tested. `tests/architecture` holds the rules that no compiler checks
//! (who may depend on whom, who may open a test label, what may lie where); `tests/integration` runs the built program as a
//! user does and looks at nothing but its exit codes, its output and the files it leaves.
//!
//! [`repository`] walks the sources, [`program`] builds and runs `medley`, [`python`] says whether scripts can run, [`lab`] is a folder to run it in, and [`npz`] writes
//! data files, good and bad, with a writer of its own: a mistake in the reader of `medley-data` cannot hide in a mistake of its writer.
//!
//! ```
//! use medley_tests::repository;
//! assert!(repository::root().join("Cargo.lock").is_file());
//! ```

pub mod lab;
pub mod npz;
pub mod program;
pub mod python;
pub mod repository;
