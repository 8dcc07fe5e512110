//! What memory does not allow is refused before it begins, and what fails all the same has words and the documented code.

use medley_tests::lab::Lab;
use medley_tests::program::with_address_space;

/// 27 GB of parameters.
const WIDE: &str = "net.backbone.width=2048";

#[test]
fn a_network_that_is_too_wide_is_refused_with_numbers() {
    let lab = Lab::with_tasks(&["breastmnist"], 40);
    lab.config("lab", &["breastmnist"], "");
    let said = with_address_space(lab.path(), 8 << 20, &["train", "lab.toml", "--data", "data", "--set", WIDE]);
    assert_eq!(said.code, Some(4), "{said:?}");
    for words in [
        "error: training would take about ",
        " is free in the address space (`ulimit -v`): parameters 26.",
        "gradients 26.",
        "optimizer 53.",
        "moving average 26.",
        "A smaller `net.backbone.width`",
        "`--allow-memory` trains all the same",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert!(lab.runs().is_empty(), "left behind: {:?}", lab.runs());
}

#[test]
fn an_allocation_that_fails_has_words_and_a_code() {
    let lab = Lab::with_tasks(&["breastmnist"], 40);
    // The first activation has 1.6 GB.
    let batch = "[sampler]\nsamples_per_epoch = 8192\n[augment]\nprefetch = 1";
    lab.config("lab", &["breastmnist"], batch);
    let arguments = [
        "train",
        "lab.toml",
        "--data",
        "data",
        "--quiet",
        "--set",
        "train.batch_size=8192",
        "--set",
        "train.replicas=1",
        "--set",
        "net.backbone.width=64",
    ];
    let limit = 1_600_000;
    let refused = with_address_space(lab.path(), limit, &arguments);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("activations of 8192 images") && refused.stderr.contains("`train.batch_size`"));
    assert!(lab.runs().is_empty(), "left behind: {:?}", lab.runs());
    let failed = with_address_space(lab.path(), limit, &[&arguments[..], &["--allow-memory"]].concat());
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert_eq!(failed.stderr.matches("error:").count(), 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("hint: a smaller `train.batch_size`"), "{}", failed.stderr);
    assert_eq!(lab.runs(), ["lab-1"]);
}
