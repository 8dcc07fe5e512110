//! Who may depend on whom, by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use medley_tests::repository::root;

/// The house plan: each crate and the crates of the house it may use. Tests and benchmarks of a crate included.
const PLAN: [(&str, &[&str]); 10] = [
    ("medley-core", &[]),
    ("medley-storage", &[]),
    ("medley-data", &["medley-core", "medley-storage"]),
    ("medley-augment", &["medley-core"]),
    ("medley-metrics", &["medley-core"]),
    ("medley-models", &["medley-core", "medley-storage"]),
    (
        "medley-train",
        &["medley-core", "medley-storage", "medley-data", "medley-augment", "medley-metrics", "medley-models"],
    ),
    ("medley-report", &["medley-core", "medley-storage", "medley-metrics"]),
    (
        "medley-cli",
        &[
            "medley-core",
            "medley-storage",
            "medley-data",
            "medley-augment",
            "medley-metrics",
            "medley-models",
            "medley-train",
            "medley-report",
        ],
    ),
    ("medley-tests", &[]),
];

/// Crates that must build, and pass their tests, without libtorch.
const WITHOUT_TENSORS: [&str; 7] = [
    "medley-core",
    "medley-storage",
    "medley-data",
    "medley-augment",
    "medley-metrics",
    "medley-report",
    "medley-tests",
];

fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        // Only this platform, so that crates of other systems need not be fetched.
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), platform])
            .exec()
            .expect("cargo metadata reads the workspace")
    })
}

/// Names of all packages that a member needs: directly of any kind (`direct`), and from there on what those need to be built.
fn closure(member: &str) -> BTreeSet<String> {
    let metadata = metadata();
    let names: BTreeMap<&PackageId, &str> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let nodes: BTreeMap<_, _> = metadata.resolve.as_ref().unwrap().nodes.iter().map(|node| (&node.id, node)).collect();
    let start = &metadata.packages.iter().find(|package| package.name.as_str() == member).unwrap().id;
    let (mut found, mut queue) = (BTreeSet::new(), vec![start]);
    while let Some(id) = queue.pop() {
        for dependency in &nodes[id].deps {
            let only_for_tests = dependency.dep_kinds.iter().all(|kind| kind.kind == DependencyKind::Development);
            if (id == start || !only_for_tests) && found.insert(names[&dependency.pkg].to_owned()) {
                queue.push(&dependency.pkg);
            }
        }
    }
    found
}

#[test]
fn crates_depend_on_each_other_as_planned() {
    let metadata = metadata();
    let members: BTreeSet<_> = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let planned: BTreeSet<_> = PLAN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(members, planned, "a crate that is not in the plan, or the other way round");
    for package in metadata.workspace_packages() {
        let allowed = PLAN.iter().find(|(name, _)| package.name.as_str() == *name).unwrap().1;
        for dependency in package.dependencies.iter().filter(|dependency| dependency.name.starts_with("medley-")) {
            assert!(allowed.contains(&dependency.name.as_str()), "{} uses {}", package.name, dependency.name);
        }
    }
}

#[test]
fn crates_without_tensors_never_need_tch() {
    for member in WITHOUT_TENSORS {
        let needed = closure(member);
        for tensor in ["tch", "torch-sys"] {
            assert!(!needed.contains(tensor), "{member} needs {tensor}, be it through another crate");
        }
    }
    // The check bites: a crate that does need it is seen to.
    assert!(closure("medley-models").contains("torch-sys"));
}

#[test]
fn report_never_needs_train_or_data() {
    let needed = closure("medley-report");
    for forbidden in ["medley-train", "medley-models", "medley-data"] {
        assert!(!needed.contains(forbidden), "medley-report needs {forbidden}: it reads run folders alone");
    }
}

#[test]
fn models_know_no_data_set() {
    let needed = closure("medley-models");
    for forbidden in ["medley-data", "medley-augment", "medley-train"] {
        assert!(!needed.contains(forbidden), "medley-models needs {forbidden}");
    }
}

#[test]
fn core_needs_five_crates_and_none_for_input_or_output() {
    let package = metadata().packages.iter().find(|package| package.name.as_str() == "medley-core").unwrap();
    let direct: BTreeSet<_> = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let allowed = BTreeSet::from(["ndarray", "rand", "rand_chacha", "serde", "thiserror"]);
    assert!(direct.is_subset(&allowed), "medley-core needs {:?} as well", direct.difference(&allowed));
}

#[test]
fn versions_are_chosen_in_one_place() {
    for package in metadata().workspace_packages() {
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(section) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for (name, value) in section {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(inherited, "{}: `{name}` must say `workspace = true`", package.manifest_path);
            }
        }
    }
}

#[test]
fn tch_is_the_version_that_scripts_libtorch_serves() {
    let tch = metadata().packages.iter().find(|package| package.name.as_str() == "torch-sys").unwrap();
    let build = std::fs::read_to_string(tch.manifest_path.with_file_name("build.rs")).unwrap();
    let wanted = build.split("const TORCH_VERSION: &str = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let script = std::fs::read_to_string(root().join("scripts/libtorch")).unwrap();
    assert!(
        script.contains(&format!("readonly VERSION={wanted}\n")),
        "torch-sys {} wants libtorch {wanted}",
        tch.version
    );
    for list in ["cpu", "cuda"] {
        let pins = std::fs::read_to_string(root().join(format!("scripts/libtorch.d/{list}.txt"))).unwrap();
        assert!(pins.contains(&format!("torch=={wanted} --hash=sha256:")), "{list}.txt pins another torch");
    }
}

#[test]
fn licences_of_dependencies_are_on_the_list() {
    let policy: toml::Table = std::fs::read_to_string(root().join(".cargo/deny.toml")).unwrap().parse().unwrap();
    let allowed: BTreeSet<_> =
        policy["licenses"]["allow"].as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
    for package in &metadata().packages {
        // Old manifests write `/` for OR. Parentheses do not nest in practice: dropping them keeps OR of ANDs and AND of ORs
        // of the dependencies at hand right, as every alternative in them is on the list.
        let text = package.license.clone().unwrap_or_default().replace('/', " OR ").replace(['(', ')'], "");
        let fine = |choice: &str| choice.split(" AND ").all(|licence| allowed.contains(licence.trim()));
        assert!(text.split(" OR ").any(fine), "{} {} is under {text:?}", package.name, package.version);
    }
}
