//! What each section and each text looks like. `cargo insta review` (or `INSTA_UPDATE=always`) accepts a change.

use medley_report::{csv, latex, load_run, markdown, model_card, sections};

use crate::{common, later, markup};

#[test]
fn sections_of_three_seeds() {
    let fixture = common::small_three();
    later::decide(&fixture);
    later::relate(&fixture);
    later::corrupt(&fixture);
    let run = load_run(&fixture.layout).unwrap();
    for section in sections() {
        let body = section.render(&run).unwrap().unwrap_or_default();
        markup::read(body.as_str());
        insta::assert_snapshot!(format!("three_{}", section.id()), body.as_str());
    }
}

#[test]
fn sections_that_differ_for_an_unfinished_run() {
    let fixture = common::small_three();
    fixture.make_unfinished();
    let run = load_run(&fixture.layout).unwrap();
    let shown: Vec<&str> = sections()
        .iter()
        .filter(|section| section.render(&run).unwrap().is_some())
        .map(|section| section.id())
        .collect();
    insta::assert_snapshot!(shown.join(" "), @"result curves balance data reproduce warnings");
    let result = sections()[0].render(&run).unwrap().unwrap();
    let root = fixture.layout.root().display().to_string();
    insta::assert_snapshot!("unfinished_result", result.as_str().replace(&root, "RUN"));
    insta::assert_snapshot!("unfinished_markdown", markdown(&run).replace(&root, "RUN"));
}

#[test]
fn texts() {
    let fixture = common::small_three();
    let run = load_run(&fixture.layout).unwrap();
    insta::assert_snapshot!("three_markdown", markdown(&run));
    insta::assert_snapshot!("three_csv", csv(&run));
    insta::assert_snapshot!("three_latex", latex(&run));
    insta::assert_snapshot!("three_model_card", model_card(&run));
}

#[test]
fn texts_of_drawn_data_say_so() {
    let fixture = common::tensor_reloaded();
    let run = load_run(&fixture.layout).unwrap();
    insta::assert_snapshot!("eleven_markdown", markdown(&run));
    insta::assert_snapshot!("eleven_latex", latex(&run));
    for text in [markdown(&run), model_card(&run), latex(&run)] {
        assert!(text.contains("SYNTHETIC"));
    }
    assert!(csv(&run).lines().skip(1).all(|line| line.contains(",true,")));
}
