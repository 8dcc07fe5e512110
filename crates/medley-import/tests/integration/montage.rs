//! Contact sheets: which images they show, where, and what is refused.

use image::RgbImage;
use medley_core::{OpenedTask, Origin, ScoringToken, Split};
use medley_data::Registry;
use medley_import::ImportError;
use medley_import::montage::{Montage, MontageOptions, file_name, montage};
use medley_storage::RealFs;

fn drawn(name: &str, size: usize) -> OpenedTask {
    let spec = Registry::builtin().get(name).unwrap().spec(size, Origin::Synthetic);
    medley_synth::generate(&spec, [60, 20, 20], 3).unwrap().into_task(spec).unwrap()
}

fn sheet(task: &OpenedTask, options: &MontageOptions) -> Result<(Montage, RgbImage), ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let drawn = montage(task, &folder.path().join("sheet.png"), options, None, &RealFs)?;
    let picture = image::open(&drawn.path).unwrap().into_rgb8();
    assert_eq!((picture.width() as usize, picture.height() as usize), (drawn.width, drawn.height));
    Ok((drawn, picture))
}

/// Whether an image lies at a place, each of its pixels a square.
fn shows(picture: &RgbImage, left: usize, top: usize, pixels: &[u8], width: usize, scale: usize) -> bool {
    let channels = pixels.len() / width / width;
    pixels.chunks_exact(channels).enumerate().all(|(index, pixel)| {
        let (x, y) = (left + index % width * scale, top + index / width * scale);
        let colour = if channels == 3 { [pixel[0], pixel[1], pixel[2]] } else { [pixel[0]; 3] };
        [(0, 0), (scale - 1, scale - 1)]
            .iter()
            .all(|(dx, dy)| picture.get_pixel((x + dx) as u32, (y + dy) as u32).0 == colour)
    })
}

#[test]
fn images_lie_where_the_sheet_says() {
    for name in ["breastmnist", "retinamnist"] {
        let task = drawn(name, 28);
        let options = MontageOptions { columns: 5, rows: 3, scale: 2, gap: 4, ..MontageOptions::default() };
        let (drawn, picture) = sheet(&task, &options).unwrap();
        assert_eq!((drawn.width, drawn.height), (5 * 60 + 4, 3 * 60 + 4));
        for (row, line) in drawn.rows.iter().enumerate() {
            for (column, &image) in line.images.iter().enumerate() {
                let pixels = task.train.images().image(image);
                assert!(shows(&picture, 4 + column * 60, 4 + row * 60, pixels, 28, 2), "{name} {row} {column}");
            }
        }
        let (again, same) = sheet(&task, &options).unwrap();
        assert!(again.rows == drawn.rows && same == picture);
        let other = sheet(&task, &MontageOptions { seed: 1, ..options }).unwrap().0;
        assert_ne!(other.rows, drawn.rows);
    }
}

#[test]
fn rows_by_class_hold_their_class_and_its_name() {
    let task = drawn("bloodmnist", 28);
    let options =
        MontageOptions { columns: 3, rows: 2, by_class: true, split: Split::Val, ..MontageOptions::default() };
    let (drawn, picture) = sheet(&task, &options).unwrap();
    let mut classes: Vec<&str> = drawn.rows.iter().map(|row| row.class.as_deref().unwrap()).collect();
    for row in &drawn.rows {
        for &image in &row.images {
            let class = usize::from(task.val.labels().row(image)[0]);
            assert_eq!(row.class.as_ref(), Some(&task.spec.classes[class]));
        }
    }
    classes.dedup();
    assert_eq!(classes, task.spec.classes);
    // The names stand in a margin, in letters that are almost white.
    let letters = picture.enumerate_pixels().filter(|(x, _, pixel)| *x < 60 && pixel.0 == [235; 3]).count();
    assert!(letters > 200, "{letters} pixels");
}

#[test]
fn a_volume_takes_a_row() {
    let task = drawn("adrenalmnist3d", 28);
    let options = MontageOptions { columns: 4, rows: 3, scale: 1, gap: 1, ..MontageOptions::default() };
    let (drawn, picture) = sheet(&task, &options).unwrap();
    assert_eq!(drawn.rows.len(), 3);
    for (row, line) in drawn.rows.iter().enumerate() {
        let volume = task.train.images().image(line.images[0]);
        for (column, slice) in [0, 9, 18, 27].into_iter().enumerate() {
            let pixels = &volume[slice * 784..(slice + 1) * 784];
            assert!(shows(&picture, 1 + column * 29, 1 + row * 29, pixels, 28, 1), "{row} {slice}");
        }
    }
}

#[test]
fn test_images_are_free_and_test_classes_sealed() {
    let task = drawn("breastmnist", 28);
    let options = MontageOptions { split: Split::Test, ..MontageOptions::default() };
    assert_eq!(sheet(&task, &options).unwrap().0.rows.iter().map(|row| row.images.len()).sum::<usize>(), 20);
    let by_class = MontageOptions { by_class: true, ..options };
    assert!(matches!(sheet(&task, &by_class), Err(ImportError::Sealed { .. })));
    let folder = tempfile::tempdir().unwrap();
    let token = ScoringToken::on_request("breastmnist", 20);
    montage(&task, &folder.path().join("x.png"), &by_class, Some(&token), &RealFs).unwrap();
}

#[test]
fn sheets_are_neither_endless_nor_overwritten() {
    let task = drawn("breastmnist", 28);
    for (columns, rows, scale) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (60, 1, 100), (usize::MAX, usize::MAX, 1_000)] {
        let options = MontageOptions { columns, rows, scale, ..MontageOptions::default() };
        assert!(matches!(sheet(&task, &options), Err(ImportError::Image { .. })), "{columns} {rows} {scale}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file_name(&task, Split::Train));
    assert!(path.ends_with("breastmnist_train_montage.png"));
    let draw = |overwrite| {
        let options = MontageOptions { overwrite, ..MontageOptions::default() };
        montage(&task, &path, &options, None, &RealFs)
    };
    draw(false).unwrap();
    assert!(draw(false).unwrap_err().to_string().contains("--overwrite"));
    draw(true).unwrap();
}
