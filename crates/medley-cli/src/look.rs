//! What is wrong with data before anyone trains on them, in a few lines, for `medley auto`.

use std::collections::BTreeMap;
use std::path::Path;

use medley_audit::audit::{Audit, AuditedSet, Options, SetFindings, audit};
use medley_core::text::{count, plural};
use medley_data::{OpenOptions, open_named};
use medley_storage::{RealFs, if_present, read_file, write_whole};
use serde::{Deserialize, Serialize};

/// Training images up to which nearly equal images are looked for.
const MOST_ROWS: usize = 20_000;
/// Name of the record.
const FILE: &str = "audit.json";
/// Most bytes of it.
const MAX_BYTES: u64 = 1 << 20;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Looked {
    /// A sentence for each finding.
    pub findings: Vec<String>,
    /// Files that say which rows belong together, by task.
    pub groups: BTreeMap<String, String>,
}

/// Looks at sets, and writes into `out` what was found, and files of nearly equal images, which belong into one fold. What was found before
/// is read. Test labels stay shut.
///
/// # Errors
/// Data that are missing or bad; the disk.
pub fn look(tasks: &[String], data: &Path, options: &OpenOptions, out: &Path) -> anyhow::Result<Looked> {
    let path = out.join(FILE);
    let known = if_present(read_file(&path, MAX_BYTES))?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(known) = known {
        return Ok(known);
    }
    let mut looked = Looked::default();
    for name in tasks {
        let task = open_named(Path::new(name), data, options)?.task;
        let near = Options::default().near.filter(|_| task.train.labels().rows() <= MOST_ROWS);
        let found = audit(&[AuditedSet { task: &task, test_labels: None }], &Options { near, ..Options::default() });
        looked.findings.extend(found.sets.iter().flat_map(|set| said(set, &found)));
        if !found.near.is_empty()
            && let Some(csv) = found.groups_csv(name)
        {
            let path = out.join(format!("groups-{name}.csv"));
            write_whole(&RealFs, &path, csv.as_bytes())?;
            looked.groups.insert(name.clone(), path.display().to_string());
        }
    }
    write_whole(&RealFs, &path, &serde_json::to_vec_pretty(&looked)?)?;
    Ok(looked)
}

fn said(set: &SetFindings, found: &Audit) -> Vec<String> {
    let name = &set.set;
    let [train, val, test] = set.rows.map(|rows| count(rows as u64));
    let mut lines = vec![format!("{name}: {train} training, {val} validation and {test} test images.")];
    let (exact, near) = (found.exact_across().count(), found.near_across().count());
    if exact > 0 {
        lines.push(format!("{name}: equal images are in more than one split: {}.", plural(exact, "group")));
    }
    if !found.near.is_empty() {
        lines.push(format!(
            "{name}: {} of nearly equal images, {near} of them in more than one split; they stay together in folds. Where one is in the \
             test split, that is easier than it looks.",
            plural(found.near.len(), "group")
        ));
    }
    if found.near_threshold.is_none() {
        lines.push(format!("{name}: nearly equal images were not looked for; `medley data audit {name}` does."));
    }
    if !set.blank.is_empty() {
        lines.push(format!("{name}: {} almost nothing on them.", plural(set.blank.len(), "image") + " have"));
    }
    for absent in &set.labels.absent {
        lines.push(format!("{name}: {} has no image of class {}, {}.", absent.split, absent.class, absent.name));
    }
    lines
}
