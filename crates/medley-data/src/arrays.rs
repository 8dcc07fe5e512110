//! The six arrays of a file: checked against the task before any is read, then decoded into memory or into a cache.

use std::path::Path;
use std::sync::Arc;

use medley_core::{CoreError, ImageShape, ImageSource, Images, Split, TaskSpec};
use medley_npy::ItemType;

use crate::archive::{Archive, Member};
use crate::cache::{self, CacheUse, Decoded};
use crate::labels::check_shape;
use crate::{DataError, OpenOptions};

/// The six arrays, their headers checked against the task, before any of them is read.
pub(crate) struct Plan {
    pub(crate) images: [Member; 3],
    pub(crate) labels: [Member; 3],
    pub(crate) rows: [usize; 3],
}

impl Plan {
    /// Checks names, types and shapes against the task and against each other.
    pub(crate) fn new(archive: &Archive, spec: &TaskSpec) -> Result<Self, DataError> {
        let member = |split: Split, what: &str| archive.member(&format!("{split}_{what}"));
        let of = |what: &str| -> Result<[Member; 3], DataError> {
            Ok([member(Split::Train, what)?, member(Split::Val, what)?, member(Split::Test, what)?])
        };
        let (images, labels) = (of("images")?, of("labels")?);
        let mut rows = [0; 3];
        for (index, (images, labels)) in images.iter().zip(&labels).enumerate() {
            check_images(archive, images, spec)?;
            check_shape(archive, labels, spec)?;
            rows[index] = images.header.shape[0];
            if labels.header.shape[0] != rows[index] {
                let problem = format!("it has {} rows, but there are {} images", labels.header.shape[0], rows[index]);
                return Err(archive.array_error(&labels.name, problem));
            }
            if rows[index] == 0 {
                return Err(archive.array_error(&images.name, "it has no images".to_owned()));
            }
        }
        Ok(Self { images, labels, rows })
    }

    fn members(&self) -> Vec<&Member> {
        self.images.iter().chain(&self.labels).collect()
    }
}

/// The images of a split.
pub(crate) type Source = Arc<dyn ImageSource>;

/// The decoded bytes of the six arrays, wherever they are.
pub(crate) enum Arrays {
    Memory(Vec<Vec<u8>>),
    Cached(Decoded),
}

impl Arrays {
    /// Decodes, or takes what was decoded before. With the arrays come the MD5 and SHA-256 of the file.
    pub(crate) fn of(
        path: &Path,
        archive: &Archive,
        plan: &Plan,
        options: &OpenOptions,
    ) -> Result<(Self, (String, String)), DataError> {
        let members = plan.members();
        let needed: u64 = members.iter().map(|member| member.header.data_len as u64).sum();
        let large = needed > options.memory_limit;
        let folder = match &options.cache {
            CacheUse::Always(folder) => Some(folder),
            CacheUse::WhenLarge(folder) if large => Some(folder),
            CacheUse::Never | CacheUse::WhenLarge(_) => None,
        };
        if let Some(folder) = folder {
            match cached(folder, path, archive, &members, options.memory_limit) {
                Ok(decoded) => {
                    let hashes = decoded.hashes();
                    return Ok((Self::Cached(decoded), hashes));
                }
                // Without a cache it takes longer, and that is all.
                Err(error @ (DataError::Io { .. } | DataError::Storage(_))) if !large => {
                    tracing::warn!("no cache in `{}`: {error}", folder.display());
                }
                Err(error) => return Err(error),
            }
        }
        if large {
            return Err(DataError::TooLarge { path: path.to_owned(), needed, limit: options.memory_limit });
        }
        let (hashes, arrays) = rayon::join(|| archive.hashes(), || archive.read_all(&members));
        let (hashes, arrays) = (hashes?, arrays?);
        archive.unchanged()?;
        Ok((Self::Memory(arrays), hashes))
    }

    /// The images of the three splits, and the bytes of their labels.
    pub(crate) fn split_up(
        self,
        shape: ImageShape,
        rows: [usize; 3],
    ) -> Result<(Vec<Source>, Vec<Vec<u8>>), CoreError> {
        let mut images: Vec<Source> = Vec::with_capacity(3);
        match self {
            Self::Memory(mut arrays) => {
                let labels = arrays.split_off(3);
                for (bytes, rows) in arrays.into_iter().zip(rows) {
                    images.push(Arc::new(Images::new(shape, rows, bytes)?));
                }
                Ok((images, labels))
            }
            Self::Cached(decoded) => {
                for (split, rows) in rows.into_iter().enumerate() {
                    images.push(Arc::new(decoded.images(split, shape, rows)));
                }
                Ok((images, (3..6).map(|position| decoded.bytes(position).to_vec()).collect()))
            }
        }
    }
}

fn cached(
    folder: &Path,
    path: &Path,
    archive: &Archive,
    members: &[&Member],
    memory_limit: u64,
) -> Result<Decoded, DataError> {
    let cache = cache::path_for(folder, path);
    if let Some(decoded) = Decoded::open(&cache, archive.stamp(), members, memory_limit)? {
        return Ok(decoded);
    }
    tracing::info!("decoding `{}` into `{}`", path.display(), cache.display());
    cache::build(&cache, archive, members)?;
    Decoded::open(&cache, archive.stamp(), members, memory_limit)?.ok_or(DataError::Cache { path: cache })
}

fn check_images(archive: &Archive, member: &Member, spec: &TaskSpec) -> Result<(), DataError> {
    let wrong = |problem: String| Err(archive.array_error(&member.name, problem));
    if member.header.item != ItemType::U8 {
        return wrong("images must be of type uint8 (`|u1`), 0 to 255".to_owned());
    }
    let shape = spec.shape;
    let mut one: Vec<usize> = shape.depth.into_iter().collect();
    one.extend([shape.height, shape.width]);
    let found = member.header.shape.get(1..).unwrap_or_default();
    // Grey images are stored without a channel axis, or with one of length 1.
    let matches = found == [one.as_slice(), &[shape.channels]].concat() || (shape.channels == 1 && found == one);
    if matches {
        Ok(())
    } else {
        wrong(format!("its shape is {:?}, but images of {} are {shape}", member.header.shape, spec.title))
    }
}
