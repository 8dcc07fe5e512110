//! Which head a task has, and whether tasks, names and segments fit each other.

use std::collections::BTreeMap;

use medley_core::TaskSpec;

use crate::ModelError;
use crate::config::NetConfig;
use crate::options::Segment;

pub(super) struct HeadPlan {
    /// Name and number of outputs.
    pub(super) heads: Vec<(String, i64)>,
    /// The head of each task.
    pub(super) head_of: Vec<usize>,
}

/// Gives each task a head: a shared one if the config names it there, else its own.
pub(super) fn plan_heads(config: &NetConfig, tasks: &[TaskSpec]) -> Result<HeadPlan, ModelError> {
    let mut heads: Vec<(String, i64)> = Vec::new();
    let mut first_of: BTreeMap<String, (usize, &TaskSpec)> = BTreeMap::new();
    let mut head_of = Vec::with_capacity(tasks.len());
    for task in tasks {
        let shared = config.shared_heads.iter().find(|(_, members)| members.contains(&task.name));
        let name = shared.map_or(&task.name, |(name, _)| name);
        match first_of.get(name) {
            None => {
                check_name(name, task)?;
                first_of.insert(name.clone(), (heads.len(), task));
                head_of.push(heads.len());
                heads.push((name.clone(), task.outputs() as i64));
            }
            Some((_, other)) if shared.is_none() || !config.shared_heads[name].contains(&other.name) => {
                let problem =
                    format!("its head would be called `{name}` like that of `{}`; rename the shared head", other.name);
                return Err(ModelError::Task { task: task.name.clone(), problem });
            }
            Some((_, other)) if other.classes != task.classes || other.kind != task.kind => {
                let problem = format!("it cannot share the head `{name}` with `{}`: their classes differ", other.name);
                return Err(ModelError::Task { task: task.name.clone(), problem });
            }
            Some((head, _)) => head_of.push(*head),
        }
    }
    Ok(HeadPlan { heads, head_of })
}

pub(super) fn check_tasks(tasks: &[TaskSpec]) -> Result<(), ModelError> {
    if tasks.is_empty() {
        return Err(ModelError::Input {
            what: "the number of tasks is",
            actual: "0".into(),
            expected: "at least 1".into(),
        });
    }
    for (index, task) in tasks.iter().enumerate() {
        check_name(&task.name, task)?;
        if task.classes.is_empty() {
            return Err(ModelError::Task { task: task.name.clone(), problem: "it has no classes".into() });
        }
        if tasks[..index].iter().any(|other| other.name == task.name) {
            return Err(ModelError::Task { task: task.name.clone(), problem: "the task is listed twice".into() });
        }
    }
    Ok(())
}

/// Names become parts of tensor names, where dots separate.
fn check_name(name: &str, task: &TaskSpec) -> Result<(), ModelError> {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if !name.is_empty() && name.chars().all(legal) {
        return Ok(());
    }
    let problem = format!("`{name}` cannot name a head: use letters, digits, `_` and `-`");
    Err(ModelError::Task { task: task.name.clone(), problem })
}

/// Segments must cover the rows in order, without gaps.
pub(super) fn check_segments(segments: &[Segment], rows: i64, tasks: usize) -> Result<(), ModelError> {
    let mut next = 0;
    for segment in segments {
        if segment.task >= tasks {
            let expected = format!("below the number of tasks, {tasks}");
            return Err(ModelError::Input { what: "a segment has task", actual: segment.task.to_string(), expected });
        }
        if segment.start != next || segment.len < 1 || segment.len > rows - next {
            let expected = format!("rows from {next} on, at least 1, within the {rows} rows of the batch");
            return Err(ModelError::Input { what: "segments hold", actual: format!("{segment:?}"), expected });
        }
        next += segment.len;
    }
    if next == rows {
        return Ok(());
    }
    Err(ModelError::Input { what: "segments cover", actual: format!("{next} rows"), expected: format!("{rows}") })
}
