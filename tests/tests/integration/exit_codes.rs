//! Each exit code of the README, where the program gives it. Signals (130, 143) are in `same_bits.rs`, full disks in `full_disk.rs`.

use medley_tests::lab::Lab;

#[test]
fn each_kind_of_failure_has_its_code() {
    let lab = Lab::with_tasks(&["breastmnist"], 16);
    lab.config("lab", &["breastmnist"], "[optimizer]\nname = 'sgd'\nlearning_rate = 1000.0\n");
    lab.config("absent", &["retinamnist"], "");
    // A problem for `doctor`: an entry that nobody can read, beside its file.
    std::fs::create_dir(lab.path().join("broken")).unwrap();
    lab.write("broken/mine.npz", "");
    lab.write("broken/mine.toml", "x = 1");
    for (code, line, part) in [
        (0, "config show lab.toml", ""),
        (1, "doctor --data broken", ""),
        (2, "train lab.toml --frobnicate", "--frobnicate"),
        (2, "train lab.toml --set train.epochs=0", "train.epochs"),
        (2, "score lab.toml --metrics no_such", "no_such"),
        (3, "train absent.toml --data data", "retinamnist.npz"),
        (3, "data stats brestmnist --data data", "did you mean `breastmnist`"),
        (3, "data verify breastmnist --data data", ""),
        (4, "report runs/nowhere", "runs/nowhere"),
        (4, "data synth breastmnist --out data", "--overwrite"),
        (5, "train lab.toml --data data --quiet --set train.batch_size=2 --set train.epochs=3", "training diverged"),
    ] {
        let said = lab.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(said.code, Some(code), "medley {line}: {said:?}");
        assert!(said.stderr.contains(part), "medley {line}: {}", said.stderr);
    }
}
