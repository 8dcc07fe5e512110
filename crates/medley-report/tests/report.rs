//! Whole pages from run folders made by hand.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

mod common;

use medley_report::write_report;
use medley_storage::RealFs;

/// `MEDLEY_REPORT_OUT=DIR cargo test -p medley-report --test report keep` keeps the pages, to be looked at.
#[test]
fn keep_pages_to_look_at() {
    let Some(folder) = std::env::var_os("MEDLEY_REPORT_OUT").map(std::path::PathBuf::from) else { return };
    for fixture in [common::small_three(), common::one_seed(), common::tensor_reloaded()] {
        let page = write_report(&fixture.layout, &RealFs).unwrap();
        std::fs::copy(page, folder.join(format!("{}.html", fixture.layout.name()))).unwrap();
    }
    let unfinished = common::small_three();
    unfinished.make_unfinished();
    let page = write_report(&unfinished.layout, &RealFs).unwrap();
    std::fs::copy(page, folder.join("unfinished.html")).unwrap();
}
