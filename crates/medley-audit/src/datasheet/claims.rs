//! Statements about a file, each held against what the file says.

use medley_core::{Split, TaskKind};

use super::document::{Claim, count};
use super::facts::Facts;
use super::known::{Known, KnownSet};
use medley_data::registry::{Identity, Release};

const SEALED: &str = "test labels are sealed; --open-test-labels opens them";
/// Images per split that are generated again to check a generated set.
const REDRAWN: usize = 32;
/// How far a split may be from the stated ratio, as a share of all images: splits are made by class or patient.
const RATIO_TOLERANCE: f64 = 0.005;

/// How many images there are.
pub(super) fn counts(facts: &Facts<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    if let Some(images) = facts.known.and_then(|known| known.images) {
        claims.push(Claim::compared("images in all", count(images), described(), count(facts.measured.total())));
    }
    if let Some(release) = facts.release().filter(|_| !facts.is_synthetic()) {
        claims.extend(Split::ALL.into_iter().map(|split| {
            let (stated, found) = (release.rows[split as usize], facts.measured.rows[split as usize]);
            Claim::compared(&format!("images in {split}"), count(stated), facts.registry(), count(found))
        }));
    }
    claims
}

/// How the splits relate.
pub(super) fn splits(facts: &Facts<'_>) -> Vec<Claim> {
    let Some(known) = facts.known else { return Vec::new() };
    let mut claims = Vec::new();
    if let Some(rows) = known.rows {
        let text = |rows: [usize; 3]| rows.map(count).join(" / ");
        claims.push(Claim::compared("train / val / test", text(rows), described(), text(facts.measured.rows)));
    }
    if let Some(ratio) = &known.ratio {
        let about = if ratio.len() == 2 { "ratio of train : val" } else { "ratio of train : val : test" };
        let rows = &facts.measured.rows[..ratio.len().min(3)];
        let shares = |parts: &[usize]| -> Vec<f64> {
            let total: usize = parts.iter().sum();
            parts.iter().map(|&part| part as f64 / total.max(1) as f64).collect()
        };
        let (stated, found) = (shares(ratio), shares(rows));
        let agrees = stated.iter().zip(&found).all(|(stated, found)| (stated - found).abs() <= RATIO_TOLERANCE);
        let percent: Vec<String> = found.iter().map(|share| format!("{:.1}", 100.0 * share)).collect();
        let parts: Vec<String> = ratio.iter().map(ToString::to_string).collect();
        claims.push(Claim::judged(about, parts.join(" : "), described(), agrees, format!("{} %", percent.join(" : "))));
    }
    claims
}

/// What an image is.
pub(super) fn images(facts: &Facts<'_>) -> Vec<Claim> {
    let (shape, measured) = (facts.spec().shape, &facts.measured);
    let Some(entry) = facts.entry else { return Vec::new() };
    let edges = if entry.dimensions == 3 { 3 } else { 2 };
    let size = vec![facts.size.to_string(); edges].join(" x ");
    let found: Vec<String> =
        shape.depth.into_iter().chain([shape.height, shape.width]).map(|edge| edge.to_string()).collect();
    let (least, greatest) = measured.range;
    let mut claims = vec![
        Claim::compared("size in pixels", size, "name of the file", found.join(" x ")),
        Claim::compared("channels", entry.channels, facts.registry(), shape.channels),
        Claim::judged("values", "uint8, 0 to 255", "file format", true, format!("uint8, {least} to {greatest}")),
    ];
    if entry.channels == 3 {
        let total = measured.total();
        let found = format!("{} of {} images with colour", count(measured.coloured), count(total));
        claims.push(Claim::judged("colour", "colour images", facts.registry(), 2 * measured.coloured > total, found));
    }
    claims
}

/// What the labels are.
pub(super) fn labels(facts: &Facts<'_>) -> Vec<Claim> {
    let (spec, measured) = (facts.spec(), &facts.measured);
    let what = if spec.kind == TaskKind::MultiLabel { "labels" } else { "classes" };
    let mut claims = Vec::new();
    if let Some(classes) = facts.known.and_then(|known| known.classes) {
        let used = (0..spec.outputs()).filter(|class| !measured.absent(Split::Train).contains(class)).count();
        let found = format!("{used} with examples in train");
        claims.push(Claim::judged(&format!("number of {what}"), classes, described(), used == classes, found));
    }
    if facts.entry.is_some() {
        let mut reason = "the file holds numbers, not names".to_owned();
        if matches!(facts.identity(), Identity::Published(_)) && !facts.is_synthetic() {
            reason.push_str("; it is byte for byte the file that they are stated for");
        }
        claims.push(Claim::unchecked(&format!("names of {what}"), spec.classes.join("; "), facts.registry(), &reason));
    }
    if let Some(known) = facts.known {
        claims.extend(balance(facts, known));
    }
    claims
}

/// How many examples the classes have.
fn balance(facts: &Facts<'_>, known: &KnownSet) -> Vec<Claim> {
    let mut claims = Vec::new();
    if let Some(published) = &known.imbalance {
        // Published ratios are cut after two decimals as often as they are rounded.
        let (found, agrees) = facts.measured.imbalance().map_or_else(
            || ("a class without examples".to_owned(), false),
            |ratio| (format!("{ratio:.3}"), (ratio - published.value).abs() < 0.01),
        );
        let (about, stated) = ("largest over smallest class of train", format!("{:.2}", published.value));
        claims.push(Claim::judged(about, stated, &published.source, agrees, found));
    }
    let other_release = |release: &String| facts.release().is_none_or(|of_file| of_file.name != *release);
    if let Some(published) =
        known.class_totals.as_ref().filter(|totals| !totals.release.as_ref().is_some_and(other_release))
    {
        let text = |counts: &[usize]| counts.iter().map(|&value| count(value)).collect::<Vec<_>>().join(" / ");
        let (about, stated) = ("images per class, all splits", text(&published.value));
        claims.push(match facts.measured.class_totals() {
            Some(found) => Claim::compared(about, stated, &published.source, text(&found)),
            None => Claim::unchecked(about, stated, &published.source, SEALED),
        });
    }
    claims
}

/// Images without content. Release 2.2.4 removed some from five sets; nothing is stated of the others.
pub(super) fn blanks(facts: &Facts<'_>) -> Vec<Claim> {
    let (Some(entry), Some(release)) = (facts.entry, facts.release()) else { return Vec::new() };
    let [current, older] = entry.releases.as_slice() else { return Vec::new() };
    let total = |release: &Release| release.rows.iter().sum::<usize>();
    let stated = if release.name == current.name { 0 } else { total(older).saturating_sub(total(current)) };
    let found = facts.measured.blank.iter().sum::<usize>();
    let about = "blank images, of which 2.2.4 removed a small number";
    vec![Claim::compared(
        about,
        count(stated),
        "changelog of MedMNIST 2.2.4, and the rows of both releases",
        count(found),
    )]
}

/// Which published file it is.
pub(super) fn identity(facts: &Facts<'_>) -> Vec<Claim> {
    let (Some(entry), Some(release)) = (facts.entry, facts.release()) else { return Vec::new() };
    let mut claims = Vec::new();
    if facts.is_synthetic() {
        return claims;
    }
    if facts.is_official() && release.name != "any" {
        let found = match facts.identity() {
            Identity::Published(found) => found.name.clone(),
            Identity::SameRows(found) => format!("the rows of {}, other bytes", found.name),
            Identity::Unknown => "neither".to_owned(),
        };
        let names: Vec<&str> = entry.releases.iter().map(|release| release.name.as_str()).collect();
        let agrees = matches!(facts.identity(), Identity::Published(_));
        claims.push(Claim::judged("release of MedMNIST", names.join(" or "), facts.registry(), agrees, found));
    }
    match release.files.iter().find(|file| file.size == facts.size) {
        Some(file) => claims.push(Claim::compared("MD5", &file.md5, facts.registry(), &facts.opened.record.md5)),
        None => claims.push(Claim::unchecked(
            "MD5",
            format!("none for size {} of release {}", facts.size, release.name),
            facts.registry(),
            "there is nothing to compare with",
        )),
    }
    claims
}

/// The licence, which a file cannot testify to.
pub(super) fn licence(facts: &Facts<'_>) -> Vec<Claim> {
    let Some(entry) = facts.entry.filter(|_| !facts.is_synthetic()) else { return Vec::new() };
    let reason = if !facts.is_official() {
        "the file names no licence"
    } else if matches!(facts.identity(), Identity::Published(_)) {
        "the file names no licence; it is byte for byte the file that is published under this one"
    } else {
        "the file names no licence, and it is not the published one"
    };
    vec![Claim::unchecked("licence", &entry.licence, facts.registry(), reason)]
}

/// Whether a generated set is what Medley generates from the seed that it states.
pub(super) fn generated(facts: &Facts<'_>) -> Vec<Claim> {
    let Some(remark) = facts.remark else { return Vec::new() };
    let source = "the file itself, in its member synthetic";
    let (about, stated) = ("generated by Medley", remark.to_owned());
    let number = |before: &str| -> Option<u64> {
        let rest = remark.split_once(before)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let (Some(version), Some(seed)) = (number("version "), number("seed ")) else {
        return vec![Claim::unchecked(about, stated, source, "it names no version and seed")];
    };
    if version != u64::from(medley_synth::VERSION) {
        let reason = format!("this program generates version {}", medley_synth::VERSION);
        return vec![Claim::unchecked(about, stated, source, &reason)];
    }
    let rows = facts.measured.rows.map(|rows| rows.min(REDRAWN));
    vec![match medley_synth::generate(facts.spec(), rows, seed) {
        Ok(again) => {
            let task = &facts.opened.task;
            let pairs = [
                (task.train.images(), &again.train),
                (task.val.images(), &again.val),
                (&task.test.images, &again.test),
            ];
            let equal: usize = pairs
                .iter()
                .map(|(images, again)| {
                    use medley_core::ImageSource as _;
                    (0..again.images.len()).filter(|&row| images.image(row) == again.images.image(row)).count()
                })
                .sum();
            let redrawn: usize = rows.iter().sum();
            let found = format!("{equal} of {redrawn} images equal when generated again");
            Claim::judged(about, stated, source, equal == redrawn, found)
        }
        Err(error) => Claim::unchecked(about, stated, source, &error.to_string()),
    }]
}

fn described() -> &'static str {
    &Known::builtin().description_source
}
