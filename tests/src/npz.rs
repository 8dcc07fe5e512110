//! Data files, good and bad. The writer knows the formats from their specifications alone (NumPy's `NEP 1`, PKWARE's
//! `APPNOTE.TXT`) and shares no code with the reader under test.

use std::path::Path;

/// One `.npy` array: a type such as `|u1`, a shape and the bytes.
#[derive(Debug, Clone)]
pub struct Array {
    /// NumPy's type string.
    pub dtype: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Values, C order.
    pub bytes: Vec<u8>,
}

impl Array {
    /// Bytes of any shape.
    pub fn bytes(shape: &[usize], bytes: Vec<u8>) -> Self {
        Self { dtype: "|u1".into(), shape: shape.to_vec(), bytes }
    }

    /// The file `.npy` 1.0: magic, header padded to 64 bytes, data.
    pub fn encode(&self) -> Vec<u8> {
        let dimensions: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        let shape = if dimensions.len() == 1 {
            format!("({},)", dimensions[0])
        } else {
            format!("({})", dimensions.join(", "))
        };
        let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", self.dtype);
        while !(10 + header.len() + 1).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(&self.bytes);
        file
    }
}

/// A data set of the MedMNIST layout: `{train,val,test}_{images,labels}`.
#[derive(Debug, Clone)]
pub struct Npz {
    /// Members in order: name without `.npy`, and content.
    pub members: Vec<(String, Array)>,
}

impl Npz {
    /// A small grey set that can be learnt: the brightness of a square depends on the class.
    pub fn learnable(classes: usize, rows: [usize; 3]) -> Self {
        let mut members = Vec::new();
        for (split, &count) in ["train", "val", "test"].iter().zip(&rows) {
            let labels: Vec<u8> = (0..count).map(|row| (row % classes) as u8).collect();
            let mut images = Vec::with_capacity(count * 28 * 28);
            for (row, &label) in labels.iter().enumerate() {
                for pixel in 0..28 * 28 {
                    let (y, x) = (pixel / 28, pixel % 28);
                    // A fixed hash for texture: the set is the same on every machine.
                    let noise = ((row * 784 + pixel) as u32).wrapping_mul(2_654_435_761) >> 27;
                    let bright = (8..20).contains(&y) && (8..20).contains(&x);
                    let level = if bright { 60 + usize::from(label) * 160 / classes } else { 40 };
                    images.push((level + noise as usize) as u8);
                }
            }
            members.push((format!("{split}_images"), Array::bytes(&[count, 28, 28], images)));
            members.push((format!("{split}_labels"), Array::bytes(&[count, 1], labels)));
        }
        Self { members }
    }

    /// The array of that name.
    ///
    /// # Panics
    /// If there is none.
    pub fn array(&mut self, name: &str) -> &mut Array {
        &mut self.members.iter_mut().find(|(member, _)| member == name).expect("the set has this member").1
    }

    /// The archive, members stored without compression.
    pub fn encode(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut directory = Vec::new();
        for (name, array) in &self.members {
            let name = format!("{name}.npy");
            let data = array.encode();
            let offset = file.len() as u32;
            // Version 2.0, no flags, stored, 1980-01-01, CRC-32, sizes, length of the name, no extra field.
            let mut common = Vec::new();
            common.extend(20_u16.to_le_bytes());
            common.extend([0; 4]);
            common.extend([0, 0, 0x21, 0]);
            common.extend(crc32fast::hash(&data).to_le_bytes());
            common.extend((data.len() as u32).to_le_bytes());
            common.extend((data.len() as u32).to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            file.extend(b"PK\x03\x04");
            file.extend(&common);
            file.extend(name.as_bytes());
            file.extend(&data);
            directory.extend(b"PK\x01\x02");
            directory.extend(20_u16.to_le_bytes());
            directory.extend(&common);
            directory.extend([0; 10]); // no comment, first disk, no attributes
            directory.extend(offset.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let (start, count) = (file.len() as u32, self.members.len() as u16);
        file.extend(&directory);
        file.extend(b"PK\x05\x06");
        file.extend([0; 4]);
        file.extend(count.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend((directory.len() as u32).to_le_bytes());
        file.extend(start.to_le_bytes());
        file.extend([0, 0]);
        file
    }

    /// Writes the archive.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.encode()).expect("the fixture can be written");
    }
}
