//! Every picture decoded, made grey or colour, and brought to its sizes: in parallel, each by itself.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::fit::fit;
use super::listing::{Listing, Place, refuse, refuse_all};
use super::picture::{self, Picture};
use super::{Colour, ImportOptions};
use crate::ImportError;
use medley_data::DataError;

/// What became of the pictures that could be read, in the order of the listing.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) images: Vec<Ready>,
    /// 1 or 3.
    pub(super) channels: usize,
    /// Whether they are volumes.
    pub(super) volumes: bool,
    /// Names and reasons of those that could not.
    pub(super) skipped: Vec<String>,
    /// The shapes that pictures had, least and greatest by number of pixels.
    pub(super) shapes: (String, String),
}

/// One image at all its sizes.
#[derive(Debug)]
pub(super) struct Ready {
    /// Of the pixels before they were resized.
    pub(super) hash: [u8; 32],
    /// Bytes by size, in the order of the options.
    pub(super) sizes: Vec<Vec<u8>>,
    channels: usize,
    volume: bool,
    pixels: usize,
    shape: String,
}

/// Reads all pictures. Those that cannot be read are the error, or leave the listing.
pub(super) fn read_all(
    source: &Path,
    listing: &mut Listing,
    options: &ImportOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Decoded, ImportError> {
    let (spent, done, total) = (AtomicU64::new(0), AtomicUsize::new(0), listing.images.len());
    let results: Vec<Result<Ready, String>> = listing
        .images
        .par_iter()
        .map(|found| {
            // Past the limit nothing more is decoded; the error is made below.
            if spent.load(Ordering::Relaxed) > options.memory_limit {
                return Err(String::new());
            }
            let result = read_one(listing, &found.place, options);
            if let Ok(ready) = &result {
                let bytes: usize = ready.sizes.iter().map(Vec::len).sum();
                spent.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            progress(1 + done.fetch_add(1, Ordering::Relaxed), total);
            result.map_err(|problem| format!("{}: {problem}", listing.name(&found.place)))
        })
        .collect();
    let needed = spent.into_inner();
    if needed > options.memory_limit {
        let (path, limit) = (source.to_owned(), options.memory_limit);
        return Err(DataError::TooLarge { path, needed, limit }.into());
    }
    let skipped: Vec<String> = results.iter().filter_map(|result| result.as_ref().err().cloned()).collect();
    if !skipped.is_empty() && (!options.skip_unreadable || skipped.len() == total) {
        let what = "cannot be read (--skip-unreadable leaves them out)";
        return Err(refuse_all(source, "picture", what, &skipped));
    }
    let mut readable = results.iter().map(Result::is_ok);
    listing.images.retain(|_| readable.next().unwrap_or(false));
    let images: Vec<Ready> = results.into_iter().flatten().collect();
    let volumes = images.iter().filter(|image| image.volume).count();
    if volumes != 0 && volumes != images.len() {
        return Err(refuse(source, format!("{volumes} of {} images are volumes: a set has one kind", images.len())));
    }
    let coloured = images.iter().any(|image| image.channels == 3);
    let channels = match options.colour {
        Colour::Auto if coloured => 3,
        Colour::Rgb if volumes == 0 => 3,
        Colour::Rgb => return Err(refuse(source, "volumes are grey")),
        Colour::Auto | Colour::Grey => 1,
    };
    let by_size = |image: &&Ready| image.pixels;
    let shape = |image: Option<&Ready>| image.map(|image| image.shape.clone()).unwrap_or_default();
    let shapes = (shape(images.iter().min_by_key(by_size)), shape(images.iter().max_by_key(by_size)));
    Ok(Decoded { images, channels, volumes: volumes > 0, skipped, shapes })
}

fn read_one(listing: &Listing, place: &Place, options: &ImportOptions) -> Result<Ready, String> {
    let mut picture = match place {
        Place::File(path, _) => picture::read(path, options.sixteen_bit, options.alpha)?,
        Place::Row { stack, row } => listing.stacks[*stack].picture(*row),
    };
    if options.colour == Colour::Grey {
        picture = picture.into_grey();
    }
    Ok(Ready {
        hash: hash(&picture),
        sizes: options.sizes.iter().map(|&size| fit(&picture, size, options.fit, options.filter)).collect(),
        channels: picture.channels,
        volume: picture.depth.is_some(),
        pixels: picture.bytes.len() / picture.channels,
        shape: picture.shape(),
    })
}

/// Equal for equal pictures of equal shape, grey or not.
fn hash(picture: &Picture) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{} {}\n", picture.shape(), picture.channels));
    hash.update(&picture.bytes);
    hash.finalize().into()
}

impl Ready {
    /// Appends the image of a size with this many channels.
    pub(super) fn append(&self, size: usize, channels: usize, array: &mut Vec<u8>) {
        let bytes = &self.sizes[size];
        if channels == self.channels {
            array.extend(bytes);
        } else {
            array.extend(bytes.iter().flat_map(|&grey| [grey; 3]));
        }
    }
}
