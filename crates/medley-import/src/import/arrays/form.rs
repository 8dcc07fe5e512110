//! The shape of arrays of images.

use medley_npy::Header;

use medley_pictures::Picture;

/// Images in one array.
#[derive(Debug)]
pub(in crate::import) struct Stack {
    pub(in crate::import) name: String,
    form: Form,
    bytes: Vec<u8>,
}

/// `[N, H, W]`, `[N, H, W, 1]` or `[N, H, W, 3]`, or `[N, D, H, W]`; with channels first, `[N, 1, H, W]`, `[N, 3, H, W]` or
/// `[N, 1, D, H, W]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) rows: usize,
    depth: Option<usize>,
    height: usize,
    width: usize,
    channels: usize,
    channels_first: bool,
}

impl Form {
    pub(super) fn of(header: &Header) -> Result<Self, String> {
        let form = |rows, depth, height, width, channels, channels_first| Self {
            rows,
            depth,
            height,
            width,
            channels,
            channels_first,
        };
        let form = match *header.shape.as_slice() {
            [rows, height, width] => form(rows, None, height, width, 1, false),
            // Three or one at the end are channels. At the second place too: nobody has volumes of one slice or three.
            [rows, height, width, channels @ (1 | 3)] => form(rows, None, height, width, channels, false),
            [rows, channels @ (1 | 3), height, width] => form(rows, None, height, width, channels, true),
            [rows, depth, height, width] | [rows, depth, height, width, 1] => {
                form(rows, Some(depth), height, width, 1, false)
            }
            [rows, 1, depth, height, width] => form(rows, Some(depth), height, width, 1, true),
            _ => {
                return Err(format!(
                    "its shape is {:?}; images are (N, H, W), (N, H, W, 3), (N, 3, H, W) or (N, D, H, W), volumes grey",
                    header.shape
                ));
            }
        };
        if form.rows == 0 || form.height == 0 || form.width == 0 || form.depth == Some(0) {
            return Err(format!("its shape {:?} has no pixels", header.shape));
        }
        Ok(form)
    }

    /// What a person should know of how the shape was understood.
    pub(super) fn note(&self, header: &Header) -> Option<String> {
        let Self { rows, depth, height, width, channels, .. } = *self;
        self.channels_first.then(|| match depth {
            Some(depth) => format!("images of shape {:?} are taken as volumes ({rows}, {depth}, {height}, {width})", header.shape),
            None => format!(
                "images of shape {:?} are taken as channels first, and stored as ({rows}, {height}, {width}, {channels}); volumes of \
                 {channels} slice(s) would be ({rows}, {channels}, {height}, {width}, 1)",
                header.shape
            ),
        })
    }
}

impl Stack {
    /// `bytes` are those of the form.
    pub(super) fn new(name: String, form: Form, bytes: Vec<u8>) -> Self {
        Self { name, form, bytes }
    }

    /// One image.
    pub(in crate::import) fn picture(&self, row: usize) -> Picture {
        let Form { rows, depth, height, width, channels, channels_first } = self.form;
        let length = self.bytes.len() / rows;
        let image = &self.bytes[row * length..(row + 1) * length];
        let bytes = if channels_first && channels > 1 {
            let plane = height * width;
            (0..length).map(|at| image[at % channels * plane + at / channels]).collect()
        } else {
            image.to_vec()
        };
        Picture { depth, height, width, channels, bytes }.grey_if_it_is()
    }
}

#[cfg(test)]
mod tests {
    use medley_npy::ItemType;

    use super::*;

    fn stack(shape: &[usize]) -> Result<(Stack, Option<String>), String> {
        let data_len = shape.iter().product();
        let header = Header { item: ItemType::U8, shape: shape.to_vec(), fortran_order: false, offset: 0, data_len };
        let form = Form::of(&header)?;
        Ok((Stack::new("images".to_owned(), form, (0..data_len).map(|at| at as u8).collect()), form.note(&header)))
    }

    #[test]
    fn channels_are_found_on_either_side() {
        for (shape, expected, noted) in [
            (&[2, 4, 5][..], (None, 4, 5, 1), false),
            (&[2, 4, 5, 3], (None, 4, 5, 3), false),
            (&[2, 4, 5, 1], (None, 4, 5, 1), false),
            (&[2, 3, 4, 5], (None, 4, 5, 3), true),
            (&[2, 1, 4, 5], (None, 4, 5, 1), true),
            (&[2, 7, 4, 5], (Some(7), 4, 5, 1), false),
            (&[2, 3, 4, 5, 1], (Some(3), 4, 5, 1), false),
            (&[2, 1, 7, 4, 5], (Some(7), 4, 5, 1), true),
        ] {
            let (stack, note) = stack(shape).unwrap();
            let picture = stack.picture(1);
            assert_eq!((picture.depth, picture.height, picture.width, picture.channels), expected, "{shape:?}");
            assert_eq!(note.is_some(), noted, "{shape:?}: {note:?}");
        }
        for shape in [&[2, 4][..], &[2, 3, 7, 4, 5], &[2, 7, 4, 5, 3], &[2, 0, 4]] {
            assert!(stack(shape).is_err(), "{shape:?}");
        }
    }

    #[test]
    fn planes_become_pixels() {
        // numpy.arange(24).reshape(2, 3, 2, 2)[1].transpose(1, 2, 0)
        let (stack, _) = stack(&[2, 3, 2, 2]).unwrap();
        assert_eq!(stack.picture(1).bytes, [12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23]);
    }
}
