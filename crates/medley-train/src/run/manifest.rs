//! What a manifest says of a run that begins.

use std::path::Path;

use medley_core::record::{Manifest, SCHEMA_VERSION};

use crate::compute;
use crate::run_folder::{config_sha256, git_revision, utc_now};
use crate::session::{Ready, RunRequest};

pub(crate) fn describe(run: &str, request: &RunRequest<'_>, data_folder: &Path, ready: &Ready) -> Manifest {
    let Ready { prepared, choice, pretrained, parent, .. } = ready;
    let learning = &prepared.learning;
    let names = learning.tasks.iter().map(|task| task.name.clone());
    Manifest {
        schema_version: SCHEMA_VERSION,
        run: run.to_owned(),
        created: utc_now(),
        seeds: request.experiment.seeds.clone(),
        environment: compute::environment(&choice.plan),
        calibration: choice.trials.clone(),
        data: prepared.records.clone(),
        data_folder: std::path::absolute(data_folder).ok().and_then(|path| path.into_os_string().into_string().ok()),
        normalisation: names.zip(learning.train.normalisations()).collect(),
        pretrained: pretrained.as_ref().map(|pretrained| pretrained.record().clone()),
        parent: parent.clone(),
        folds: prepared.folds_record(request.experiment),
        teachers: ready.teachers.records(),
        config_sha256: config_sha256(request.config_text),
        git_revision: git_revision(),
        no_test: request.no_test,
        test_openings: Vec::new(),
    }
}
