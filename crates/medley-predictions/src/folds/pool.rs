//! The predictions of all folds of a recipe, each row in its place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use medley_core::{Labels, RunLayout, Scores, Split};
use medley_storage::{ConfinedFolder, Shown};

use super::{FoldsError, Recipe};
use crate::matching::load;
use crate::{MatchRequest, PredictionError, RunFiles, SeedPredictions, TruthSource, of_seeds};

/// Largest file of the rows of a fold, in bytes.
const LARGEST_FOLD: u64 = 64 << 20;

/// What one seed of all folds of a recipe says of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct PooledSeed {
    /// The seed.
    pub seed: u64,
    /// Edge length of the images.
    pub size: usize,
    /// Probabilities `[N, C]`.
    pub scores: Scores,
    /// The files that they come from, by repeat and then by fold.
    pub files: Vec<PooledFile>,
}

/// A file of predictions of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledFile {
    /// Place of the run among those given.
    pub run: usize,
    /// The result file, in its run folder.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Out-of-fold predictions of a recipe for one task: row `i` is row `i` of training and validation together, training rows first.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfFold {
    /// The fold that each row is in, from 0, by the first way of splitting.
    pub folds: Vec<usize>,
    /// The predictions of each seed.
    pub seeds: Vec<PooledSeed>,
    /// Runs of the first way of splitting, with a file of each and its rows.
    first: Vec<(PooledFile, Vec<usize>)>,
    width: usize,
}

/// The rows of a task that a run with folds is validated on, counted through training and validation.
///
/// # Errors
/// [`FoldsError::Damaged`] where `fold_rows.json` cannot be read, or does not name the task.
pub fn rows_of(run: &RunLayout, task: &str) -> Result<Vec<usize>, FoldsError> {
    let path = run.fold_rows();
    let bad = |problem: String| FoldsError::Damaged {
        run: run.root().to_owned(),
        problem: format!("`{}`: {problem}; `medley resume` writes it again", Shown(&path)),
    };
    let bytes =
        ConfinedFolder::new(run.root()).read_file(&path, LARGEST_FOLD).map_err(|error| bad(error.to_string()))?;
    let mut rows: BTreeMap<String, Vec<usize>> =
        serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    rows.remove(task).ok_or_else(|| bad(format!("it has no rows of `{task}`")))
}

/// The out-of-fold predictions of every row of training and validation by each seed of a recipe: the mean over the ways of splitting that
/// have predicted it. No label is opened.
///
/// # Errors
/// As [`of_seeds`], and [`FoldsError`] where the folds of the first way of splitting are not every row, or those of one way have a row in
/// common.
pub fn out_of_fold(runs: &[RunFiles], recipe: &Recipe, task: &str) -> Result<OutOfFold, PredictionError> {
    let mut pool: Option<Pool<'_>> = None;
    let mut first = Vec::new();
    for (at, &index) in recipe.runs.iter().enumerate() {
        let run = &runs[index];
        let Some(data) = run.data().iter().find(|data| data.task.name == task) else {
            let problem = format!("it has no task `{task}`, which other folds have");
            return Err(FoldsError::Damaged { run: run.layout.root().to_owned(), problem }.into());
        };
        let rows = rows_of(&run.layout, task)?;
        let seeds = of_seeds(run, data, Split::Val)?;
        let total = data.rows.get(&Split::Train).copied().unwrap_or(0) + rows.len();
        let pool = pool.get_or_insert_with(|| Pool::new(task, total, data.task.outputs(), recipe.count));
        let repeat = run.manifest.folds.as_ref().map_or(0, |folds| folds.repeat);
        pool.begin(repeat)?;
        pool.add(run, index, at, &rows, total, &seeds)?;
        if let Some(seed) = seeds.first().filter(|_| at < recipe.count) {
            first.push((PooledFile { run: index, path: seed.path.clone(), sha256: seed.sha256.clone() }, rows));
        }
    }
    let Some(pool) = pool else { return Ok(OutOfFold { folds: Vec::new(), seeds: Vec::new(), first, width: 1 }) };
    let width = runs[recipe.runs[0]].data().iter().find(|data| data.task.name == task);
    let width = width.map_or(1, |data| data.task.label_width());
    let (folds, seeds) = pool.finish()?;
    Ok(OutOfFold { folds, seeds, first, width })
}

/// The test predictions of each seed of a recipe: the mean over all its runs. No label is opened.
///
/// # Errors
/// As [`of_seeds`], and [`FoldsError::Rows`] where runs predict other numbers of images.
pub fn bagged(runs: &[RunFiles], recipe: &Recipe, task: &str) -> Result<Vec<PooledSeed>, PredictionError> {
    let mut pooled: Vec<(PooledSeed, Vec<Scores>)> = Vec::new();
    for &index in &recipe.runs {
        let run = &runs[index];
        let Some(data) = run.data().iter().find(|data| data.task.name == task) else { continue };
        for seed in of_seeds(run, data, Split::Test)? {
            let file = PooledFile { run: index, path: seed.path, sha256: seed.sha256 };
            if let Some((known, all)) = pooled.iter_mut().find(|(known, _)| known.seed == seed.seed) {
                known.files.push(file);
                all.push(seed.scores);
            } else {
                let scores = seed.scores.clone();
                let one = PooledSeed { seed: seed.seed, size: seed.size, scores, files: vec![file] };
                pooled.push((one, vec![seed.scores]));
            }
        }
    }
    let average = |(one, all): (PooledSeed, Vec<Scores>)| match Scores::mean(&all) {
        Some(scores) if all.len() == recipe.runs.len() => Ok(PooledSeed { scores, ..one }),
        _ => Err(FoldsError::Rows {
            task: task.to_owned(),
            problem: "not all predict the same number of test images by the same seeds".to_owned(),
        }
        .into()),
    };
    pooled.into_iter().map(average).collect()
}

impl OutOfFold {
    /// The labels of these rows. `sources` has the data folder of each of the runs that were given; each file of predictions is matched with
    /// the very file that its run was made with.
    ///
    /// # Errors
    /// As [`load`].
    pub fn labels(&self, sources: &[&dyn TruthSource]) -> Result<Labels, PredictionError> {
        let mut values = vec![0; self.folds.len() * self.width];
        for (file, rows) in &self.first {
            let found = load(&file.path, &MatchRequest::of_run(Split::Val), sources[file.run])?;
            let Some(labels) = found.first().map(|prediction| prediction.sample.labels()) else { continue };
            for (at, &row) in rows.iter().enumerate().take(labels.rows()) {
                values[row * self.width..(row + 1) * self.width].copy_from_slice(labels.row(at));
            }
        }
        Ok(Labels::multi(values, self.folds.len(), self.width)?)
    }
}

/// Rows of all folds, as far as they are filled in.
struct Pool<'a> {
    task: &'a str,
    columns: usize,
    count: usize,
    /// The fold of each row by the first way of splitting.
    folds: Vec<Option<usize>>,
    /// The way of splitting whose folds are added, how many of them were, and which rows they have.
    repeat: Option<u64>,
    added: usize,
    seen: Vec<bool>,
    /// How often each row was predicted.
    times: Vec<usize>,
    seeds: Vec<(u64, usize, Vec<f64>, Vec<PooledFile>)>,
}

impl<'a> Pool<'a> {
    fn new(task: &'a str, rows: usize, columns: usize, count: usize) -> Self {
        let (folds, seen, times) = (vec![None; rows], vec![false; rows], vec![0; rows]);
        Self { task, columns, count, folds, repeat: None, added: 0, seen, times, seeds: Vec::new() }
    }

    /// The next fold is of this way of splitting.
    fn begin(&mut self, repeat: u64) -> Result<(), PredictionError> {
        if self.repeat.replace(repeat) != Some(repeat) {
            self.check_rows()?;
            self.seen.fill(false);
            self.added = 0;
        }
        self.added += 1;
        Ok(())
    }

    /// All folds of a way of splitting have all rows.
    fn check_rows(&self) -> Result<(), PredictionError> {
        match self.seen.iter().position(|seen| !seen) {
            Some(row) if self.added == self.count => Err(self.fail(format!("row {row} is in no fold"))),
            _ => Ok(()),
        }
    }

    fn fail(&self, problem: String) -> PredictionError {
        FoldsError::Rows { task: self.task.to_owned(), problem }.into()
    }

    fn add(
        &mut self,
        run: &RunFiles,
        index: usize,
        at: usize,
        rows: &[usize],
        total: usize,
        seeds: &[SeedPredictions],
    ) -> Result<(), PredictionError> {
        let root = Shown(run.layout.root());
        if total != self.times.len() {
            let known = self.times.len();
            return Err(self.fail(format!("`{root}` splits {total} rows, and others {known}")));
        }
        for &row in rows {
            if row >= total {
                return Err(self.fail(format!("`{root}` names row {row}, but there are {total}")));
            }
            if std::mem::replace(&mut self.seen[row], true) {
                return Err(self.fail(format!("row {row} is in `{root}` and in another fold")));
            }
            self.times[row] += 1;
            if at < self.count {
                self.folds[row] = Some(at);
            }
        }
        for seed in seeds {
            if seed.scores.rows() != rows.len() || seed.scores.columns() != self.columns {
                let found = seed.scores.rows();
                return Err(self.fail(format!("`{root}` predicts {found} rows, but its fold has {}", rows.len())));
            }
            let place = match self.seeds.iter().position(|known| known.0 == seed.seed) {
                Some(place) => place,
                None if at == 0 => {
                    self.seeds.push((seed.seed, seed.size, vec![0.0; total * self.columns], Vec::new()));
                    self.seeds.len() - 1
                }
                None => return Err(self.fail(format!("`{root}` has seed {}, which other folds lack", seed.seed))),
            };
            let (.., sums, files) = &mut self.seeds[place];
            for (scores, &row) in seed.scores.view().rows().into_iter().zip(rows) {
                let sums = &mut sums[row * self.columns..(row + 1) * self.columns];
                sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
            }
            files.push(PooledFile { run: index, path: seed.path.clone(), sha256: seed.sha256.clone() });
        }
        if let Some(seed) = self.seeds.iter().find(|seed| seed.3.len() != at + 1).map(|seed| seed.0) {
            return Err(self.fail(format!("`{root}` lacks seed {seed}, which other folds have")));
        }
        Ok(())
    }

    fn finish(self) -> Result<(Vec<usize>, Vec<PooledSeed>), PredictionError> {
        self.check_rows()?;
        let (rows, columns) = (self.times.len(), self.columns);
        let folds = self.folds.into_iter().flatten().collect();
        let seeds = self.seeds.into_iter().map(|(seed, size, sums, files)| {
            let mean = |(place, sum): (usize, f64)| sum / self.times[place / columns] as f64;
            let values = sums.into_iter().enumerate().map(mean).collect();
            Ok(PooledSeed { seed, size, scores: Scores::new(values, rows, columns)?, files })
        });
        Ok((folds, seeds.collect::<Result<_, PredictionError>>()?))
    }
}
