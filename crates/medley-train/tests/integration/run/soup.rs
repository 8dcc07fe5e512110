//! Soups of the epochs of a seed.

use super::callbacks::interrupted_at;
use super::*;

fn cooking(keys: &str) -> String {
    let text = config(&format!("[soup]\ningredients = 3\nmeasure_on = 2\n{keys}"));
    text.replace("epochs = 2", "epochs = 5").replace("seeds = [0, 1]", "seeds = [0]")
}

fn soup(root: &Path) -> Vec<usize> {
    let events = std::fs::read_to_string(root.join("events.jsonl")).unwrap();
    let line = events.lines().rfind(|line| line.contains("\"soup_made\"")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["epochs"].as_array().unwrap().iter().map(|epoch| epoch.as_u64().unwrap() as usize).collect()
}

#[test]
fn a_soup_takes_the_place_of_the_best_epoch_interrupted_or_not() {
    let plain = Laboratory::new("");
    // Chosen by the loss, which the mean of later networks lowers.
    let laboratory = plain.other(cooking("[select]\nname = 'loss'"));
    let root = laboratory.finish();
    let expected = promised(&root);
    let epochs = soup(&root);
    assert!(epochs.len() > 1, "{epochs:?}");
    assert!(!expected.keys().any(|name| name.contains("ingredient")), "{:?}", expected.keys());
    let without = promised(&plain.other(cooking("[select]\nname = 'loss'").replace("ingredients = 3\n", "")).finish());
    let best = format!("checkpoints/seed-0/best-{:06}/model.safetensors", epochs[0]);
    assert!(expected[&best] != without[&best], "the network is that of an epoch");
    let last = "checkpoints/seed-0/last-000005-000000/model.safetensors";
    assert!(expected[last] == without[last], "training goes on from where it was");
    // In the last epoch.
    let (again, _) = interrupted_at(&laboratory, steps, 29);
    assert!(promised(&again) == expected, "interrupted at step 29");
    // Two batches a validation: in the first candidate and in the second.
    let predicting = |event: &Event| matches!(event, Event::ValidationProgress { .. });
    for left in [11, 13] {
        let (again, later) = interrupted_at(&laboratory, predicting, left);
        assert!(!later.iter().any(steps), "all steps were done");
        assert!(promised(&again) == expected, "interrupted at prediction {left}");
    }
}

#[test]
fn a_soup_is_never_worse_than_the_best_epoch() {
    let plain = Laboratory::new("");
    let harmonic_mean = |keys: &str| -> f64 {
        let root = plain.other(cooking("").replace("ingredients = 3\n", keys)).finish();
        let results: serde_json::Value =
            serde_json::from_slice(&std::fs::read(root.join("results.json")).unwrap()).unwrap();
        results["seeds"][0]["validation"]["harmonic_mean"].as_f64().unwrap()
    };
    assert!(harmonic_mean("ingredients = 4\n") >= harmonic_mean(""));
}
