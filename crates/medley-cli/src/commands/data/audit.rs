use std::process::ExitCode;

use medley_audit::audit::{Audit, AuditedSet, Group, ImageId, Options, SetFindings, audit};
use medley_core::Split;
use medley_core::text::plural;
use medley_data::open_named;
use medley_storage::{RealFs, Shown, write_new};

use super::test_token;
use crate::args::data::look::AuditArguments;
use crate::output;

/// Findings of a kind that are printed unless all are asked for.
const SHOWN: usize = 10;

pub(super) fn run(arguments: &AuditArguments) -> anyhow::Result<ExitCode> {
    let options = arguments.reading.options();
    let mut tasks = Vec::new();
    for set in &arguments.sets {
        tasks.push(open_named(set, &arguments.data.data, &options)?.task);
    }
    let mut sets = Vec::new();
    for task in &tasks {
        sets.push(match test_token(arguments.open_test_labels, task) {
            Some(token) => AuditedSet::with_test_labels(task, &token)?,
            None => AuditedSet { task, test_labels: None },
        });
    }
    let found = audit(&sets, &Options { near: arguments.near.0, blank_levels: arguments.blank_levels });
    if let Some(path) = &arguments.groups {
        let csv = found.sets.first().and_then(|set| found.groups_csv(&set.set)).unwrap_or_default();
        write_new(&RealFs, path, csv.as_bytes())?;
        output::note(&format!("written: `{}`", Shown(path)));
    }
    if arguments.json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&found, if arguments.all { usize::MAX } else { SHOWN })?;
    Ok(ExitCode::SUCCESS)
}

fn print(found: &Audit, shown: usize) -> anyhow::Result<()> {
    for set in &found.sets {
        print_set(set, shown)?;
    }
    groups("Equal images", &found.exact, shown)?;
    if let Some(threshold) = found.near_threshold {
        groups(&format!("Nearly equal images (correlation of at least {threshold})"), &found.near, shown)?;
    }
    Ok(())
}

fn print_set(set: &SetFindings, shown: usize) -> anyhow::Result<()> {
    let [train, val, test] = set.rows;
    output::line(&format!("{}: {train} train, {val} val, {test} test images\n", set.set))?;
    let sealed = if set.test_labels_opened { "" } else { " (test labels are sealed)" };
    match set.blank.len() {
        0 => output::line("  blank images     none")?,
        count => output::line(&format!("  blank images     {count}"))?,
    }
    for blank in set.blank.iter().take(shown) {
        let [least, most] = blank.range;
        output::line(&format!("                   {}: all values from {least} to {most}", place(&blank.image)))?;
    }
    if set.labels.absent.is_empty() {
        output::line(&format!("  absent classes   none{sealed}"))?;
    }
    for absent in &set.labels.absent {
        output::line(&format!(
            "  ABSENT CLASS     {} has no image of class {}, {}",
            absent.split, absent.class, absent.name
        ))?;
    }
    for shift in &set.labels.shifts {
        let test = shift.p_value.map_or_else(String::new, |p| format!(", p {}", probability(p)));
        output::line(&format!(
            "  prior shift      train to {}: {:.1}% of images would have to change class{test}",
            shift.split,
            100.0 * shift.distance
        ))?;
        let mut classes: Vec<_> = shift.classes.iter().collect();
        classes.sort_by(|a, b| (b.train - b.other).abs().total_cmp(&(a.train - a.other).abs()));
        for class in classes.iter().filter(|class| (class.train - class.other).abs() >= 0.02).take(shown) {
            output::line(&format!(
                "                   {}: {:.1}% -> {:.1}%",
                class.name,
                100.0 * class.train,
                100.0 * class.other
            ))?;
        }
    }
    print_precision(set)
}

fn print_precision(set: &SetFindings) -> anyhow::Result<()> {
    let precision = &set.precision;
    let (rarest, images) = (&precision.rarest.0, precision.rarest.1);
    output::line(&format!(
        "  val precision    the rarest class, {rarest}, has {images} images; one image changes macro-recall by {:.2} points",
        100.0 * precision.one_image
    ))?;
    match (precision.half_width, precision.unpaired_difference) {
        (Some(half), Some(difference)) => output::line(&format!(
            "                   at a recall of 80% the 95% interval is ±{:.1} points; scores closer than {:.1} points do not\n\
             \x20                  tell which model is better, unless the models are compared image by image\n",
            100.0 * half,
            100.0 * difference
        )),
        _ => output::line("                   a class without images is not measured\n"),
    }
}

fn groups(title: &str, groups: &[Group], shown: usize) -> anyhow::Result<()> {
    let across = groups.iter().filter(|group| group.is_across()).count();
    let differ = groups.iter().filter(|group| group.labels_differ).count();
    let pair = |one: Split, other: Split| groups.iter().filter(|group| group.joins(one, other)).count();
    output::line(&format!("{title}: {}", plural(groups.len(), "group")))?;
    if groups.is_empty() {
        return output::line("");
    }
    output::line(&format!(
        "  in more than one split or set {across} (train and val {}, train and test {}, val and test {}); labels differ in {differ}",
        pair(Split::Train, Split::Val),
        pair(Split::Train, Split::Test),
        pair(Split::Val, Split::Test)
    ))?;
    // What crosses a border matters most.
    let ordered =
        groups.iter().filter(|group| group.is_across()).chain(groups.iter().filter(|group| !group.is_across()));
    for group in ordered.take(shown) {
        let places: Vec<String> = group.images.iter().take(8).map(place).collect();
        let more = group.images.len().saturating_sub(8);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let marks = [
            (group.correlation < 1.0).then(|| format!("correlation {:.4}", group.correlation)),
            group.is_across().then(|| "ACROSS".to_owned()),
            group.labels_differ.then(|| "LABELS DIFFER".to_owned()),
        ];
        let marks: Vec<String> = marks.into_iter().flatten().collect();
        let marks = if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join(", ")) };
        output::line(&format!("  {}{more}{marks}", places.join(" = ")))?;
    }
    if groups.len() > shown {
        output::line(&format!("  and {} more: --all prints them", groups.len() - shown))?;
    }
    output::line("")
}

fn place(image: &ImageId) -> String {
    let label = image.label.as_ref().map_or_else(String::new, |label| {
        let text: Vec<String> = label.iter().map(ToString::to_string).collect();
        format!(" (label {})", text.join(" "))
    });
    format!("{} {} {}{label}", image.set, image.split, image.row)
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}
