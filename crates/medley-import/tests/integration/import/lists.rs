//! Images that a CSV names.

use std::fmt::Write as _;

use medley_core::TaskKind;
use medley_import::import::{ImportOptions, Source, TableOptions};

use super::desk::{Desk, moles};

#[test]
fn a_table_keeps_patients_together() {
    let desk = Desk::new();
    let mut text = "patient,age,path,label\n".to_owned();
    for index in 0..60 {
        desk.picture(&format!("scans/{index}.png"), index);
        let label = if index < 30 { "ill" } else { "well" };
        writeln!(text, "p{},70,scans/{index}.png,{label}", index / 3).unwrap();
    }
    let columns = TableOptions { group_column: Some("patient".to_owned()), ..TableOptions::default() };
    let source = Source::Table(desk.write("list.csv", &text), columns);
    let imported = desk.import(&source, &moles()).unwrap();
    assert_eq!((imported.rows, imported.classes), ([42, 6, 12], vec!["ill".to_owned(), "well".to_owned()]));
    let mut places = std::collections::BTreeMap::new();
    for (split, image) in desk.list("moles") {
        let index: u32 = image.trim_start_matches("scans/").trim_end_matches(".png").parse().unwrap();
        assert_eq!(*places.entry(index / 3).or_insert(split.clone()), split, "patient {}", index / 3);
    }
    // Of a patient who was given to a split, the other images go there too.
    let mut half = "path,label,split,group\n".to_owned();
    for index in 0..60 {
        let (patient, label) = (index / 2, if index % 4 < 2 { "ill" } else { "well" });
        let split = if index % 2 == 0 { ["train", "val", "test"][patient % 3] } else { "" };
        writeln!(half, "scans/{index}.png,{label},{split},p{patient}").unwrap();
    }
    let table = desk.table(&half);
    let desk = Desk { images: desk.images, data: tempfile::tempdir().unwrap() };
    desk.import(&table, &moles()).unwrap();
    for (split, image) in desk.list("moles") {
        let index: usize = image.trim_start_matches("scans/").trim_end_matches(".png").parse().unwrap();
        assert_eq!(split, ["train", "val", "test"][index / 2 % 3], "{image}");
    }
    let leaking =
        desk.table("path,label,split,group\nscans/0.png,a,train,p\nscans/1.png,b,val,p\nscans/2.png,a,test,q\n");
    let desk = Desk { images: desk.images, data: tempfile::tempdir().unwrap() };
    let message = desk.refused(&leaking, &moles());
    assert!(message.contains("in train and in val"), "{message}");
}

#[test]
fn several_labels_and_columns_of_other_names() {
    let desk = Desk::new();
    let mut text = "Image Index,Finding Labels,Patient ID\n".to_owned();
    for index in 0..40 {
        desk.picture(&format!("{index}.png"), index);
        let labels = ["", "Mass", "Mass|Edema", "Edema"][usize::from(index % 4)];
        writeln!(text, "{index},{labels},{index}").unwrap();
    }
    let columns = TableOptions {
        path_column: "Image Index".to_owned(),
        label_column: "Finding Labels".to_owned(),
        group_column: Some("Patient ID".to_owned()),
        ending: Some("png".to_owned()),
        ..TableOptions::default()
    };
    let source = Source::Table(desk.write("list.csv", text), columns);
    let imported = desk.import(&source, &ImportOptions { kind: Some(TaskKind::MultiLabel), ..moles() }).unwrap();
    assert_eq!(imported.classes, ["Edema", "Mass"]);
    let task = desk.open("moles", 28);
    assert_eq!((task.spec.kind, task.train.labels().width()), (TaskKind::MultiLabel, 2));
}

#[test]
fn bad_lines_are_told_with_their_numbers() {
    let desk = Desk::with_two_classes();
    let source = desk.table(
        "path,label,split\nbenign/0.png,a,train\nbenign/99.png,a,train\n../secret.png,a,train\n/etc/passwd,b,val\n\
         benign/1.png,,val\nbenign/2.png,b,tset\nbenign/3.png\nbenign/4.png,b,test\n",
    );
    let message = desk.refused(&source, &moles());
    assert!(message.contains("6 lines cannot be used"), "{message}");
    for part in [
        "line 3: there is no file",
        "line 4: the path \"../secret.png\"",
        "line 5: the path \"/etc/passwd\"",
        "line 6: it has no label",
        "line 7: the split \"tset\"",
        "line 8: it has 1 columns, the header 3",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    let many = "99.png,a\n".repeat(50);
    let message = desk.refused(&desk.table(&format!("path,label\n{many}")), &moles());
    assert!(message.contains("50 lines") && message.lines().count() == 12, "{message}");
    assert!(desk.refused(&desk.table("file,label\nx,y\n"), &moles()).contains("--path-column"));
    assert!(desk.refused(&desk.table("path,label\n"), &moles()).contains("no images"));
    assert!(desk.refused(&desk.table(""), &moles()).contains("no column \"path\""));
    let options = ImportOptions { classes: Some(vec!["x".to_owned(), "y".to_owned()]), ..moles() };
    let message = desk.refused(&desk.table("path,label\nbenign/0.png,z\n"), &options);
    assert!(message.contains("\"z\" is none of the classes"), "{message}");
}

#[test]
fn line_numbers_are_those_of_an_editor() {
    let desk = Desk::with_two_classes();
    for (text, line) in [
        ("path,label\r\nbenign/0.png,a\r\nbenign/1.png,b\r\nbenign/2.png,zzz\r\n", 4),
        ("path,label\nbenign/0.png,a\n\n\nbenign/2.png,zzz", 5),
        ("path,label\r\n\r\n\"benign/0.png\",\"a\"\r\nbenign/2.png,zzz", 4),
        ("TRAIN,0.png,0\r\nTRAIN,1.png,zzz\r\n", 2),
    ] {
        let classes = ["0", "a", "b"].map(str::to_owned).to_vec();
        let options = ImportOptions { classes: Some(classes), ..moles() };
        let mut source = TableOptions { images: Some(desk.images.path().to_owned()), ..TableOptions::default() };
        if text.starts_with("TRAIN") {
            source.images = Some(desk.images.path().join("benign"));
        }
        let message = desk.refused(&Source::Table(desk.write("list.csv", text), source), &options);
        assert!(message.contains("1 line cannot be used"), "{message}");
        assert!(message.contains(&format!("line {line}: the label \"zzz\"")), "{text:?}: {message}");
    }
}

#[test]
fn lists_of_other_makes_are_read() {
    let desk = Desk::with_two_classes();
    let rows: Vec<(String, &str)> = ["benign", "malignant"]
        .iter()
        .flat_map(|class| (0..10).map(move |index| (format!("{class}/{index}.png"), *class)))
        .collect();
    let list = |delimiter: &str, end: &str, slash: &str| {
        let lines = rows.iter().map(|(path, class)| format!("{}{delimiter}{class}{end}", path.replace('/', slash)));
        std::iter::once(format!("path{delimiter}label{end}")).chain(lines).collect::<String>()
    };
    let plain = desk.import(&desk.table(&list(",", "\n", "/")), &ImportOptions::named("plain")).unwrap();
    assert!(plain.notes.is_empty(), "{:?}", plain.notes);
    let expected = fs_err::read(desk.data.path().join("plain.npz")).unwrap();
    for (name, text, note) in [
        ("semicolons", list(";", "\r\n", "/"), "`;`"),
        ("tabs", list("\t", "\n", "/"), "tabs"),
        ("windows", list(",", "\r\n", "\\"), "taken as `/`"),
        ("marked", format!("\u{feff}{}", list(";", "\n", "/")), "`;`"),
    ] {
        let imported = desk.import(&desk.table(&text), &ImportOptions::named(name)).unwrap();
        assert!(imported.notes.len() == 1 && imported.notes[0].contains(note), "{:?}", imported.notes);
        assert_eq!(fs_err::read(desk.data.path().join(format!("{name}.npz"))).unwrap(), expected, "{name}");
        let text = fs_err::read_to_string(desk.data.path().join(format!("{name}.toml"))).unwrap();
        assert!(text.contains("notes = ["), "{text}");
    }
    let desk = Desk { images: desk.images, data: tempfile::tempdir().unwrap() };
    let message = desk.refused(&desk.table("path,label\nbenign\\..\\..\\secret.png,a\n"), &moles());
    assert!(message.contains("does not lead to a file below"), "{message}");
}

#[test]
fn what_is_quoted_is_short() {
    let desk = Desk::with_two_classes();
    let long = "x".repeat(500_000);
    let options = ImportOptions { classes: Some(vec!["x".to_owned(), "y".to_owned()]), ..moles() };
    for (text, options) in [
        (format!("path,label\nbenign/0.png,{long}\n"), &options),
        (format!("path,label\n{long},x\n"), &options),
        (format!("path,label,split\nbenign/0.png,x,{long}\n"), &options),
        (format!("{long},label\nbenign/0.png,x\n"), &options),
        (format!("path,label\nbenign/0.png,{long}\nbenign/1.png,y\n"), &moles()),
        (format!("path,label\nbenign/0.png,{long}\n"), &moles()),
    ] {
        let message = desk.refused(&desk.table(&text), options);
        assert!(message.len() < 1_000 && message.contains(" bytes)"), "{message:.1500}");
    }
}

#[test]
fn lines_without_end_are_refused() {
    let desk = Desk::with_two_classes();
    let long = "x".repeat(2 << 20);
    for (text, line) in [(format!("path,label\r\nbenign/0.png,a\r\n{long},b\r\n"), 3), (long, 1)] {
        let message = desk.refused(&desk.table(&text), &moles());
        assert!(message.contains(&format!("line {line}: it has more than 1048576 bytes")), "{message}");
    }
}

#[test]
fn several_labels_are_told_by_themselves() {
    let desk = Desk::new();
    let mut text = "Image Index,Finding Labels,Patient ID\r\n".to_owned();
    for index in 0..40 {
        desk.picture(&format!("{index}.png"), index);
        let labels = ["No Finding", "Mass", "Mass|Edema", "Edema"][usize::from(index % 4)];
        write!(text, "{index}.png,{labels},{}\r\n", index / 2).unwrap();
    }
    let columns = TableOptions {
        path_column: "Image Index".to_owned(),
        label_column: "Finding Labels".to_owned(),
        ..TableOptions::default()
    };
    let source = Source::Table(desk.write("list.csv", text), columns);
    let imported = desk.import(&source, &moles()).unwrap();
    assert_eq!(imported.classes, ["Edema", "Mass"]);
    for part in ["so the set is multi-label", "\"No Finding\" is no label", "--group-column \"Patient ID\""] {
        assert!(imported.notes.iter().any(|note| note.contains(part)), "{part}: {:?}", imported.notes);
    }
    let task = desk.open("moles", 28);
    assert_eq!((task.spec.kind, task.train.labels().width()), (TaskKind::MultiLabel, 2));
    let none = (0..task.train.len()).filter(|&row| task.train.labels().row(row) == [0, 0]).count();
    assert!(none > 0, "images without a finding");
    let whole = ImportOptions { kind: Some(TaskKind::MultiClass), ..ImportOptions::named("whole") };
    assert_eq!(desk.import(&source, &whole).unwrap().classes.len(), 4);
}
