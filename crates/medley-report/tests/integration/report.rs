//! Whole pages from run folders made by hand.

use medley_report::{html, load_run, sections, write_report};
use medley_storage::{Fault, FaultyFs, RealFs};
use proptest::prelude::*;

use crate::common::{self, Fixture};
use crate::markup;

fn page(fixture: &Fixture) -> String {
    html(&load_run(&fixture.layout).unwrap()).unwrap()
}

#[test]
fn a_page_needs_nothing_from_outside_and_no_script() {
    for fixture in [common::small_three(), common::one_seed()] {
        let page = page(&fixture);
        let found = markup::read(&page);
        for (element, name, value) in &found.attributes {
            // A reader may follow a link to a source; the page itself fetches nothing.
            let link = element == "a" && name == "href" && value.starts_with("https://");
            assert!(link || !value.contains("//"), "<{element} {name}={value}>");
            assert!(name != "src" && !name.starts_with("on"), "<{element} {name}={value}>");
        }
        for link in found.links.iter().filter_map(|link| link.strip_prefix('#')) {
            assert!(found.ids.contains(link), "#{link} leads nowhere");
        }
        for forbidden in ["<script", "javascript:", "@import", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn what_was_found_later_is_shown_and_what_is_damaged_is_said() {
    let fixture = common::small_three();
    assert!(!page(&fixture).contains("id=\"decisions\""));
    crate::later::decide(&fixture);
    crate::later::relate(&fixture);
    crate::later::corrupt(&fixture);
    let whole = page(&fixture);
    markup::read(&whole);
    for part in
        ["id=\"decisions\"", "id=\"robustness\"", "id=\"related-images\"", "Reliability", "ROC", "gaussian noise"]
    {
        assert!(whole.contains(part), "{part}");
    }
    for (path, damage) in [
        (fixture.layout.decisions(), "{"),
        (fixture.layout.related(), "[]"),
        (fixture.layout.robustness(), "{\"schema_version\": 1, \"tasks\": 3}"),
    ] {
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, damage).unwrap();
        let run = load_run(&fixture.layout).unwrap();
        let file = path.file_name().unwrap().to_str().unwrap();
        assert!(run.notes.iter().any(|note| note.starts_with(&format!("{file} is not shown"))), "{:?}", run.notes);
        html(&run).unwrap();
        std::fs::write(&path, before).unwrap();
    }
    let text = std::fs::read_to_string(fixture.layout.robustness()).unwrap();
    std::fs::write(fixture.layout.robustness(), text.replacen("0.25", "1.25", 1)).unwrap();
    assert!(load_run(&fixture.layout).unwrap().notes[0].contains("outside 0 to 1"));
    let text = std::fs::read_to_string(fixture.layout.related()).unwrap();
    std::fs::write(fixture.layout.related(), text.replacen("\"apart\":", "\"apart\":9", 1)).unwrap();
    assert!(load_run(&fixture.layout).unwrap().notes.iter().any(|note| note.contains("related.json is not shown")));
}

#[test]
fn a_page_can_be_read_by_those_who_do_not_see_it() {
    let found = markup::read(&page(&common::small_three()));
    let with = |element: &str, attribute: &str| {
        found
            .attributes
            .iter()
            .filter(|entry| entry.0 == element && entry.1 == attribute && !entry.2.is_empty())
            .count()
    };
    let count = |element: &str| found.elements.iter().filter(|name| *name == element).count();
    assert_eq!(with("th", "scope"), count("th"));
    assert_eq!(with("svg", "aria-label") + with("svg", "aria-hidden"), count("svg"));
    assert_eq!(with("html", "lang"), 1);
    assert_eq!(count("main"), 1);
    assert_eq!(count("h1"), 1);
    assert_eq!(with("section", "aria-labelledby"), count("section"));
}

#[test]
fn every_section_has_its_own_anchor() {
    let mut seen = std::collections::BTreeSet::new();
    for section in sections() {
        assert!(section.id().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", section.id());
        assert!(seen.insert(section.id()), "{} twice", section.id());
        assert!(!section.title().is_empty());
    }
}

#[test]
fn volumes_stand_beside_the_official_networks_over_volumes() {
    let fixture = common::finished("adrenal-1", &[common::adrenal()], &[0], 2);
    let run = load_run(&fixture.layout).unwrap();
    let page = html(&run).unwrap();
    for words in ["our difference to the official ResNet-18+ACS", "ResNet-50+ACS: 0.758", "Official<br>ResNet-18+ACS"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("ResNet-18 (28)"));
    assert!(medley_report::latex(&run).contains("{ResNet-18+ACS}"));
    assert!(medley_report::markdown(&run).contains("| ACC, ResNet-18+ACS |"));
}

#[test]
fn a_run_with_a_parent_says_so_and_how_it_is_made_again() {
    let fixture = common::one_seed();
    let path = fixture.layout.manifest();
    let plain = std::fs::read_to_string(&path).unwrap();
    assert!(page(&fixture).contains("<code>medley train config.toml --data DIR</code>"));
    for (how, command) in [
        ("weights", "medley train config.toml --data DIR --from old-1<"),
        ("weights_and_optimizer", "medley train config.toml --data DIR --from old-1 --with-optimizer<"),
        ("everything", "medley resume old-1 --epochs "),
    ] {
        let seeds = r#"{"0": {"seed": 3, "epoch": 7, "sha256": "abc123"}}"#;
        let parent = format!(r#""parent": {{"run": "old-1", "how": "{how}", "seeds": {seeds}}}, "run":"#);
        std::fs::write(&path, plain.replacen("\"run\":", &parent, 1)).unwrap();
        let page = page(&fixture);
        assert!(page.contains(command) && page.contains("abc123 (seed 0, epoch 7)"), "{how}");
        let card = medley_report::model_card(&load_run(&fixture.layout).unwrap());
        assert!(card.contains("Training began from the networks of the run old-1."), "{card}");
        assert!(!card.contains("random values"), "{card}");
    }
}

#[test]
fn warnings_that_must_be_seen_are_there() {
    let official = page(&common::small_three());
    assert!(official.contains("Not for clinical use"));
    assert!(official.contains("CC BY 4.0"));
    assert!(!official.contains("SYNTHETIC"));
    let synthetic = page(&common::tensor_reloaded());
    assert!(synthetic.contains("<title>SYNTHETIC"));
    assert!(synthetic.contains("class=\"banner\""));
    assert!(synthetic.contains("no benchmark result"));
    assert!(synthetic.contains("96,941"));
}

#[test]
fn of_a_users_own_set_nothing_is_said_that_is_true_of_medmnist_alone() {
    let mut tasks = vec![common::three().swap_remove(0)];
    tasks[0].spec.name = "moles".into();
    tasks[0].spec.title = "Moles".into();
    tasks[0].spec.origin = medley_core::Origin::User;
    let fixture = common::finished("moles-1", &tasks, &[0], 2);
    let run = load_run(&fixture.layout).unwrap();
    let texts = [medley_report::markdown(&run), medley_report::model_card(&run), html(&run).unwrap()];
    for text in texts.map(|text| text.replace("as the official MedMNIST evaluator defines them", "")) {
        for absent in
            ["MedMNIST", "BreastMNIST", "published results", "public images", "1 task,", "over 1 task", "each of 1"]
        {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
        assert!(text.contains("Not for clinical use"));
    }
    let page = html(&run).unwrap();
    assert!(
        page.contains("Macro-F1 on Moles on the test split")
            && !page.contains("<tfoot>\n<tr>\n<th scope=\"row\">Harmonic")
    );
}

#[test]
fn what_has_no_interval_or_no_auc_says_why() {
    let mut fixture = common::one_seed();
    let empty = |value: f64| Some(medley_core::record::Interval { low: value, high: value });
    // Labels of which one may be on no image; they have no matrix.
    fixture.manifest.data.iter_mut().for_each(|data| data.task.kind = medley_core::TaskKind::MultiLabel);
    fixture.results.seeds[0].validation.tasks.iter_mut().for_each(|task| task.confusion.clear());
    let test = fixture.results.seeds[0].test.as_mut().unwrap();
    let tasks = test.tasks.iter_mut().map(|task| {
        task.auc = None;
        task.confusion.clear();
        task.per_class[1].support = 0;
        medley_core::record::TaskIntervals { auc: None, accuracy: empty(task.accuracy), macro_f1: empty(task.macro_f1) }
    });
    let tasks: Vec<_> = tasks.collect();
    let resampling = medley_core::record::Resampling::default();
    let harmonic_mean = empty(test.harmonic_mean);
    test.intervals = Some(medley_core::record::ScoreIntervals { resampling, tasks, harmonic_mean });
    fixture.results.mean_intervals = None;
    fixture.write_manifest();
    fixture.write_results();
    let run = load_run(&fixture.layout).unwrap();
    let uncertainty = run.uncertainty().unwrap();
    assert!(
        uncertainty.mean.harmonic_mean.is_none() && uncertainty.mean.tasks.iter().all(|ends| ends.accuracy.is_none())
    );
    for text in
        [medley_report::markdown(&run), medley_report::model_card(&run), medley_report::latex(&run), page(&fixture)]
    {
        assert!(text.contains("every resample has the same value"), "{text}");
        assert!(text.contains("has no AUC: in the test split no image is of"), "{text}");
    }
}

#[test]
fn derma_is_named_as_not_for_commerce() {
    let mut tasks = common::three();
    tasks[0].spec.name = "dermamnist".into();
    tasks[0].spec.title = "DermaMNIST".into();
    let page = page(&common::finished("derma-1", &tasks, &[0], 2));
    assert!(page.contains("DermaMNIST is CC BY-NC 4.0"));
    assert!(page.contains("same lesions in several splits"));
}

#[test]
fn a_class_that_is_never_predicted_is_alarming() {
    let mut tasks = common::three();
    tasks[2].blind = true;
    let page = page(&common::finished("never-1", &tasks, &[0], 2));
    assert!(page.contains("Classes that are never predicted"), "no alarm");
    assert!(page.contains("never predicted by seed 0, though 20 of 400 test images show it"));
    assert!(page.contains("class=\"never\""));
}

#[test]
fn an_unfinished_run_shows_its_curves_and_no_results() {
    let fixture = common::small_three();
    fixture.make_unfinished();
    let page = page(&fixture);
    markup::read(&page);
    assert!(page.contains("<strong>Unfinished.</strong>"));
    assert!(page.contains("id=\"curves\""));
    for absent in ["id=\"classes\"", "id=\"confusion\"", "id=\"limits\"", "id=\"validation-and-test\""] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn epochs_are_not_called_selected_where_the_last_is_kept() {
    let fixture = common::small_three();
    assert!(page(&fixture).contains("on which epochs were selected, are small"));
    let mut config = std::fs::read_to_string(fixture.layout.config()).unwrap();
    config.push_str("\n[select]\nname = \"last\"\n");
    std::fs::write(fixture.layout.config(), config).unwrap();
    let finished = page(&fixture);
    assert!(finished.contains("Some validation sets are small: "));
    assert!(finished.contains("the last epoch, which is not selected on them"));
    let card = medley_report::model_card(&load_run(&fixture.layout).unwrap());
    assert!(card.contains("Each seed's network is that of its last epoch; "));
    fixture.make_unfinished();
    for text in [finished, card, page(&fixture)] {
        for claim in
            ["the epoch was selected", "seed's epoch was selected", "epochs were selected", "epochs are selected"]
        {
            assert!(!text.contains(claim), "{claim}");
        }
    }
}

#[test]
fn why_a_seed_stopped_is_said_wherever_it_is_known() {
    let reason = "no better validation score in the last 5 epochs";
    let mut fixture = common::small_three();
    fixture.results.seeds[1].stopped = Some(reason.into());
    fixture.write_results();
    let run = load_run(&fixture.layout).unwrap();
    assert_eq!((run.stopped(0), run.stopped(1)), (None, Some(reason)));
    let page = html(&run).unwrap();
    assert_eq!(page.matches(&format!("<td>stopped early: {reason}</td>")).count(), 1);
    assert_eq!(page.matches("<td>after the last epoch</td>").count(), 2);
    let sentence = format!("Training was stopped early: seed 1 after 20 epochs ({reason}).");
    for text in [medley_report::markdown(&run), medley_report::model_card(&run)] {
        assert!(text.contains(&sentence), "{text}");
    }
    // Without results the events know it.
    fixture.make_unfinished();
    let events = std::fs::read_to_string(fixture.layout.events()).unwrap();
    let event = format!("{{\"time\":1.0,\"event\":\"seed_stopped\",\"seed\":0,\"epoch\":20,\"reason\":\"{reason}\"}}");
    std::fs::write(fixture.layout.events(), format!("{events}\n{event}\n")).unwrap();
    let run = load_run(&fixture.layout).unwrap();
    assert_eq!((run.stopped(0), run.stopped(1)), (Some(reason), None));
}

#[test]
fn whether_test_labels_were_opened_is_said_of_every_kind_of_run() {
    let mut fixture = common::one_seed();
    let said = |fixture: &Fixture| {
        let page = page(fixture);
        let (_, after) = page.split_once("<dt>Test labels opened</dt><dd>").unwrap();
        after.split_once("</dd>").unwrap().0.to_owned()
    };
    assert_eq!(said(&fixture), "not recorded: this run is older than the record of openings");
    fixture.manifest.test_openings = vec![medley_core::record::TestOpening {
        when: "2026-11-23T10:26:05Z".into(),
        by: "train".into(),
        predictor: "seed 7".into(),
        sha256: std::collections::BTreeMap::new(),
    }];
    fixture.write_manifest();
    assert_eq!(said(&fixture), "1 time, for predictions of seed 7; 23 November 2026, 10:26 UTC");
    fixture.manifest.test_openings.clear();
    fixture.write_manifest();
    fixture.make_unfinished();
    assert_eq!(said(&fixture), "none is recorded so far");
    let mut fixture = common::one_seed();
    fixture.manifest.no_test = true;
    fixture.results.seeds[0].test = None;
    fixture.results.summary.clear();
    fixture.write_manifest();
    fixture.write_results();
    assert_eq!(said(&fixture), "never: the run leaves the test split alone (--no-test)");
    assert!(
        page(&fixture).contains("selected epoch 4,"),
        "the selected epoch of a run that is not tested is not marked"
    );
}

#[test]
fn headings_are_in_order_and_what_scrolls_can_be_reached() {
    for fixture in [common::small_three(), common::one_seed()] {
        let found = markup::read(&page(&fixture));
        let levels: Vec<u32> =
            (found.elements.iter()).filter_map(|element| element.strip_prefix('h')?.parse().ok()).collect();
        assert_eq!(levels[0], 1);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        let with = |attribute: &str, value: &str| {
            found.attributes.iter().filter(|entry| entry.1 == attribute && entry.2 == value).count()
        };
        assert!(with("class", "scroll") > 5);
        // The tables, the charts, and the config.
        assert_eq!(
            with("class", "scroll") + 1,
            with("tabindex", "0"),
            "a part that scrolls must be in reach of the keyboard"
        );
    }
}

#[test]
fn multi_label_tasks_have_no_matrix_and_no_interval() {
    let mut fixture = common::small_three();
    fixture.manifest.data[0].task.kind = medley_core::TaskKind::MultiLabel;
    let results = &mut fixture.results;
    let seeds = results.seeds.iter_mut().flat_map(|seed| [&mut seed.validation, seed.test.as_mut().unwrap()]);
    for set in seeds.chain(&mut results.ensemble) {
        set.tasks[0].confusion.clear();
    }
    fixture.write_manifest();
    fixture.write_results();
    let run = load_run(&fixture.layout).unwrap();
    let uncertainty = run.uncertainty().unwrap();
    assert!(uncertainty.mean.tasks[0].macro_f1.is_none() && uncertainty.mean.tasks[1].macro_f1.is_some());
    assert!(uncertainty.mean.harmonic_mean.is_none());
    let page = page(&fixture);
    markup::read(&page);
    assert!(page.contains("95 % interval –"));
    assert!(!page.contains("Confusion matrix of BreastMNIST") && page.contains("Confusion matrix of RetinaMNIST"));
    assert!(medley_report::markdown(&run).contains("BreastMNIST"));
}

#[test]
fn the_same_folder_gives_the_same_page() {
    let fixture = common::one_seed();
    assert_eq!(page(&fixture), page(&fixture));
}

#[test]
fn a_page_is_whole_or_absent() {
    let fixture = common::one_seed();
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            let storage = FaultyFs::new(fail_at, fault);
            let result = write_report(&fixture.layout, &storage);
            if !storage.tripped() {
                result.unwrap();
                break;
            }
            assert!(result.is_err());
            assert!(!fixture.layout.report().exists());
        }
        std::fs::remove_file(fixture.layout.report()).unwrap();
    }
}

#[test]
fn hostile_names_are_only_text() {
    let mut fixture = common::one_seed();
    let hostile = "<script>alert(1)</script>\"'&<!--";
    fixture.manifest.run = hostile.into();
    fixture.manifest.git_revision = Some(hostile.into());
    for data in &mut fixture.manifest.data {
        data.task.title = hostile.into();
        data.task.classes.iter_mut().for_each(|class| *class = hostile.into());
        data.file = hostile.into();
        data.release = Some(hostile.into());
    }
    for seed in &mut fixture.results.seeds {
        for task in seed.test.as_mut().unwrap().tasks.iter_mut().chain(&mut seed.validation.tasks) {
            task.per_class.iter_mut().for_each(|class| class.name = hostile.into());
        }
    }
    fixture.write_manifest();
    fixture.write_results();
    std::fs::write(fixture.layout.config(), format!("name = '''{hostile}'''\n")).unwrap();
    let page = page(&fixture);
    let found = markup::read(&page);
    assert!(!found.elements.iter().any(|element| element == "script"));
    let run = load_run(&fixture.layout).unwrap();
    for text in [medley_report::markdown(&run), medley_report::model_card(&run)] {
        assert!(!text.contains("<script"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_text_anywhere_leaves_the_page_whole(run in any::<String>(), title in "\\PC{0,40}", class in any::<String>()) {
        thread_local!(static FIXTURE: std::cell::RefCell<Fixture> = std::cell::RefCell::new(common::one_seed()));
        FIXTURE.with_borrow_mut(|fixture| {
            fixture.manifest.run = run.clone();
            fixture.manifest.data[0].task.title = title.clone();
            fixture.manifest.data[0].task.classes[0] = class.clone();
            fixture.results.seeds[0].test.as_mut().unwrap().tasks[0].per_class[0].name = class.clone();
            fixture.write_manifest();
            fixture.write_results();
            markup::read(&page(fixture));
        });
    }
}

/// `MEDLEY_REPORT_OUT=DIR cargo test -p medley-report --test integration keep_pages` keeps the pages, to be looked at.
#[test]
fn keep_pages_to_look_at() {
    let Some(folder) = std::env::var_os("MEDLEY_REPORT_OUT").map(std::path::PathBuf::from) else { return };
    let unfinished = common::small_three();
    unfinished.make_unfinished();
    let mut never = common::three();
    never[2].blind = true;
    let mut stopped = common::small_three();
    stopped.results.seeds[1].stopped = Some("no better validation score in the last 5 epochs".into());
    stopped.write_results();
    let fixtures = [
        ("stopped", stopped),
        ("three", common::small_three()),
        ("one", common::one_seed()),
        ("eleven", common::tensor_reloaded()),
        ("official", common::finished("tensor-reloaded-2", &common::eleven_official(), &[0, 1, 2], 12)),
        ("never", common::finished("never-1", &never, &[0, 1], 6)),
        ("unfinished", unfinished),
    ];
    for (name, fixture) in &fixtures {
        let page = write_report(&fixture.layout, &RealFs).unwrap();
        std::fs::copy(page, folder.join(format!("{name}.html"))).unwrap();
    }
}
