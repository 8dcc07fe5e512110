//! A disk that is full is exit code 4 wherever something is written, and leaves no half file.

use medley_tests::lab::{Lab, files_under};
use medley_tests::program::on_a_full_disk;

#[test]
fn a_full_disk_has_one_exit_code() {
    let lab = Lab::with_tasks(&["breastmnist"], 40);
    lab.config("lab", &["breastmnist"], "");
    std::fs::create_dir_all(lab.path().join("photos/a")).unwrap();
    std::fs::create_dir_all(lab.path().join("photos/b")).unwrap();
    lab.run(&["data", "export", "breastmnist", "--out", "exported"]);
    for (index, entry) in std::fs::read_dir(lab.path().join("exported/breastmnist")).unwrap().enumerate() {
        let folder = if index % 2 == 0 { "a" } else { "b" };
        std::fs::copy(entry.unwrap().path(), lab.path().join(format!("photos/{folder}/{index}.png"))).unwrap();
    }
    let stats = ["data", "stats", "breastmnist", "--data", "data", "--memory", "10kB", "--cache", "decoded"];
    let sheet = ["data", "montage", "breastmnist", "--data", "data", "--scale", "8"];
    for arguments in [
        &["data", "synth", "retinamnist", "--rows", "40"][..],
        &["data", "import", "mine", "photos"],
        &stats,
        &sheet,
        &["data", "export", "breastmnist", "--data", "data", "--out", "again"],
        &["augment", "preview", "lab.toml", "--data", "data"],
        &["train", "lab.toml", "--data", "data", "--quiet"],
    ] {
        let before: Vec<String> = files_under(lab.path()).into_keys().collect();
        let said = on_a_full_disk(lab.path(), arguments);
        assert_eq!(said.code, Some(4), "{arguments:?}: {said:?}");
        assert_eq!(said.stderr.matches("error:").count(), 1, "{arguments:?}: {}", said.stderr);
        // What was begun in a run folder is kept, whole, for `medley resume`.
        let after = files_under(lab.path()).into_keys().filter(|name| !name.starts_with("runs/"));
        assert_eq!(after.collect::<Vec<_>>(), before, "{arguments:?} left something behind");
    }
}
