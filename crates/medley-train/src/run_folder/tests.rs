use std::collections::{BTreeMap, BTreeSet};

use medley_core::record::{Environment, SCHEMA_VERSION};
use medley_core::{Convolutions, ImageShape, MemoryLayout, Modality, Origin, Precision, Split, TaskKind, TaskSpec};
use medley_storage::{Fault, FaultyFs, RealFs};

use super::*;

const CONFIG: &str = "name = \"small\"\n";

fn record(task: &str) -> DataRecord {
    DataRecord {
        task: TaskSpec {
            name: task.to_owned(),
            title: task.to_uppercase(),
            kind: TaskKind::Binary,
            modality: Modality::Ultrasound,
            classes: vec!["a".to_owned(), "b".to_owned()],
            shape: ImageShape::flat(28, 28, 1),
            origin: Origin::Synthetic,
        },
        file: format!("{task}.npz"),
        md5: "0".repeat(32),
        sha256: "0".repeat(64),
        release: None,
        rows: BTreeMap::from([(Split::Train, 5)]),
        class_counts: BTreeMap::new(),
    }
}

fn describe(run: &str) -> (Manifest, String) {
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        run: run.to_owned(),
        created: utc_now(),
        seeds: vec![0],
        environment: Environment {
            medley: "0.1.0".to_owned(),
            libtorch: "2.11.0".to_owned(),
            device: "cpu".to_owned(),
            cpu_capability: "avx2".to_owned(),
            threads: 1,
            precision: Precision::Fp32,
            memory_layout: MemoryLayout::Contiguous,
            convolutions: Convolutions::Libtorch,
            replicas: 1,
            platform: "linux-x86_64".to_owned(),
            kernel_instructions: None,
            mkl_cbwr: None,
        },
        calibration: Vec::new(),
        data: vec![record("breastmnist"), record("octmnist")],
        config_sha256: config_sha256(CONFIG),
        normalisation: BTreeMap::new(),
        pretrained: None,
        git_revision: None,
        parent: None,
        teachers: Vec::new(),
        folds: None,
        no_test: false,
        test_openings: Vec::new(),
        data_folder: Some("/home/me/medmnist".to_owned()),
    };
    (manifest, CONFIG.to_owned())
}

fn create(runs: &Path, run_name: Option<&str>) -> Result<RunFolder, RunFolderError> {
    RunFolder::create(runs, "small", run_name, &RealFs, describe)
}

/// A run folder that nobody holds.
fn finished(runs: &Path) -> RunLayout {
    create(runs, None).unwrap().layout().clone()
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = (fs_err::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn message(result: Result<RunFolder, RunFolderError>, folder: &Path) -> String {
    use std::error::Error as _;
    let error = result.unwrap_err();
    let cause = error.source().map(|source| format!("\n  because: {source}")).unwrap_or_default();
    format!("{error}{cause}").replace(&folder.display().to_string(), "DIR")
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("a").join("runs");
    let created = create(&runs, None).unwrap();
    let (layout, manifest) = (created.layout().clone(), created.manifest().clone());
    assert_eq!((layout.root(), manifest.run.as_str()), (runs.join("small-1").as_path(), "small-1"));
    assert_eq!(entries(layout.root()), ["config.toml", "manifest.json", "run.lock"]);
    drop(created);
    fs_err::write(layout.root().join(".tmp-1-results.json"), "torn").unwrap();
    fs_err::create_dir(layout.predictions()).unwrap();
    fs_err::write(layout.predictions().join(".tmp-1-x.csv"), "torn").unwrap();
    let opened = RunFolder::open(layout.root()).unwrap();
    assert_eq!((opened.manifest(), opened.config_text(), opened.layout()), (&manifest, CONFIG, &layout));
    assert_eq!(entries(layout.root()), ["config.toml", "manifest.json", "predictions", "run.lock"]);
    assert!(entries(&layout.predictions()).is_empty());
}

#[test]
fn numbers_go_on_from_the_largest() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["small-2", "small-10", "small-1-99", "small-x", "smaller-50", "small-", "small--70", "small"] {
        fs_err::create_dir(folder.path().join(name)).unwrap();
    }
    fs_err::write(folder.path().join("small-11"), "a file").unwrap();
    assert_eq!(finished(folder.path()).name(), "small-12");
    assert_eq!(finished(folder.path()).name(), "small-13");
    fs_err::create_dir(folder.path().join(format!("small-{}", u64::MAX))).unwrap();
    assert!(matches!(create(folder.path(), None), Err(RunFolderError::Exists { .. })));
}

#[test]
fn a_given_name_is_taken_as_it_is_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = create(folder.path(), Some("mine")).unwrap();
    assert_eq!(first.layout().name(), "mine");
    let before = entries(first.layout().root());
    insta::assert_snapshot!(message(create(folder.path(), Some("mine")), folder.path()), @"run `DIR/mine` already exists, and runs are never overwritten; choose another name, omit `--name` to get a numbered one, or resume it: medley resume DIR/mine");
    assert_eq!(entries(first.layout().root()), before);
    let devices = ["CON", "nul", "com1", "LPT9.txt"];
    for name in
        ["", ".", "..", "a/b", "/a", "a\\b", "-a", ".a", "a b", "ä", "a\n", &"a".repeat(101)].iter().chain(&devices)
    {
        assert!(matches!(create(folder.path(), Some(name)), Err(RunFolderError::BadName { .. })), "{name:?}");
    }
    assert_eq!(entries(folder.path()), ["mine"]);
    assert!(["con-1", "com", "com10", "console", "a.con", "lpt"].into_iter().all(super::is_name));
}

#[test]
fn folders_made_at_the_same_time_have_different_names() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let names: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| finished(&runs).name())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), 16);
    for name in &names {
        assert_eq!(RunFolder::open(&runs.join(name)).unwrap().manifest().run, *name);
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let held = create(folder.path(), None).unwrap();
    let root = held.layout().root().to_owned();
    let text = message(RunFolder::open(&root), folder.path());
    assert!(text.contains(&format!("`DIR/small-1` is in use by process {} on ", std::process::id())), "{text}");
    drop(held);
    let again = RunFolder::open(&root).unwrap();
    assert!(matches!(RunFolder::open(&root), Err(RunFolderError::InUse { .. })));
    drop(again);
    assert!(RunFolder::open(&root).is_ok());
}

#[test]
fn whatever_fails_nothing_is_left_behind() {
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let runs = folder.path().join("a").join("runs");
            let storage = FaultyFs::new(fail_at, fault);
            let result = RunFolder::create(&runs, "small", None, &storage, describe);
            assert_eq!(result.is_err(), storage.tripped(), "{fault:?} at {fail_at}");
            if !storage.tripped() {
                // Two folders above, the hidden one, two files, and the name.
                assert_eq!(fail_at, 6);
                break;
            }
            assert!(entries(folder.path()).is_empty(), "{fault:?} at {fail_at}: {:?}", entries(folder.path()));
        }
    }
}

#[test]
fn what_was_there_before_stays_when_creation_fails() {
    let folder = tempfile::tempdir().unwrap();
    finished(folder.path());
    for fail_at in 0..4 {
        let storage = FaultyFs::new(fail_at, Fault::Crash);
        assert!(RunFolder::create(folder.path(), "small", None, &storage, describe).is_err());
        assert_eq!(entries(folder.path()), ["small-1"]);
        assert!(RunFolder::open(&folder.path().join("small-1")).is_ok());
    }
}

#[test]
fn a_parent_that_is_no_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs_err::write(&file, "").unwrap();
    let text = message(create(&file.join("runs"), None), folder.path());
    assert!(
        text.starts_with("cannot create folder `DIR/file/runs`; does its parent exist, and is it writable?\n"),
        "{text}"
    );
    assert!(text.contains("because: "), "{text}");
    let text = message(create(&file, Some("mine")), folder.path());
    assert!(text.starts_with("cannot create folder `DIR/file/mine`"), "{text}");
    let text = message(create(&file, None), folder.path());
    assert!(text.starts_with("cannot read `DIR/file`"), "{text}");
}

#[test]
fn what_is_no_run_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = vec![message(RunFolder::open(&folder.path().join("nowhere")), folder.path())];
    let other = folder.path().join("other");
    fs_err::create_dir(&other).unwrap();
    said.push(message(RunFolder::open(&other), folder.path()));
    fs_err::write(other.join("manifest.json"), "{}").unwrap();
    said.push(message(RunFolder::open(&other), folder.path()));
    assert_eq!(entries(&other), ["manifest.json"]);
    said.push(message(RunFolder::open(&other.join("manifest.json")), folder.path()));
    insta::assert_snapshot!(said.join("\n"), @"
    there is no run folder `DIR/nowhere`
    `DIR/other` is not a run folder: it has no manifest.json; run folders lie under `runs`, such as runs/quickstart-1
    `DIR/other` is not a run folder: it has no config.toml; run folders lie under `runs`, such as runs/quickstart-1
    `DIR/other/manifest.json` is not a run folder: it is a file; run folders lie under `runs`, such as runs/quickstart-1
    ");
}

#[test]
fn what_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layout = finished(folder.path());
    let manifest = fs_err::read_to_string(layout.manifest()).unwrap();
    let mut said = Vec::new();
    for text in [
        manifest.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1),
        "{\"schema_version\": 9, \"other\": []}".to_owned(),
        manifest[..manifest.len() / 2].to_owned(),
        manifest.replacen("\"seeds\"", "\"sedes\"", 1),
        String::new(),
    ] {
        fs_err::write(layout.manifest(), text).unwrap();
        said.push(message(RunFolder::open(layout.root()), folder.path()));
    }
    fs_err::write(layout.manifest(), [0xff, 0xfe]).unwrap();
    said.push(message(RunFolder::open(layout.root()), folder.path()));
    // Fields of later programs are no reason to refuse.
    fs_err::write(layout.manifest(), manifest.replacen('{', "{\"later\": 1,", 1)).unwrap();
    RunFolder::open(layout.root()).unwrap();
    fs_err::write(layout.config(), "name = \"other\"\n").unwrap();
    said.push(message(RunFolder::open(layout.root()), folder.path()));
    insta::assert_snapshot!(said.join("\n"), @"
    `DIR/small-1/manifest.json` has schema version 2, this program reads 1: use the release of Medley that wrote it
    `DIR/small-1/manifest.json` has schema version 9, this program reads 1: use the release of Medley that wrote it
    `DIR/small-1/manifest.json`, line 40, column 28, key `data`: EOF while parsing a string
    `DIR/small-1/manifest.json`, line 75, column 1: missing field `seeds`
    `DIR/small-1/manifest.json`, line 1, column 0: EOF while parsing a value
    `DIR/small-1/manifest.json`, line 1: this is not UTF-8 text
    `DIR/small-1/config.toml` was changed after the run was made (its SHA-256 is not that of the manifest), so the run cannot be resumed; undo the change, or start a new run: medley train DIR/small-1/config.toml
    ");
}

#[test]
fn data_must_be_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let run = create(folder.path(), None).unwrap();
    let data = run.manifest().data.clone();
    run.check_data(&data).unwrap();
    let change = |change: &dyn Fn(&mut Vec<DataRecord>)| {
        let mut data = data.clone();
        change(&mut data);
        run.check_data(&data).unwrap_err().to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    let said = [
        change(&|data| data[1].sha256 = "1".repeat(64)),
        change(&|data| data.swap(0, 1)),
        change(&|data| data[0].task.classes.swap(0, 1)),
        change(&|data| {
            data.pop();
        }),
        change(&|data| data.push(record("bloodmnist"))),
    ];
    insta::assert_snapshot!(said.join("\n"), @"
    run `DIR/small-1` cannot be resumed with other data: task `octmnist`, file `octmnist.npz`: its SHA-256 was 000000000000…, it is 111111111111…; point --data to the files that the run started with, then in `/home/me/medmnist`, or start a new run
    run `DIR/small-1` cannot be resumed with other data: task `octmnist`, file `octmnist.npz`: the run started with `breastmnist` in its place; point --data to the files that the run started with, then in `/home/me/medmnist`, or start a new run
    run `DIR/small-1` cannot be resumed with other data: task `breastmnist`, file `breastmnist.npz`: it is read as another task than before; point --data to the files that the run started with, then in `/home/me/medmnist`, or start a new run
    run `DIR/small-1` cannot be resumed with other data: task `octmnist`, file `octmnist.npz`: it is missing; point --data to the files that the run started with, then in `/home/me/medmnist`, or start a new run
    run `DIR/small-1` cannot be resumed with other data: task `bloodmnist`, file `bloodmnist.npz`: the run started without it; point --data to the files that the run started with, then in `/home/me/medmnist`, or start a new run
    ");
}

#[test]
fn too_little_space_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    check_space(folder.path(), 1).unwrap();
    let error = check_space(folder.path(), u64::MAX).unwrap_err();
    assert!(matches!(error, RunFolderError::NoSpace { needed: u64::MAX, .. }));
    let text = error.to_string();
    assert!(text.starts_with("not enough space for `") && text.contains(" are free; make room"), "{text}");
    check_space(&folder.path().join("missing"), u64::MAX).unwrap();
}
