//! Every picture decoded, made grey or colour, and brought to its sizes: in parallel, each by itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::listing::{ImageList, ListedImage, PixelSource, refuse, refuse_all};
use super::{Colour, ImportOptions};
use crate::ImportError;
use medley_data::DataError;
use medley_pictures::{Budget, Frames, Picture, PictureError, Rules, decode, fit, read_file};

/// Memory for pictures while they are decoded, bytes, whatever the number of threads.
const IN_FLIGHT: u64 = 1 << 30;

/// What became of the pictures that could be read, in the order of the listing. A file that is listed several times is read once.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) images: Vec<Arc<Ready>>,
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
    sizes: Box<[Box<[u8]>]>,
    channels: usize,
    depth: Option<u32>,
    height: u32,
    width: u32,
}

/// Reads all pictures. Those that cannot be read are the error, or leave the listing.
pub(super) fn read_all(
    source: &Path,
    listing: &mut ImageList,
    options: &ImportOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Decoded, ImportError> {
    let rules = Rules {
        sixteen_bit: options.sixteen_bit,
        alpha: options.alpha,
        max_pixels: options.max_pixels,
        budget: Budget::new(options.memory_limit.min(IN_FLIGHT)),
    };
    let first_of = first_of_each(&listing.images);
    let firsts: Vec<usize> = (0..first_of.len()).filter(|&index| first_of[index] == index).collect();
    let (spent, done, total) = (AtomicU64::new(0), AtomicUsize::new(0), firsts.len());
    let read = |&index: &usize| {
        // Past the limit nothing more is decoded; the error is made below.
        if spent.load(Ordering::Relaxed) > options.memory_limit {
            return Err(String::new());
        }
        let place = &listing.images[index].place;
        let result = read_one(listing, place, options, &rules);
        if let Ok(ready) = &result {
            let bytes: usize = ready.sizes.iter().map(|bytes| bytes.len()).sum();
            spent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        progress(1 + done.fetch_add(1, Ordering::Relaxed), total);
        result.map(Arc::new).map_err(|problem| format!("{}: {problem}", listing.name(place)))
    };
    let results: Vec<Result<Arc<Ready>, String>> = firsts.par_iter().map(read).collect();
    let needed = spent.into_inner();
    if needed > options.memory_limit {
        let (path, limit) = (source.to_owned(), options.memory_limit);
        return Err(DataError::TooLarge { path, needed, limit }.into());
    }
    let skipped: Vec<String> = results.iter().filter_map(|result| result.as_ref().err().cloned()).collect();
    if !skipped.is_empty() && (!options.skip_unreadable || skipped.len() == total) {
        let what = "cannot be read (--skip-unreadable leaves them out)";
        return Err(refuse_all(source, "picture", what, skipped.len(), &skipped));
    }
    let ready = |index: usize| results[firsts.partition_point(|&first| first < first_of[index])].as_ref().ok();
    let images: Vec<Arc<Ready>> = (0..first_of.len()).filter_map(|index| ready(index).cloned()).collect();
    let mut index = 0..;
    listing.images.retain(|_| index.next().is_some_and(|index| ready(index).is_some()));
    let volumes = images.iter().filter(|image| image.depth.is_some()).count();
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
    let by_size = |image: &&Arc<Ready>| image.pixels();
    let shape = |image: Option<&Arc<Ready>>| image.map(|image| image.shape()).unwrap_or_default();
    let shapes = (shape(images.iter().min_by_key(by_size)), shape(images.iter().max_by_key(by_size)));
    Ok(Decoded { images, channels, volumes: volumes > 0, skipped, shapes })
}

fn read_picture(path: &Path, rules: &Rules) -> Result<Picture, PictureError> {
    Ok(decode(&read_file(path, rules)?, Frames::Volume, rules)?.picture)
}

fn read_one(listing: &ImageList, place: &PixelSource, options: &ImportOptions, rules: &Rules) -> Result<Ready, String> {
    let mut picture = match place {
        PixelSource::File(path, _) => read_picture(path, rules).map_err(|error| error.with_option())?,
        PixelSource::Row { stack, row } => listing.stacks[*stack].picture(*row),
    };
    if options.colour == Colour::Grey {
        picture = picture.into_grey();
    }
    Ok(Ready {
        hash: hash(&picture),
        sizes: options.sizes.iter().map(|&size| fit(&picture, size, options.fit, options.filter).into()).collect(),
        channels: picture.channels,
        depth: picture.depth.map(|depth| depth as u32),
        height: picture.height as u32,
        width: picture.width as u32,
    })
}

/// For each image the first that has its pixels from the same place.
fn first_of_each(images: &[ListedImage]) -> Vec<usize> {
    let place = |index: usize| match &images[index].place {
        PixelSource::File(path, _) => (Some(path.as_os_str()), 0, 0),
        PixelSource::Row { stack, row } => (None, *stack, *row),
    };
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.par_sort_unstable_by(|&a, &b| place(a).cmp(&place(b)).then(a.cmp(&b)));
    let mut first_of = vec![0; images.len()];
    for same in order.chunk_by(|&a, &b| place(a) == place(b)) {
        for &index in same {
            first_of[index] = same[0];
        }
    }
    first_of
}

/// Equal for equal pictures of equal shape, grey or not.
fn hash(picture: &Picture) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{} {}\n", picture.shape(), picture.channels));
    hash.update(&picture.bytes);
    hash.finalize().into()
}

impl Ready {
    fn pixels(&self) -> u64 {
        u64::from(self.depth.unwrap_or(1)) * u64::from(self.height) * u64::from(self.width)
    }

    fn shape(&self) -> String {
        let [depth, height, width] = [self.depth, Some(self.height), Some(self.width)];
        let edges: Vec<String> = [depth, height, width].into_iter().flatten().map(|edge| edge.to_string()).collect();
        edges.join("x")
    }

    /// Appends the image of a size with this many channels.
    pub(super) fn append(&self, size: usize, channels: usize, array: &mut Vec<u8>) {
        let bytes = &self.sizes[size];
        if channels == self.channels {
            array.extend_from_slice(bytes);
        } else {
            array.extend(bytes.iter().flat_map(|&grey| [grey; 3]));
        }
    }
}
