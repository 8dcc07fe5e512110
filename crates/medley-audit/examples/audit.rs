//! Looks for duplicates in some files and says how long that took: `audit FILE... [--near CORRELATION]`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::path::Path;
use std::time::Instant;

use medley_audit::audit::{AuditedSet, Options, audit};
use medley_data::{OpenOptions, open_path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut files, mut options) = (Vec::new(), Options::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--near" {
            options.near = Some(arguments.next().ok_or("--near needs a number")?.parse()?);
        } else {
            files.push(open_path(Path::new(&argument), &OpenOptions::default())?);
        }
    }
    let sets: Vec<AuditedSet<'_>> =
        files.iter().map(|file| AuditedSet { task: &file.task, test_labels: None }).collect();
    let start = Instant::now();
    let found = audit(&sets, &options);
    let images: usize = files.iter().map(|file| file.rows().iter().sum::<usize>()).sum();
    println!(
        "{images} images: {} groups of equal ones ({} across), {} of nearly equal ones ({} across), {:.2} s",
        found.exact.len(),
        found.exact_across().count(),
        found.near.len(),
        found.near_across().count(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
