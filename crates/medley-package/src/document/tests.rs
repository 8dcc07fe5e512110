use super::*;

const EXAMPLE: &str = include_str!("../example.toml");

fn refused(from: &str, to: &str) -> PackageError {
    assert!(EXAMPLE.contains(from), "{from}");
    Package::parse(&EXAMPLE.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn what_is_written_is_read() {
    let document: Document = toml::from_str(EXAMPLE).unwrap();
    let package = Package::example();
    assert_eq!(Package::parse(&document.to_toml().unwrap()).unwrap(), package);
    let model = &package.models()[0];
    assert_eq!((model.name(), model.classes().len()), ("breast-1.breastmnist", 2));
    assert_eq!(model.views(), [TestTimeView::Identity]);
    assert!(!model.data().licence.is_noncommercial());
}

#[test]
fn what_it_does_not_know_is_refused() {
    assert!(matches!(refused("medley-model", "other"), PackageError::Format { .. }));
    assert!(matches!(refused("version = 1", "version = 2"), PackageError::Version { found: 2, known: 1 }));
    assert!(matches!(refused("fit = ", "fitt = "), PackageError::Syntax(_)));
    assert!(matches!(refused("temperature = 2.0", "temperature = 0.0"), PackageError::Syntax(_)));
    assert!(matches!(
        refused("name = \"plain\"", "name = \"thresholds\"\nthresholds = [0.5]"),
        PackageError::Syntax(_)
    ));
    assert!(matches!(refused("seed = 0", "seed = 0\nmore = 1"), PackageError::Syntax(_)));
    assert!(matches!(Package::parse(&" ".repeat(LONGEST as usize + 1)), Err(PackageError::Syntax(_))));
    assert!(matches!(Package::parse("format = "), Err(PackageError::Syntax(_))));
}

#[test]
fn values_that_cannot_be_are_named() {
    for (from, to, named) in [
        ("Not for clinical use", "For everything", "notice"),
        ("name = \"breast-1.breastmnist\"", "name = \"../x\"", "name"),
        ("model.safetensors", "../model.safetensors", "weights.file"),
        ("model.safetensors", "model.pt", "weights.file"),
        ("sha256 = \"e3", "sha256 = \"E3", "weights.sha256"),
        ("threads = 2", "threads = 0", "compute"),
        ("name = \"breastmnist\"", "name = \"a/b\"", "tasks.task.name"),
        ("\"normal, benign\"]", "\"b\", \"c\"]", "task.classes"),
        ("[\"malignant\", \"normal, benign\"]", "[]", "task.classes"),
        ("malignant", "a\\u0007b", "task.classes"),
        ("height = 28", "height = 27", "task.shape"),
        ("height = 28\nwidth = 28", "height = 99999\nwidth = 99999", "task.shape"),
        ("channels = 1", "channels = 2", "task.shape.channels"),
        ("mean = [0.3274]", "mean = [0.3, 0.3]", "normalisation.mean"),
        ("mean = [0.3274]", "mean = [nan]", "normalisation.mean"),
        ("std = [0.2027]", "std = [0.0]", "normalisation.std"),
        ("kind = \"binary\"\noutputs = 2", "kind = \"multi-class\"\noutputs = 3", "decision"),
        ("threshold = -0.5", "threshold = inf", "unlike"),
        ("md5 = \"75", "md5 = \"7", "data.md5"),
        ("CC BY 4.0", "", "data.licence"),
    ] {
        let error = refused(from, to);
        let PackageError::Value { key, .. } = &error else { panic!("{to}: {error}") };
        assert!(key.ends_with(named), "{to}: {error}");
    }
    let twice = format!("{EXAMPLE}\n{}", &EXAMPLE[EXAMPLE.find("[[tasks]]").unwrap()..]);
    assert!(Package::parse(&twice).unwrap_err().to_string().contains("twice"));
}
