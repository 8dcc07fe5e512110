//! What is wrong gives one message with the path or key, the documented exit code, and no half-written run.

use medley_tests::lab::{Lab, SMALL, files_under};
use medley_tests::npz::{Array, Npz};
use medley_tests::program::{Said, must};

const TASK: &str = "breastmnist";

/// The run was refused: this code, one error message with all of these words, and nothing left behind.
fn assert_refused(lab: &Lab, said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert_eq!(said.stderr.matches("error:").count(), 1, "one message: {}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "`{word}` is not in: {}", said.stderr);
    }
    assert!(!said.stderr.contains("panicked") && !said.stderr.contains("stack backtrace"), "{}", said.stderr);
    assert!(said.stdout.is_empty(), "standard output is for results: {}", said.stdout);
    assert!(lab.runs().is_empty(), "left behind: {:?}", lab.runs());
}

fn train(lab: &Lab) -> Said {
    lab.config("lab", &[TASK], "");
    lab.run(&["train", "lab.toml", "--data", "data"])
}

/// Trains on a damaged file; `damage` gets the encoded good one.
fn with_bytes(damage: impl FnOnce(Vec<u8>) -> Vec<u8>) -> (Lab, Said) {
    let lab = Lab::new();
    let good = Npz::learnable(2, [40, 20, 20]).encode();
    std::fs::write(lab.path().join("data/breastmnist.npz"), damage(good)).unwrap();
    let said = train(&lab);
    (lab, said)
}

/// Trains on a well-formed archive with wrong content.
fn with_set(change: impl FnOnce(&mut Npz)) -> (Lab, Said) {
    let lab = Lab::new();
    let mut set = Npz::learnable(2, [40, 20, 20]);
    change(&mut set);
    set.write(&lab.path().join("data/breastmnist.npz"));
    let said = train(&lab);
    (lab, said)
}

#[test]
fn the_fixture_itself_is_accepted() {
    let lab = Lab::new();
    Npz::learnable(2, [40, 20, 20]).write(&lab.path().join("data/breastmnist.npz"));
    lab.config("lab", &[TASK], "");
    lab.train("lab", &[]);
    assert_eq!(lab.runs(), ["lab-1"]);
}

#[test]
fn a_name_that_no_set_can_have() {
    let lab = Lab::new();
    let said = lab.run(&["data", "import", "one_based", "pictures.npz"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.starts_with("error: \"one_based\" is no name for a set"), "{said:?}");
}

#[test]
fn a_missing_file() {
    let lab = Lab::new();
    let said = train(&lab);
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "medley data fetch"]);
}

#[test]
fn a_missing_file_of_a_run_of_synthetic_data() {
    let lab = Lab::with_tasks(&[TASK], 16);
    lab.config("lab", &[TASK], "");
    lab.train("lab", &[]);
    std::fs::remove_file(lab.path().join("data/breastmnist.npz")).unwrap();
    for subcommand in ["resume", "score"] {
        let said = lab.run(&[subcommand, "runs/lab-1"]);
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.stderr.contains("`medley data synth breastmnist --rows 16 --data "), "{}", said.stderr);
    }
}

#[test]
fn a_run_that_is_not_finished_says_what_finishes_it() {
    let lab = Lab::with_tasks(&[TASK], 16);
    lab.config("lab", &[TASK], "");
    lab.train("lab", &[]);
    let run = lab.path().join("runs/lab-1");
    std::fs::remove_file(run.join("results.json")).unwrap();
    std::fs::remove_dir_all(run.join("predictions")).unwrap();
    let lines = ["score runs/lab-1 --data data", "compare runs/lab-1 runs/lab-1 --data data", "submission runs/lab-1"];
    for line in lines {
        let said = lab.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(said.code, Some(4), "{line}: {said:?}");
        assert!(said.stderr.contains("`medley resume runs/lab-1`"), "{line}: {}", said.stderr);
    }
    for format in ["markdown", "latex"] {
        let said = must(lab.path(), &["report", "runs/lab-1", "--print", format]);
        assert!(said.stdout.contains("`medley resume runs/lab-1`"), "{format}: {}", said.stdout);
    }
}

#[test]
fn a_network_that_is_not_known_is_named_once_and_as_it_was_typed() {
    let lab = Lab::new();
    lab.config("lab", &[TASK], "");
    let in_config = lab.run(&["config", "show", "lab.toml", "--set", "net.backbone.name=resnet19"]);
    let problem = in_config.stderr.lines().next().unwrap_or_default();
    assert_eq!((in_config.code, problem.matches("net.backbone.name").count()), (Some(2), 1), "{in_config:?}");
    for (options, words) in
        [("resnet19", "error: no backbone is called `resnet19`"), ("resnet9 --width 0", "--width is 0")]
    {
        let said = lab.run(&format!("models show {options}").split(' ').collect::<Vec<_>>());
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(words) && !said.stderr.contains("net."), "{}", said.stderr);
    }
}

#[test]
fn a_file_of_no_bytes() {
    let (lab, said) = with_bytes(|_| Vec::new());
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz"]);
}

#[test]
fn a_truncated_file() {
    for keep in [1, 100, 30_000] {
        let (lab, said) = with_bytes(|mut bytes| {
            bytes.truncate(keep);
            bytes
        });
        assert_refused(&lab, &said, 3, &["data/breastmnist.npz"]);
    }
    let (lab, said) = with_bytes(|mut bytes| {
        bytes.truncate(bytes.len() - 1);
        bytes
    });
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz"]);
}

#[test]
fn a_file_that_is_something_else() {
    let (lab, said) = with_bytes(|_| b"<html>404 not found</html>".to_vec());
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz"]);
}

#[test]
fn a_flipped_bit_in_the_pixels() {
    let (lab, said) = with_bytes(|mut bytes| {
        bytes[5_000] ^= 1;
        bytes
    });
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "train_images"]);
}

#[test]
fn a_wrong_shape() {
    let (lab, said) = with_set(|set| set.array("val_images").shape = vec![20, 14, 56]);
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "val_images", "28"]);
    let (lab, said) = with_set(|set| *set.array("train_images") = Array::bytes(&[40 * 28 * 28], vec![0; 40 * 28 * 28]));
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "train_images"]);
}

#[test]
fn a_shape_beyond_all_memory() {
    let (lab, said) = with_set(|set| set.array("train_images").shape = vec![1 << 32, 1 << 32, 28]);
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "train_images"]);
}

#[test]
fn images_and_labels_of_different_number() {
    let (lab, said) = with_set(|set| *set.array("test_labels") = Array::bytes(&[19, 1], vec![0; 19]));
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "20", "19"]);
}

#[test]
fn a_wrong_type_of_numbers() {
    let (lab, said) = with_set(|set| {
        let array = set.array("train_images");
        array.dtype = "<f4".into();
        array.bytes = vec![0; 40 * 28 * 28 * 4];
    });
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "train_images", "f4"]);
}

#[test]
fn a_label_out_of_range() {
    for split in ["train", "val", "test"] {
        let (lab, said) = with_set(|set| set.array(&format!("{split}_labels")).bytes[7] = 2);
        assert_refused(&lab, &said, 3, &["breastmnist", "label 2", "row 7"]);
    }
}

#[test]
fn a_missing_member() {
    let (lab, said) = with_set(|set| set.members.retain(|(name, _)| name != "val_labels"));
    assert_refused(&lab, &said, 3, &["data/breastmnist.npz", "val_labels"]);
}

/// Trains with this text as config, on good data.
fn with_config(text: &str) -> (Lab, Said) {
    let lab = Lab::new();
    Npz::learnable(2, [40, 20, 20]).write(&lab.path().join("data/breastmnist.npz"));
    lab.write("lab.toml", text);
    let said = lab.run(&["train", "lab.toml", "--data", "data"]);
    (lab, said)
}

#[test]
fn an_unknown_key() {
    let (lab, said) = with_config(&format!("name = 'lab'\ntasks = ['breastmnist']\n{SMALL}epoch = 3\n"));
    assert_refused(&lab, &said, 2, &["lab.toml", "train.epoch", "did you mean", "train.epochs"]);
}

#[test]
fn a_key_of_another_optimizer() {
    let (lab, said) = with_config("[optimizer]\nname = \"sgd\"\nbeta2 = 0.9\n");
    // All keys that sgd has, to the last.
    assert_refused(&lab, &said, 2, &["`beta2` is a key of `adamw`", "`sgd` has", "`momentum`", "`nesterov`"]);
    assert!(!said.stderr.contains('…'), "{}", said.stderr);
}

#[test]
fn a_wrong_type() {
    let (lab, said) = with_config("name = 'lab'\ntasks = ['breastmnist']\n[train]\nepochs = 'ten'\n");
    assert_refused(&lab, &said, 2, &["lab.toml", "train.epochs", "4"]);
}

#[test]
fn an_unknown_task() {
    let (lab, said) = with_config("name = 'lab'\ntasks = ['brestmnist']\n");
    assert_refused(&lab, &said, 2, &["lab.toml", "tasks[0]", "brestmnist", "did you mean", "breastmnist"]);
}

#[test]
fn a_value_out_of_range() {
    let (lab, said) = with_config("name = 'lab'\ntasks = ['breastmnist']\n[train]\nepochs = 0\n");
    assert_refused(&lab, &said, 2, &["lab.toml", "train.epochs"]);
}

#[test]
fn a_config_that_is_no_toml() {
    let (lab, said) = with_config("name = 'lab\n");
    assert_refused(&lab, &said, 2, &["lab.toml", "1"]);
}

#[test]
fn a_config_that_is_not_there() {
    let lab = Lab::new();
    let said = lab.run(&["train", "nowhere.toml"]);
    assert_refused(&lab, &said, 2, &["nowhere.toml"]);
}

#[test]
fn a_bad_override() {
    let lab = Lab::new();
    lab.config("lab", &[TASK], "");
    let said = lab.run(&["train", "lab.toml", "--set", "train.epoch=3"]);
    assert_refused(&lab, &said, 2, &["train.epoch"]);
    let said = lab.run(&["train", "lab.toml", "--set", "train.epochs"]);
    assert_refused(&lab, &said, 2, &["train.epochs"]);
    for name in ["-x", "CON"] {
        let said = lab.run(&["train", "lab.toml", "--set", &format!("name={name}")]);
        assert_refused(&lab, &said, 2, &["`name`", name]);
        let said = lab.run(&["train", "lab.toml", &format!("--name={name}")]);
        assert_refused(&lab, &said, 2, &[name]);
    }
}

#[test]
fn a_device_that_is_not_there() {
    let lab = Lab::with_tasks(&[TASK], 16);
    lab.config("lab", &[TASK], "");
    let said = lab.run(&["train", "lab.toml", "--data", "data", "--set", "train.device=\"cuda:99\""]);
    assert_refused(&lab, &said, 2, &["train.device", "cuda:99"]);
}

#[test]
fn an_unknown_option() {
    let lab = Lab::new();
    let said = lab.run(&["train", "--frobnicate"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--frobnicate"), "{}", said.stderr);
}

#[test]
fn a_run_folder_that_cannot_be_written() {
    let lab = Lab::with_tasks(&[TASK], 16);
    lab.config("lab", &[TASK], "");
    lab.write("occupied", "a file where a folder is wanted");
    let said = lab.run(&["train", "lab.toml", "--data", "data", "--runs", "occupied"]);
    assert_refused(&lab, &said, 4, &["occupied"]);
    assert_eq!(std::fs::read_to_string(lab.path().join("occupied")).unwrap(), "a file where a folder is wanted");
}

#[test]
fn a_run_name_that_exists() {
    let lab = Lab::with_tasks(&[TASK], 16);
    lab.config("lab", &[TASK], "");
    lab.train("lab", &["--name", "first"]);
    let before = files_under(&lab.path().join("runs"));
    let said = lab.run(&["train", "lab.toml", "--data", "data", "--name", "first"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.stderr.contains("runs/first"), "{}", said.stderr);
    assert!(files_under(&lab.path().join("runs")) == before, "the existing run was touched");
    // Without a name, runs are numbered and never collide.
    lab.train("lab", &[]);
    lab.train("lab", &[]);
    assert_eq!(lab.runs(), ["first", "lab-1", "lab-2"]);
}

#[test]
fn a_run_that_is_none() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path().join("empty")).unwrap();
    for subcommand in ["resume", "test", "report", "submission"] {
        for folder in ["runs/nowhere", "empty"] {
            let said = lab.run(&[subcommand, folder]);
            assert_refused(&lab, &said, 4, &[folder, "run folder"]);
        }
    }
}

#[test]
fn data_that_changed_since_the_run_began() {
    let lab = Lab::new();
    let file = lab.path().join("data/breastmnist.npz");
    Npz::learnable(2, [40, 20, 20]).write(&file);
    lab.config("lab", &[TASK], "");
    lab.train("lab", &[]);
    // The lock says which process holds it; all else must stay.
    let files = || {
        let mut files = files_under(&lab.path().join("runs"));
        files.remove("lab-1/run.lock");
        files
    };
    let before = files();
    Npz::learnable(2, [42, 20, 20]).write(&file);
    let said = lab.run(&["resume", "runs/lab-1", "--data", "data"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("breastmnist"), "{}", said.stderr);
    assert!(files() == before, "the run was touched");
}
