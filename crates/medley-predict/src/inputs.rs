//! What is to be classified: pictures, folders of them, arrays, standard input.

use std::cmp::Ordering;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use medley_data::archive::Archive;
use medley_npy::{Header, ItemType, read_header};
use medley_package::Model;
use medley_pictures::{
    Decoded, ENDINGS, Input, Picture, PictureError, Rules, is_picture, longest, read_file, to_input,
};
use medley_storage::{Shown, open_file};

use crate::PredictError;

/// The most files that are listed.
const MOST_FILES: usize = 10_000_000;
/// How deep folders are looked into.
const DEEPEST: usize = 64;
/// The longest array that is read, 16 GiB.
const LONGEST_ARRAY: u64 = 16 << 30;

/// Everything that is to be classified, in order. Pictures are decoded when they are asked for, arrays are held.
#[derive(Debug, Default)]
pub struct Inputs {
    items: Vec<Item>,
    stacks: Vec<Stack>,
}

#[derive(Debug)]
enum Item {
    File(PathBuf),
    StandardInput(Vec<u8>),
    Row { stack: usize, row: usize },
}

/// The images of an array.
#[derive(Debug)]
struct Stack {
    name: String,
    depth: Option<usize>,
    height: usize,
    width: usize,
    channels: usize,
    bytes: Vec<u8>,
}

impl Inputs {
    /// Adds what a path names: a picture; a folder, with all pictures in it and below, in the order of their names, numbers in them by
    /// value; an `.npy`; an `.npz`, of which `member` is read; or `-`, a picture on standard input.
    ///
    /// # Errors
    /// [`PredictError::Input`]; a file that is no picture is found out later.
    pub fn add(&mut self, path: &Path, member: Option<&str>, rules: &Rules) -> Result<(), PredictError> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().take(longest(rules) + 1).read_to_end(&mut bytes);
            read.map_err(|error| refuse(path, error.to_string()))?;
            self.items.push(Item::StandardInput(bytes));
        } else if path.is_dir() {
            let before = self.items.len();
            self.add_folder(path, 0)?;
            if self.items.len() == before {
                let endings = ENDINGS.join(", ");
                return Err(refuse(path, format!("it has no files that end as pictures do: {endings}")));
            }
        } else if ending.as_deref() == Some("npz") {
            self.add_archive(path, member)?;
        } else if ending.as_deref() == Some("npy") {
            self.add_array(path)?;
        } else {
            path.symlink_metadata().map_err(|_| refuse(path, "there is no such file or folder"))?;
            self.items.push(Item::File(path.to_owned()));
        }
        Ok(())
    }

    fn add_folder(&mut self, folder: &Path, depth: usize) -> Result<(), PredictError> {
        let listed = fs_err::read_dir(folder).map_err(|error| refuse(folder, error.to_string()))?;
        let mut paths: Vec<(bool, PathBuf)> = Vec::new();
        for entry in listed {
            let entry = entry.map_err(|error| refuse(folder, error.to_string()))?;
            // Links are not followed: they may lead round in circles.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            paths.push((is_folder, entry.path()));
        }
        paths.sort_by(|a, b| by_name(&a.1.to_string_lossy(), &b.1.to_string_lossy()));
        for (is_folder, path) in paths {
            if self.items.len() >= MOST_FILES || depth >= DEEPEST {
                return Err(refuse(folder, "it has more files or folders in folders than are listed"));
            }
            if is_folder {
                self.add_folder(&path, depth + 1)?;
            } else if is_picture(&path) {
                self.items.push(Item::File(path));
            }
        }
        Ok(())
    }

    fn add_archive(&mut self, path: &Path, member: Option<&str>) -> Result<(), PredictError> {
        let archive = Archive::open(path)?;
        let images = || archive.members().iter().map(String::as_str).filter(|name| name.ends_with("images"));
        let name = match member {
            Some(name) => name,
            None if archive.members().len() == 1 => &archive.members()[0],
            None if images().count() == 1 => images().next().unwrap_or_default(),
            None => {
                let known = archive.members().join(", ");
                return Err(refuse(path, format!("it has several arrays; name one with --member: {known}")));
            }
        };
        let array = archive.member_of_numbers(name)?;
        check_length(path, &array.header)?;
        let form = Form::of(&array.header).map_err(|problem| refuse(path, format!("`{name}` {problem}")))?;
        let bytes = archive.read(&array)?;
        self.add_stack(format!("{}:{name}", Shown(path)), form, bytes);
        Ok(())
    }

    fn add_array(&mut self, path: &Path) -> Result<(), PredictError> {
        let mut reader = std::io::BufReader::new(open_file(path)?);
        let header = read_header(&mut reader).and_then(Header::require_row_major);
        let header = header.map_err(|error| refuse(path, error.to_string()))?;
        check_length(path, &header)?;
        let form = Form::of(&header).map_err(|problem| refuse(path, problem))?;
        // Memory is taken as bytes come: a header that lies takes none.
        let mut bytes = Vec::new();
        let read = reader.take(header.data_len as u64).read_to_end(&mut bytes);
        read.map_err(|error| refuse(path, error.to_string()))?;
        if bytes.len() != header.data_len {
            let problem =
                format!("its shape {:?} needs {} bytes, but it has {}", header.shape, header.data_len, bytes.len());
            return Err(refuse(path, problem));
        }
        self.add_stack(Shown(path).to_string(), form, bytes);
        Ok(())
    }

    fn add_stack(&mut self, name: String, form: Form, bytes: Vec<u8>) {
        let Form { rows, depth, height, width, channels } = form;
        let stack = self.stacks.len();
        self.items.extend((0..rows).map(|row| Item::Row { stack, row }));
        self.stacks.push(Stack { name, depth, height, width, channels, bytes });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing to classify.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The path of one, `-` for standard input; of a row of an array, with its number: `a.npz:images[3]`.
    ///
    /// # Panics
    /// If there is none of this index.
    pub fn name(&self, index: usize) -> String {
        match &self.items[index] {
            Item::File(path) => path.to_string_lossy().into_owned(),
            Item::StandardInput(_) => "-".to_owned(),
            Item::Row { stack, row } => format!("{}[{row}]", self.stacks[*stack].name),
        }
    }

    /// One, as a model takes it.
    ///
    /// # Errors
    /// What is wrong with it.
    ///
    /// # Panics
    /// If there is none of this index.
    pub fn read(&self, index: usize, model: &Model, rules: &Rules) -> Result<Input, PictureError> {
        match &self.items[index] {
            Item::File(path) => model.decode(&read_file(path, rules)?, rules),
            Item::StandardInput(bytes) if bytes.len() as u64 > longest(rules) => {
                Err(PictureError::TooLong { most: longest(rules) })
            }
            Item::StandardInput(bytes) => model.decode(bytes, rules),
            Item::Row { stack, row } => {
                let Stack { depth, height, width, channels, ref bytes, .. } = self.stacks[*stack];
                let length = depth.unwrap_or(1) * height * width * channels;
                let bytes = bytes[row * length..(row + 1) * length].to_vec();
                let picture = Picture { depth, height, width, channels, bytes };
                to_input(Decoded { picture, notes: Vec::new() }, model.input(), model.resizing())
            }
        }
    }
}

fn refuse(path: &Path, problem: impl Into<String>) -> PredictError {
    PredictError::Input { path: path.to_owned(), problem: problem.into() }
}

fn check_length(path: &Path, header: &Header) -> Result<(), PredictError> {
    if header.data_len as u64 > LONGEST_ARRAY {
        return Err(refuse(path, format!("its array has {} bytes, more than {LONGEST_ARRAY}", header.data_len)));
    }
    Ok(())
}

/// `[N, H, W]`, `[N, H, W, 1]`, `[N, H, W, 3]` or `[N, D, H, W]`, as the files of MedMNIST have it.
struct Form {
    rows: usize,
    depth: Option<usize>,
    height: usize,
    width: usize,
    channels: usize,
}

impl Form {
    fn of(header: &Header) -> Result<Self, String> {
        if header.item != ItemType::U8 {
            return Err(format!("has items `{}`; images are bytes (`|u1`)", header.item));
        }
        let form = |rows, depth, height, width, channels| Self { rows, depth, height, width, channels };
        let form = match *header.shape.as_slice() {
            [rows, height, width] => form(rows, None, height, width, 1),
            [rows, height, width, channels @ (1 | 3)] => form(rows, None, height, width, channels),
            [rows, depth, height, width] => form(rows, Some(depth), height, width, 1),
            _ => {
                let shape = &header.shape;
                return Err(format!("has shape {shape:?}; images are (N, H, W), (N, H, W, 3) or (N, D, H, W)"));
            }
        };
        if form.depth == Some(0) || form.height == 0 || form.width == 0 {
            return Err(format!("has shape {:?}, without pixels", header.shape));
        }
        Ok(form)
    }
}

/// Runs of digits by their value, all else by its characters: `a2` comes before `a10`.
fn by_name(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (left, right) = (leading_digits(a), leading_digits(b));
        if left > 0 && right > 0 {
            let (number, other) = (a[..left].trim_start_matches('0'), b[..right].trim_start_matches('0'));
            let order = number.len().cmp(&other.len()).then_with(|| number.cmp(other)).then(left.cmp(&right));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[left..], &b[right..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (Some(x), Some(y)) if x == y => (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]),
            (x, y) => return x.cmp(&y),
        }
    }
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_value() {
        let mut names = ["b", "a10_1.png", "a2_0.png", "a02", "a1_1.png", "a", "ä"];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(names, ["a", "a1_1.png", "a2_0.png", "a02", "a10_1.png", "b", "ä"]);
        let huge = "9".repeat(400);
        assert_eq!(by_name(&huge, "1"), Ordering::Greater);
    }

    #[test]
    fn arrays_are_rows() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, shape: &[usize], bytes: usize| {
            let path = folder.path().join(name);
            fs_err::write(&path, [medley_npy::render_header("|u1", shape), vec![7; bytes]].concat()).unwrap();
            path
        };
        let model = &medley_package::Package::example().models()[0].clone();
        let mut inputs = Inputs::default();
        inputs.add(&write("a.npy", &[2, 28, 28], 2 * 784), None, &Rules::default()).unwrap();
        assert_eq!((inputs.len(), inputs.name(1).ends_with("a.npy[1]")), (2, true));
        let input = inputs.read(1, model, &Rules::default()).unwrap();
        assert_eq!((input.pixels, input.notes), (vec![7; 784], vec![]));
        for (shape, bytes) in [(vec![2, 28, 28], 784), (vec![1 << 40, 28, 28], 784), (vec![3], 3), (vec![1, 0, 28], 0)]
        {
            let refused = inputs.add(&write("b.npy", &shape, bytes), None, &Rules::default());
            assert!(matches!(refused, Err(PredictError::Input { .. })), "{shape:?}");
        }
    }
}
