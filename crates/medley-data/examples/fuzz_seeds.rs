//! Writes the inputs that `scripts/fuzz` starts from: `fuzz_seeds CORPUS`, a folder per target. The files are those that the crate
//! itself writes.

use std::path::Path;

use medley_data::{Array, Registry, write_npz};
use medley_storage::{RealFs, write_whole};
use medley_synth::{Rows, SynthOptions, write_set};

/// Members of an official file, in the order in which the target cuts its input.
const MEMBERS: [&str; 6] = ["train_images", "val_images", "test_images", "train_labels", "val_labels", "test_labels"];

/// A `.npy` array with any header.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let padding = 63 - (10 + header.len()) % 64;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn write(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let folder = corpus.join(target);
    fs_err::create_dir_all(&folder)?;
    Ok(write_whole(&RealFs, &folder.join(name), bytes)?)
}

fn whole_files(corpus: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let folder = corpus.join("open_npz");
    fs_err::create_dir_all(&folder)?;
    let image: Vec<u8> = (0..784).map(|at| (at % 251) as u8).collect();
    let shapes: [(&[usize], &[u8]); 2] = [(&[1, 28, 28], &image), (&[1, 1], &[1])];
    let arrays: Vec<Array<'_>> = MEMBERS
        .iter()
        .map(|name| {
            let (shape, bytes) = shapes[usize::from(name.ends_with("labels"))];
            Array { name, shape, bytes }
        })
        .collect();
    for (name, compressed) in [("stored", false), ("deflated", true)] {
        write_npz(&RealFs, &folder.join(name), &arrays, compressed)?;
    }
    let options = SynthOptions { rows: Rows::AtMost(2), overwrite: true, ..SynthOptions::default() };
    let drawn = write_set(&folder.join("drawn"), "breastmnist", &options, &RealFs)?;
    write(corpus, "open_npz", "synthetic", &fs_err::read(drawn)?)?;
    Ok(fs_err::remove_dir_all(folder.join("drawn"))?)
}

fn members(corpus: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let images = npy("|u1", "(1, 28, 28)", &[7; 784]);
    for (name, descr, shape, label) in [
        ("bytes", "|u1", "(1, 1)", &[1][..]),
        ("wide", "<i8", "(1,)", &[0, 0, 0, 0, 0, 0, 0, 0][..]),
        ("big", ">u4", "(1, 1)", &[0, 0, 0, 1][..]),
    ] {
        let labels = npy(descr, shape, label);
        let mut input = Vec::new();
        for member in [&images, &images, &images, &labels, &labels] {
            input.extend((member.len() as u16).to_le_bytes());
            input.extend(member);
        }
        input.extend(&labels);
        write(corpus, "open_members", name, &input)?;
        write(corpus, "npy_header", name, &labels)?;
    }
    write(corpus, "npy_header", "fourteen", &npy("|b1", "(2, 14)", &[1; 28]))?;
    write(corpus, "npy_header", "float", &npy("<f8", "(1,)", &[0; 8]))?;
    write(corpus, "npy_header", "object", &npy("|O", "(1,)", b"\x80\x04K\x01."))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let corpus = std::env::args_os().nth(1).ok_or("usage: fuzz_seeds CORPUS")?;
    let corpus = Path::new(&corpus);
    whole_files(corpus)?;
    members(corpus)?;
    for entry in Registry::builtin().entries().iter().step_by(6) {
        write(corpus, "registry_entry", &entry.name, toml::to_string(entry)?.as_bytes())?;
    }
    Ok(())
}
