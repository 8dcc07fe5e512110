//! Which members of an `.npz` are images and which are labels, by their names.
//!
//! For given splits as in MedMNIST (`train_images`, `train_labels`) or as in Keras and scikit-learn (`x_train`, `y_train`, in letters of
//! either case); else `images` and `labels`, or `x` and `y`, and perhaps `groups`. Splits that are missing are drawn.

use medley_core::Split;
use medley_core::message::{listed, quoted};

/// The members of one split, or of all images.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) split: Option<Split>,
    pub(super) images: String,
    pub(super) labels: String,
    pub(super) groups: Option<String>,
}

/// Words for a split, MedMNIST's first.
fn words(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["train", "training"],
        Split::Val => &["val", "valid", "validation"],
        Split::Test => &["test", "testing"],
    }
}

/// Finds the members, or says which are expected.
pub(super) fn find(members: &[String]) -> Result<Vec<Names>, String> {
    let member = |name: &str| {
        let same = |member: &&String| member.eq_ignore_ascii_case(name);
        members.iter().find(|member| *member == name).or_else(|| members.iter().find(same)).cloned()
    };
    let pair = |images: String, labels: String| -> Result<Option<(String, String)>, String> {
        let Some(images) = member(&images) else { return Ok(None) };
        let labels = member(&labels).ok_or_else(|| {
            let found = listed(members.iter().map(String::as_str));
            format!("it has {} but no {}; its members are {found}", quoted(&images), quoted(&labels))
        })?;
        Ok(Some((images, labels)))
    };
    let mut found = Vec::new();
    for split in Split::ALL {
        let names = words(split).iter().flat_map(|word| {
            [(format!("{word}_images"), format!("{word}_labels")), (format!("x_{word}"), format!("y_{word}"))]
        });
        for (images, labels) in names {
            if let Some((images, labels)) = pair(images, labels)? {
                found.push(Names { split: Some(split), images, labels, groups: None });
                break;
            }
        }
    }
    if found.iter().any(|names| names.split == Some(Split::Train)) {
        return Ok(found);
    }
    for (images, labels) in [("images", "labels"), ("x", "y")] {
        if let Some((images, labels)) = pair(images.to_owned(), labels.to_owned())? {
            return Ok(vec![Names { split: None, images, labels, groups: member("groups") }]);
        }
    }
    Err(format!(
        "its members are {}; expected are `images` and `labels`, or `train_images` and `train_labels` (or `x_train` and `y_train`), \
         and so on for val and test",
        listed(members.iter().map(String::as_str))
    ))
}

/// A note where names are not those of this program.
pub(super) fn note(found: &[Names]) -> Option<String> {
    let ours = |names: &Names| match names.split {
        Some(split) => names.images == format!("{split}_images"),
        None => names.images == "images",
    };
    let taken = |names: &Names| {
        let images = &names.images;
        let split = names.split.map_or_else(String::new, |split| format!(" of {split}"));
        format!(
            "`{}` and `{}` are taken as the images and labels{split}",
            images.escape_debug(),
            names.labels.escape_debug()
        )
    };
    let foreign: Vec<String> = found.iter().filter(|names| !ours(names)).map(taken).collect();
    (!foreign.is_empty()).then(|| foreign.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(members: &[&str]) -> Result<Vec<(Option<Split>, String, String)>, String> {
        let members: Vec<String> = members.iter().map(ToString::to_string).collect();
        Ok(find(&members)?.into_iter().map(|names| (names.split, names.images, names.labels)).collect())
    }

    #[test]
    fn names_of_others_are_known() {
        let pair = |split, images: &str, labels: &str| (split, images.to_owned(), labels.to_owned());
        assert_eq!(
            found(&["x_test", "x_train", "y_test", "y_train"]).unwrap(),
            [pair(Some(Split::Train), "x_train", "y_train"), pair(Some(Split::Test), "x_test", "y_test")]
        );
        assert_eq!(found(&["X_train", "y_train"]).unwrap(), [pair(Some(Split::Train), "X_train", "y_train")]);
        assert_eq!(found(&["X", "y"]).unwrap(), [pair(None, "X", "y")]);
        assert_eq!(
            found(&["images", "labels", "test_images", "test_labels"]).unwrap(),
            [pair(None, "images", "labels")],
            "a test split alone is none"
        );
        for (members, part) in [
            (&["x_train"][..], "it has \"x_train\" but no \"y_train\""),
            (&["a", "b"], "expected are `images` and `labels`"),
            (&[], "expected are"),
        ] {
            let problem = found(members).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
