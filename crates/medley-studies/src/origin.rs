use std::path::PathBuf;

use medley_search::{SearchError, Study};

/// Name of the text in the folder of a study that says where its data files were when it began: an absolute path and a line break.
pub const DATA_FOLDER: &str = "data-folder.txt";

/// Where the data files of a study were when it began; `None` of a study that does not say.
///
/// # Errors
/// [`SearchError::Edited`] where that was changed since.
pub fn data_folder(study: &Study) -> Result<Option<PathBuf>, SearchError> {
    let text = study.text(DATA_FOLDER)?;
    Ok(text.as_deref().and_then(|text| text.strip_suffix('\n')).filter(|path| !path.is_empty()).map(PathBuf::from))
}
