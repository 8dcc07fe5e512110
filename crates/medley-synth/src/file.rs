//! Synthetic sets as files.

use std::path::{Path, PathBuf};

use medley_core::{Origin, Split};
use medley_data::archive::Archive;
use medley_data::{DataError, NpzWriter, Registry, SYNTHETIC_MEMBER};
use medley_storage::{Storage, create_folder};

use crate::set::SetGenerator;
use crate::{SynthError, SynthOptions, VERSION};

/// Images are generated and written in chunks of about this many bytes.
const CHUNK: usize = 8 << 20;

/// Generates a set and writes `folder/{name}.npz` (`{name}_64.npz` for other sizes than 28), whole or not at all: the six members
/// of an official file, and `synthetic.npy`, a text as bytes that says SYNTHETIC, [`VERSION`] and the seed. The folder is made when it is
/// missing. The same options give the same bytes. Memory: the file once.
///
/// # Errors
/// [`DataError::UnknownSet`], [`DataError::UnknownSize`], [`SynthError::InTheWay`] when a file is there that may not be
/// replaced, [`DataError::Storage`].
pub fn write_set(
    folder: &Path,
    name: &str,
    options: &SynthOptions,
    storage: &dyn Storage,
) -> Result<PathBuf, SynthError> {
    let entry = Registry::builtin().find(name)?;
    let spec = entry.spec(options.size, Origin::Synthetic);
    let path = entry.path_in(folder, options.size)?;
    let generator = SetGenerator::new(&spec, options.seed)?;
    check_way(&path, options.overwrite)?;
    create_folder(folder).map_err(DataError::from)?;
    let official = entry.competition_rows();
    let counted: Vec<(Split, usize)> =
        Split::ALL.into_iter().zip(official.map(|rows| options.rows.of(rows, spec.outputs()))).collect();
    let total: usize = counted.iter().map(|(_, rows)| rows * (spec.shape.len() + spec.label_width())).sum();
    let mut file = NpzWriter::new(&path, false, total + 16_384);
    for &(split, rows) in &counted {
        write_images(&mut file, &generator, split, rows)?;
    }
    for &(split, rows) in &counted {
        let bytes: Vec<u8> = generator.labels(split, rows).into_iter().map(|label| label as u8).collect();
        file.array(&format!("{split}_labels"), &[rows, spec.label_width()], &bytes)?;
    }
    let remark = format!("SYNTHETIC, version {VERSION}, seed {}: drawn by Medley, no medical data", options.seed);
    file.array(SYNTHETIC_MEMBER, &[remark.len()], remark.as_bytes())?;
    file.finish(storage)?;
    Ok(path)
}

fn write_images(
    file: &mut NpzWriter<'_>,
    generator: &SetGenerator<'_>,
    split: Split,
    rows: usize,
) -> Result<(), SynthError> {
    let shape = generator.spec.shape;
    let mut dimensions = vec![rows];
    dimensions.extend(shape.depth);
    dimensions.extend([shape.height, shape.width]);
    if shape.channels > 1 {
        dimensions.push(shape.channels);
    }
    let labels = generator.labels(split, rows);
    let width = generator.spec.label_width();
    let chunk = (CHUNK / shape.len()).max(1);
    let mut bytes = vec![0; chunk.min(rows) * shape.len()];
    file.begin(&format!("{split}_images"), &dimensions)?;
    for (index, labels) in labels.chunks(chunk * width).enumerate() {
        let bytes = &mut bytes[..labels.len() / width * shape.len()];
        generator.render(split, index * chunk, labels, bytes);
        file.append(bytes)?;
    }
    Ok(())
}

/// Only a synthetic file may be replaced, and only when asked.
fn check_way(path: &Path, overwrite: bool) -> Result<(), SynthError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let synthetic = Archive::open(path).is_ok_and(|archive| archive.is_synthetic());
    let problem = match (synthetic, overwrite) {
        (true, true) => return Ok(()),
        (true, false) => "is synthetic already; `--overwrite` replaces it",
        (false, _) => "is not synthetic, so it is not replaced; choose another folder",
    };
    Err(SynthError::InTheWay { path: path.to_owned(), problem })
}
