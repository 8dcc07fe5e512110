//! What the members of a task predict: seeds of runs, or seeds of recipes of which all folds are there.

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::{Labels, Scores, Split};
use medley_predictions::folds::{OutOfFold, PooledFile, bagged, out_of_fold};
use medley_predictions::matching::load;
use medley_predictions::{MatchRequest, RunFiles, TruthSource, of_seeds};

use crate::{EnsembleError, Member, PredictionFile, Source, TaskPlan};

/// The members of a task with their predictions of one split. No label was opened for them.
pub(crate) struct Gathered {
    pub(crate) members: Vec<Member>,
    /// Of each member, `[N, C]`.
    pub(crate) scores: Vec<Scores>,
    /// Edge length of the images.
    pub(crate) size: usize,
    /// Where they are out-of-fold predictions, those of the first recipe: it knows whose rows they are.
    pub(crate) pool: Option<OutOfFold>,
    /// Where each member's first file lies: the run, and its path.
    first: Vec<PooledFile>,
}

/// What every member says of a split, member by member.
pub(crate) fn gather(sources: &[Source<'_>], plan: &TaskPlan, split: Split) -> Result<Gathered, EnsembleError> {
    let runs: Vec<RunFiles> = sources.iter().map(|source| source.run.clone()).collect();
    let mut all = Gathered { members: Vec::new(), scores: Vec::new(), size: 28, pool: None, first: Vec::new() };
    let task = &plan.data.task.name;
    if plan.recipes.is_empty() {
        for &index in &plan.runs {
            let run = &runs[index];
            let data = run.data().iter().find(|data| data.task.name == *task);
            for seed in of_seeds(run, data.unwrap_or(&plan.data), split)? {
                let file = PooledFile { run: index, path: seed.path, sha256: seed.sha256 };
                all.add(&runs, plan, split, &run.layout.name(), (seed.seed, seed.size), vec![file], seed.scores)?;
            }
        }
        return Ok(all);
    }
    for recipe in &plan.recipes {
        let seeds = if split == Split::Test {
            bagged(&runs, recipe, task)?
        } else {
            let pool = out_of_fold(&runs, recipe, task)?;
            let seeds = pool.seeds.clone();
            all.pool.get_or_insert(pool);
            seeds
        };
        for seed in seeds {
            all.add(&runs, plan, split, &recipe.name, (seed.seed, seed.size), seed.files, seed.scores)?;
        }
    }
    Ok(all)
}

impl Gathered {
    #[allow(clippy::too_many_arguments, reason = "a member has that many parts")]
    fn add(
        &mut self,
        runs: &[RunFiles],
        plan: &TaskPlan,
        split: Split,
        name: &str,
        (seed, size): (u64, usize),
        files: Vec<PooledFile>,
        scores: Scores,
    ) -> Result<(), EnsembleError> {
        let Some(file) = files.first().cloned() else { return Ok(()) };
        if let Some((known, first)) = self.scores.first().zip(self.first.first())
            && known.rows() != scores.rows()
        {
            return Err(EnsembleError::Rows {
                task: plan.data.task.name.clone(),
                split,
                first: runs[first.run].layout.root().to_owned(),
                first_rows: known.rows(),
                other: runs[file.run].layout.root().to_owned(),
                other_rows: scores.rows(),
            });
        }
        let record = |file: &PooledFile| PredictionFile {
            run: runs[file.run].layout.name(),
            file: file_name(&file.path),
            sha256: file.sha256.clone(),
        };
        let files = BTreeMap::from([(split, files.iter().map(record).collect())]);
        self.members.push(Member { run: name.to_owned(), seed, files });
        self.scores.push(scores);
        self.first.push(file);
        self.size = size;
        Ok(())
    }

    /// The labels of the rows that were predicted, by the files of the first member: they are matched with the very data files of its runs.
    pub(crate) fn labels(&self, sources: &[Source<'_>], plan: &TaskPlan) -> Result<Labels, EnsembleError> {
        if let Some(pool) = &self.pool {
            let truths: Vec<&dyn TruthSource> = sources.iter().map(|source| source.truth).collect();
            return Ok(pool.labels(&truths)?);
        }
        let Some(file) = self.first.first() else { return Err(EnsembleError::NoRuns) };
        let found = load(&file.path, &MatchRequest::of_run(Split::Val), sources[file.run].truth)?;
        let of_task = found.into_iter().find(|prediction| prediction.sample.spec().name == plan.data.task.name);
        of_task.map(|prediction| prediction.sample.labels().clone()).ok_or(EnsembleError::NoRuns)
    }
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
