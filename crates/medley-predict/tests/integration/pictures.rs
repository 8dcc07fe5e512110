//! Files through a network.

use medley_core::Split;
use medley_package::{Classifier as _, NumberFormat};
use medley_pictures::Rules;
use medley_predict::{Bundle, ComputeOptions, Inputs, Outcome, PredictError, TaskChoice, classify_all};

use super::run::{Finished, TASKS};

#[test]
fn files_are_answered_in_order_and_bad_ones_named() {
    let finished = Finished::train(&TASKS[..1], "backbone = { name = 'resnet9', width = 2 }", "");
    let bundle = Bundle::of_run(&finished.source(NumberFormat::Fp32), &TaskChoice::All).unwrap();
    let images = finished.images(TASKS[0], Split::Test);
    let folder = finished.data().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    for (index, image) in images.chunks_exact(784).enumerate() {
        // A bitmap is written by hand: 14 and 40 bytes of header, a palette of greys, rows from below.
        let mut bmp = b"BM\x46\x07\0\0\0\0\0\0\x36\x04\0\0\x28\0\0\0\x1c\0\0\0\x1c\0\0\0\x01\0\x08\0".to_vec();
        bmp.extend([0; 24]);
        bmp.extend((0..=255_u8).flat_map(|grey| [grey, grey, grey, 0]));
        bmp.extend(image.chunks_exact(28).rev().flatten());
        std::fs::write(folder.join(format!("{index}.bmp")), bmp).unwrap();
    }
    std::fs::write(folder.join("3a.png"), b"no picture").unwrap();
    let (rules, mut inputs) = (Rules::default(), Inputs::default());
    inputs.add(&folder, None, &rules).unwrap();
    inputs.add(&finished.data().join("breastmnist.npz"), Some("test_images"), &rules).unwrap();
    let count = images.len() / 784;
    assert_eq!(inputs.len(), 2 * count + 1);

    let mut classifier = bundle.classifier(0, ComputeOptions::default()).unwrap();
    let expected = classifier.classify(&images).unwrap();
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    // Batches that no count divides.
    classify_all::<PredictError>(&mut classifier, &inputs, &rules, 7, |index, outcome| {
        match outcome {
            Outcome::Answered(answer, notes) => {
                assert!(notes.is_empty());
                found.push(answer.labels);
            }
            Outcome::Skipped(error) => skipped.push((inputs.name(index), error.to_string())),
        }
        Ok(())
    })
    .unwrap();
    let labels: Vec<_> = expected.iter().map(|answer| answer.labels.clone()).collect();
    assert_eq!(found, [labels.clone(), labels].concat());
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].0.ends_with("3a.png") && skipped[0].1.contains("not a PNG"), "{skipped:?}");
    // What `take` refuses ends it, and nothing waits for ever.
    let stop = |_, _| Err(PredictError::Neither { path: "x".into(), known: String::new() });
    assert!(classify_all::<PredictError>(&mut classifier, &inputs, &rules, 7, stop).is_err());
}
