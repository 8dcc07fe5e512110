//! Who may depend on whom, by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use medley_tests::repository::{root, rust_files, text};

/// A crate as the map of ARCHITECTURE.md draws it.
#[derive(Debug, PartialEq, Eq)]
struct Crate {
    /// The crates of the workspace that it uses, without those that only its tests use.
    uses: BTreeSet<String>,
    /// Whether it needs libtorch, be it through another crate.
    tensors: bool,
}

/// Reads the block under `## Map`: `name  purpose  -> used crates  (tch)`; a line that begins with a space continues the one above.
fn drawn_map() -> BTreeMap<String, Crate> {
    let document = text(Path::new("ARCHITECTURE.md"));
    let block = document.split("## Map").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("a block under Map");
    let mut entries: Vec<String> = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        match entries.last_mut() {
            Some(entry) if line.starts_with(' ') => entry.push_str(line),
            _ => entries.push(line.to_owned()),
        }
    }
    let crates = entries.iter().filter(|entry| entry.starts_with("medley-"));
    let read = |entry: &String| {
        let name = entry.split_whitespace().next().unwrap_or_default().to_owned();
        let needed = entry.split_once("->").map_or("", |(_, needed)| needed).replace("(tch)", "");
        let uses = needed.split_whitespace().map(|short| format!("medley-{short}")).collect();
        (name, Crate { uses, tensors: entry.contains("(tch)") })
    };
    crates.map(read).collect()
}

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
fn the_map_is_what_cargo_sees() {
    let metadata = metadata();
    let mut seen = BTreeMap::new();
    for package in metadata.workspace_packages().into_iter().filter(|package| package.name.as_str() != "medley-tests") {
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        let uses =
            normal.map(|dependency| dependency.name.clone()).filter(|name| name.starts_with("medley-")).collect();
        let tensors = closure(&package.name).contains("torch-sys");
        seen.insert(package.name.to_string(), Crate { uses, tensors });
    }
    let drawn = drawn_map();
    for (name, seen) in &seen {
        let drawn = drawn.get(name).unwrap_or_else(|| panic!("{name} is not on the map of ARCHITECTURE.md"));
        assert_eq!(drawn, seen, "{name}: the map of ARCHITECTURE.md (left) is not what cargo sees (right)");
    }
    for name in drawn.keys() {
        assert!(seen.contains_key(name), "{name} is on the map of ARCHITECTURE.md, but not in the workspace");
    }
}

#[test]
fn only_training_and_the_program_need_tensors() {
    let with_tensors: Vec<_> =
        drawn_map().into_iter().filter_map(|(name, drawn)| drawn.tensors.then_some(name)).collect();
    let expected = [
        "medley-autograd",
        "medley-explain",
        "medley-models",
        "medley-predict",
        "medley-torch",
        "medley-train",
        "medley-tune",
    ];
    assert_eq!(with_tensors, expected);
    assert!(!closure("medley-tests").contains("torch-sys"), "the rules must be testable without libtorch");
    let script = text(Path::new("scripts/test"));
    let mut left_out: Vec<_> =
        script.split("--exclude ").skip(1).filter_map(|rest| rest.split([' ', ')']).next()).collect();
    left_out.retain(|name| *name != "medley-tests");
    left_out.sort_unstable();
    assert_eq!(left_out, with_tensors, "what `scripts/test --quick` leaves out");
}

#[test]
fn every_dependency_is_used() {
    let metadata = metadata();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let mut unused = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().unwrap().strip_prefix(root()).unwrap();
        let code = |folders: &[&str]| -> String {
            let files = folders.iter().flat_map(|name| rust_files(folder.join(name).as_str()));
            files.map(|path| text(&path)).collect()
        };
        let (production, tests) = (code(&["src"]), code(&["src", "tests", "benches", "examples"]));
        for dependency in &nodes.iter().find(|node| node.id == package.id).unwrap().deps {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            let build = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Build);
            let source = match (normal, build) {
                (true, _) => &production,
                (false, true) => &text(&folder.join("build.rs").into_std_path_buf()),
                (false, false) => &tests,
            };
            if !mentions(source, &dependency.name) {
                unused.push(format!("{} does not use {}", package.name, dependency.name));
            }
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

/// Whether a crate is named in code: as a whole word, outside comments.
fn mentions(source: &str, name: &str) -> bool {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.into_iter().any(|line| line.split(|c| !is_part(c)).any(|word| word == name))
}

#[test]
fn report_never_needs_train_or_data() {
    let needed = closure("medley-report");
    for forbidden in ["medley-train", "medley-models", "medley-data"] {
        assert!(!needed.contains(forbidden), "medley-report needs {forbidden}: it reads run folders alone");
    }
}

#[test]
fn training_needs_no_network_no_templates_and_no_image_files() {
    let needed = closure("medley-train");
    for forbidden in ["ureq", "hyper", "tokio", "askama", "image"] {
        assert!(!needed.contains(forbidden), "medley-train needs {forbidden}");
    }
}

#[test]
fn pictures_are_decoded_in_one_crate() {
    let decoders = ["dicom-object", "nifti"];
    for package in metadata().workspace_packages() {
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        let uses_one = normal.clone().any(|dependency| decoders.contains(&dependency.name.as_str()));
        assert_eq!(uses_one, package.name.as_str() == "medley-pictures", "{}", package.name);
        // The import encodes with it, and draws sheets; maps are drawn with it.
        let may = matches!(package.name.as_str(), "medley-pictures" | "medley-import" | "medley-explain");
        assert!(may || !normal.clone().any(|dependency| dependency.name == "image"), "{}", package.name);
    }
    assert!(!closure("medley-package").contains("torch-sys"));
}

#[test]
fn only_the_server_and_the_program_with_libtorch_speak_http() {
    for package in metadata().workspace_packages() {
        let may = ["medley-serve", "medley-torch"].contains(&package.name.as_str());
        assert!(may || !closure(&package.name).contains("hyper"), "{} needs hyper", package.name);
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
    let mut chosen: toml::Table = text(Path::new("Cargo.toml")).parse().unwrap();
    let chosen = chosen["workspace"]["dependencies"].as_table_mut().unwrap();
    for package in metadata().workspace_packages() {
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(section) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for (name, value) in section {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(inherited, "{}: `{name}` must say `workspace = true`", package.manifest_path);
            }
        }
        for dependency in &package.dependencies {
            chosen.remove(&dependency.name);
        }
    }
    assert!(chosen.is_empty(), "Cargo.toml chooses versions that no crate uses:\n{chosen}");
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
