//! Tasks of the pretended network.

use medley_core::{ImageShape, Modality, Origin, TaskKind, TaskSpec};

/// One task, and how well the pretended network does.
pub(crate) struct Task {
    pub(crate) spec: TaskSpec,
    pub(crate) train: Vec<u64>,
    pub(crate) val: Vec<u64>,
    pub(crate) test: Vec<u64>,
    /// Distance of the true class from the others, in deviations of the noise.
    pub(crate) skill: f64,
    /// Whether it never names the last class.
    pub(crate) blind: bool,
}

pub(crate) fn task(
    name: &str,
    title: &str,
    kind: TaskKind,
    modality: Modality,
    channels: usize,
    classes: &[&str],
) -> TaskSpec {
    TaskSpec {
        name: name.into(),
        title: title.into(),
        kind,
        modality,
        classes: classes.iter().map(|&class| class.into()).collect(),
        shape: ImageShape::flat(28, 28, channels),
        origin: Origin::Official,
    }
}

/// The three small sets, at their true sizes and class counts.
pub(crate) fn three() -> Vec<Task> {
    vec![
        Task {
            spec: task(
                "breastmnist",
                "BreastMNIST",
                TaskKind::Binary,
                Modality::Ultrasound,
                1,
                &["malignant", "normal, benign"],
            ),
            train: vec![147, 399],
            val: vec![21, 57],
            test: vec![42, 114],
            skill: 1.0,
            blind: false,
        },
        Task {
            spec: task(
                "pneumoniamnist",
                "PneumoniaMNIST",
                TaskKind::Binary,
                Modality::ChestXray,
                1,
                &["normal", "pneumonia"],
            ),
            train: vec![1214, 3494],
            val: vec![135, 389],
            test: vec![234, 390],
            skill: 1.5,
            blind: false,
        },
        Task {
            spec: task(
                "retinamnist",
                "RetinaMNIST",
                TaskKind::Ordinal,
                Modality::Fundus,
                3,
                &["0", "1", "2", "3", "4"],
            ),
            train: vec![486, 128, 206, 194, 66],
            val: vec![54, 12, 28, 20, 6],
            test: vec![174, 46, 92, 68, 20],
            skill: 1.1,
            blind: false,
        },
    ]
}

/// A set of volumes, at its true size and class counts.
pub(crate) fn adrenal() -> Task {
    let mut spec =
        task("adrenalmnist3d", "AdrenalMNIST3D", TaskKind::Binary, Modality::Shape, 1, &["normal", "hyperplasia"]);
    spec.shape = ImageShape::volume(28, 28, 28, 1);
    Task { spec, train: vec![929, 259], val: vec![76, 22], test: vec![229, 69], skill: 1.0, blind: false }
}

const ORGANS: &[&str] = &[
    "bladder",
    "femur-left",
    "femur-right",
    "heart",
    "kidney-left",
    "kidney-right",
    "liver",
    "lung-left",
    "lung-right",
    "pancreas",
    "spleen",
];
const PATH: &[&str] = &[
    "adipose",
    "background",
    "debris",
    "lymphocytes",
    "mucus",
    "smooth muscle",
    "normal colon mucosa",
    "cancer-associated stroma",
    "colorectal adenocarcinoma epithelium",
];
const DERMA: &[&str] = &[
    "actinic keratoses and intraepithelial carcinoma",
    "basal cell carcinoma",
    "benign keratosis-like lesions",
    "dermatofibroma",
    "melanoma",
    "melanocytic nevi",
    "vascular lesions",
];
const OCT: &[&str] = &["choroidal neovascularization", "diabetic macular edema", "drusen", "normal"];
const BLOOD: &[&str] = &[
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocytes",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
];
const TISSUE: &[&str] = &[
    "Collecting Duct, Connecting Tubule",
    "Distal Convoluted Tubule",
    "Glomerular endothelial cells",
    "Interstitial endothelial cells",
    "Leukocytes",
    "Podocytes",
    "Proximal Tubule Segments",
    "Thick Ascending Limb",
];

/// The eleven tasks of the competition, as drawn data of the official test sizes (and small other splits).
pub(crate) fn eleven_synthetic() -> Vec<Task> {
    vec![
        drawn("pathmnist", "PathMNIST", Modality::Pathology, PATH, 7180, 3.0),
        drawn("dermamnist", "DermaMNIST", Modality::Dermatoscope, DERMA, 2005, 1.5),
        drawn("octmnist", "OCTMNIST", Modality::Oct, OCT, 1000, 1.7),
        drawn("pneumoniamnist", "PneumoniaMNIST", Modality::ChestXray, &["normal", "pneumonia"], 624, 1.5),
        drawn("retinamnist", "RetinaMNIST", Modality::Fundus, &["0", "1", "2", "3", "4"], 400, 1.0),
        drawn("breastmnist", "BreastMNIST", Modality::Ultrasound, &["malignant", "normal, benign"], 156, 1.0),
        drawn("bloodmnist", "BloodMNIST", Modality::BloodMicroscope, BLOOD, 3421, 3.7),
        drawn("tissuemnist", "TissueMNIST", Modality::KidneyMicroscope, TISSUE, 47280, 1.4),
        drawn("organamnist", "OrganAMNIST", Modality::AbdominalCt, ORGANS, 17778, 3.5),
        drawn("organcmnist", "OrganCMNIST", Modality::AbdominalCt, ORGANS, 8268, 3.2),
        drawn("organsmnist", "OrganSMNIST", Modality::AbdominalCt, ORGANS, 8829, 2.3),
    ]
}

/// The eleven tasks as if they were the published files.
pub(crate) fn eleven_official() -> Vec<Task> {
    let mut tasks = eleven_synthetic();
    for task in &mut tasks {
        task.spec.origin = Origin::Official;
    }
    tasks
}

fn drawn(name: &str, title: &str, modality: Modality, classes: &[&str], rows: u64, skill: f64) -> Task {
    let kind = match (modality, classes.len()) {
        (Modality::Fundus, _) => TaskKind::Ordinal,
        (_, 2) => TaskKind::Binary,
        _ => TaskKind::MultiClass,
    };
    let mut spec = task(name, title, kind, modality, 1, classes);
    spec.origin = Origin::Synthetic;
    let test = share_out(rows, classes.len());
    let part = |divisor: u64| test.iter().map(|&count| (count / divisor).max(2)).collect();
    Task { train: part(2), val: part(6), spec, test, skill, blind: false }
}

/// Splits rows over classes, ever fewer.
fn share_out(rows: u64, classes: usize) -> Vec<u64> {
    let weights: Vec<f64> = (0..classes).map(|class| 0.75_f64.powi(class as i32)).collect();
    let sum: f64 = weights.iter().sum();
    let mut counts: Vec<u64> = weights.iter().map(|weight| (weight / sum * rows as f64) as u64).collect();
    counts[0] += rows - counts.iter().sum::<u64>();
    counts
}
