//! Batch scripts that let a Slurm cluster work on a study.
//!
//! An array of jobs, each with some workers on one node, and one job after it that runs the best settings on fresh seeds and writes the
//! report. Slurm sends SIGTERM to the script some time before its limit; the script passes it on, each worker puts its trial back with
//! a checkpoint and ends with [`TERMINATED`], and the script puts its job back into the queue. A job that was cancelled is
//! not put back. The scripts are text alone: nothing is written or submitted here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use medley_core::text::parse_duration;

/// The exit code of a worker that SIGTERM ended.
pub const TERMINATED: u8 = 143;

/// The shortest time limit: Slurm counts in minutes.
pub const LEAST_TIME: Duration = Duration::from_mins(1);
/// How long before its limit a script is told, at most: for a batch, a checkpoint and the scores of an epoch.
const MOST_NOTICE: Duration = Duration::from_mins(2);

/// What the jobs of a study need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Jobs of the array.
    pub array: u32,
    /// Jobs of the array that run at the same time, if that is limited.
    pub at_once: Option<u32>,
    /// Workers of each job.
    pub per_node: u32,
    /// Threads of each worker.
    pub threads: u32,
    /// Time limit of each job.
    pub time: Duration,
    /// Fresh seeds of the last job; 0 for the report alone.
    pub confirm: u32,
    /// More options of `sbatch`, for both kinds of jobs; see [`check_option`].
    pub options: Vec<String>,
}

/// Where everything lies; all paths are absolute, and are the same on all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `medley`.
    pub program: PathBuf,
    /// Folder of the study.
    pub study: PathBuf,
    /// Folder of the data files.
    pub data: PathBuf,
    /// Where workers run: paths within a base experiment are relative to it.
    pub work: PathBuf,
    /// For logs; it is there.
    pub logs: PathBuf,
}

/// Reads a time limit: `4h`, `90min`, or as Slurm writes it: `4:00:00`, `1-12`, `1-12:30`, `1-12:30:00`.
///
/// # Errors
/// What is expected.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let time = if text.contains(['-', ':']) { slurm_time(text) } else { Some(parse_duration(text)?) };
    let expected =
        || format!("it is {text:?}, it must be a time such as \"4h\", \"90min\", \"4:00:00\" or \"1-12:00:00\"");
    let time = time.ok_or_else(expected)?;
    if time < LEAST_TIME { Err(format!("it is {text:?}, it must be a minute or more")) } else { Ok(time) }
}

fn slurm_time(text: &str) -> Option<Duration> {
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let numbers: Vec<u64> = rest.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let seconds = match (days, numbers.as_slice()) {
        (Some(_), [hours]) => hours * 3_600,
        (Some(_), [hours, minutes]) if *minutes < 60 => hours * 3_600 + minutes * 60,
        (_, [hours, minutes, seconds]) if *minutes < 60 && *seconds < 60 && *hours < 100_000 => {
            hours * 3_600 + minutes * 60 + seconds
        }
        _ => return None,
    };
    let days: u64 = days.unwrap_or("0").parse().ok()?;
    (days <= 366 && seconds <= 366 * 86_400).then(|| Duration::from_secs(days * 86_400 + seconds))
}

/// Whether an option can stand in a line of a batch script as it is.
///
/// # Errors
/// What is wrong with it.
pub fn check_option(option: &str) -> Result<(), String> {
    if !option.starts_with('-') {
        return Err(format!(
            "`{}` is not an option of sbatch: write `--partition=gpu`, with the value after `=`",
            option.escape_debug()
        ));
    }
    let harmful = |c: char| c.is_whitespace() || c.is_control() || "\"'\\#".contains(c);
    match option.chars().find(|c| harmful(*c)) {
        None => Ok(()),
        Some(c) => Err(format!(
            "`{}` has {c:?}, which cannot stand in a line of a batch script; take `--dry-run`, and change the script",
            option.escape_debug()
        )),
    }
}

/// The script of the array.
///
/// # Errors
/// A path that cannot be written into a script.
pub fn workers_script(places: &Places, jobs: &Jobs) -> Result<String, String> {
    let Jobs { array, per_node, threads, .. } = jobs;
    let mut script = "#!/bin/bash\n# Workers of a study. Written by `medley study slurm`; `sbatch` with this file begins as many again.\n".to_owned();
    let at_once = jobs.at_once.map_or_else(String::new, |at_once| format!("%{at_once}"));
    directive(&mut script, &format!("--array=0-{}{at_once}", array.saturating_sub(1)));
    directives(&mut script, &job_name(&places.study, ""), per_node * threads, jobs);
    let log = "workers-${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID.log";
    script += &preamble(places, "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID", log)?;
    let _ = write!(
        script,
        r#"
workers=() again=0 failed=0
for ((number = 0; number < {per_node}; number++)); do
    "$medley" study work "$study" --data "$data" --quiet &
    workers+=($!)
done
{WAIT_ALL}{REQUEUE}"#
    );
    Ok(script)
}

/// The script of the job that comes after the array.
///
/// # Errors
/// As [`workers_script`].
pub fn finish_script(places: &Places, jobs: &Jobs) -> Result<String, String> {
    let mut script = "#!/bin/bash\n# The end of a study: the best settings on fresh seeds, and the report. Written by `medley study slurm`.\n".to_owned();
    directives(&mut script, &job_name(&places.study, "-finish"), jobs.threads, jobs);
    script += &preamble(places, "$SLURM_JOB_ID", "finish-$SLURM_JOB_ID.log")?;
    let confirm = match jobs.confirm {
        0 => String::new(),
        seeds => format!(
            "\"$medley\" study confirm \"$study\" --complete --data \"$data\" --seeds {seeds} --quiet &\nworkers=($!)\n{WAIT_ALL}"
        ),
    };
    let _ = write!(
        script,
        "\nworkers=() again=0 failed=0\n{confirm}if ((!again)); then\n    \"$medley\" study report \"$study\" || failed=$?\n    \
         \"$medley\" study status \"$study\" || failed=$?\nfi\n{REQUEUE}"
    );
    Ok(script)
}

/// What both kinds of jobs ask for.
fn directives(script: &mut String, name: &str, cpus: u32, jobs: &Jobs) {
    let notice = MOST_NOTICE.min(jobs.time / 4).as_secs();
    for option in [
        format!("--job-name={name}"),
        "--nodes=1".to_owned(),
        "--ntasks=1".to_owned(),
        format!("--cpus-per-task={cpus}"),
        format!("--time={}", clock(jobs.time)),
        format!("--signal=B:TERM@{notice}"),
        "--requeue".to_owned(),
        // The script opens its log itself: a path may have signs that Slurm replaces.
        "--output=/dev/null".to_owned(),
    ] {
        directive(script, &option);
    }
    jobs.options.iter().for_each(|option| directive(script, option));
}

fn directive(script: &mut String, option: &str) {
    let _ = writeln!(script, "#SBATCH {option}");
}

/// `1-04:30:00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}-{:02}:{:02}:{:02}", seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

/// A name for a job: that of the folder, of signs that no program minds.
fn job_name(study: &Path, what: &str) -> String {
    let name = study.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().take(60).map(plain).collect();
    format!("medley-{name}{what}")
}

/// Names for what the rest of a script uses, its log, and what it does about SIGTERM.
fn preamble(places: &Places, job: &str, log: &str) -> Result<String, String> {
    let Places { program, study, data, work, logs } = places;
    let [program, study, data, work, logs] = [program, study, data, work, logs].map(|path| quoted(path));
    let (program, study, data, work, logs) = (program?, study?, data?, work?, logs?);
    Ok(format!(
        r#"
medley={program}
study={study}
data={data}
logs={logs}
job={job}
exec >>"$logs/{log}" 2>&1
cd {work} || exit
echo "job $job on $(uname -n), started for the $((${{SLURM_RESTART_COUNT:-0}} + 1)). time"

# Slurm sends SIGTERM to this script some time before the limit. Each worker ends after its batch, and puts its trial back.
trap 'trap "" TERM; kill -TERM "${{workers[@]}}"' TERM
"#
    ))
}

/// Waits for all workers: `again` where SIGTERM ended one, `failed` where one had an error.
const WAIT_ALL: &str = r#"for worker in "${workers[@]}"; do
    wait "$worker"
    code=$?
    # A signal ends `wait`, and not the worker.
    while kill -0 "$worker" 2>/dev/null; do
        wait "$worker"
        code=$?
    done
    case $code in
    0) ;;
    143) again=1 ;;
    *) failed=$code ;;
    esac
done
"#;

/// Ends the script: `failed` or back into the queue, unless the job was cancelled.
const REQUEUE: &str = r#"
if ((again)); then
    state=$(squeue --noheader --format=%T --jobs="$job")
    if [[ $state == RUNNING ]]; then
        echo "job $job goes back into the queue"
        scontrol requeue "$job" && exit 143
    fi
    echo "job $job ends (${state:-unknown}); its trials are for others"
    exit 143
fi
exit "$failed"
"#;

/// A path as a word of a shell.
fn quoted(path: &Path) -> Result<String, String> {
    match path.to_str() {
        // What sbatch takes for a script of Windows.
        Some(text) if !text.contains('\r') => Ok(format!("'{}'", text.replace('\'', r"'\''"))),
        _ => Err(format!(
            "`{}` cannot be written into a script: its name is not UTF-8, or has a carriage return",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs() -> Jobs {
        let time = Duration::from_hours(4);
        Jobs {
            array: 40,
            at_once: Some(8),
            per_node: 4,
            threads: 2,
            time,
            confirm: 5,
            options: vec!["--partition=gpu".into()],
        }
    }

    fn places(study: &str) -> Places {
        let [program, data, work] = ["/opt/medley", "/data", "/home/me"].map(PathBuf::from);
        Places { program, study: study.into(), data, work, logs: Path::new(study).join("slurm/0") }
    }

    #[test]
    fn jobs_ask_for_what_their_workers_need() {
        let script = workers_script(&places("/studies/breast"), &jobs()).unwrap();
        for line in [
            "#!/bin/bash",
            "#SBATCH --job-name=medley-breast",
            "#SBATCH --array=0-39%8",
            "#SBATCH --cpus-per-task=8",
            "#SBATCH --time=0-04:00:00",
            "#SBATCH --signal=B:TERM@120",
            "#SBATCH --requeue",
            "#SBATCH --partition=gpu",
            "study='/studies/breast'",
            "for ((number = 0; number < 4; number++)); do",
        ] {
            assert!(script.lines().any(|written| written == line), "{line}\n{script}");
        }
        let finish = finish_script(&places("/studies/breast"), &jobs()).unwrap();
        assert!(finish.contains("--cpus-per-task=2\n") && finish.contains("--seeds 5") && !finish.contains("--array"));
        assert!(finish.contains("study report"), "{finish}");
        let report = finish_script(&places("/studies/breast"), &Jobs { confirm: 0, ..jobs() }).unwrap();
        assert!(!report.contains("study confirm") && report.contains("study report"), "{report}");
    }

    #[test]
    fn the_notice_is_a_part_of_the_time() {
        let short = Jobs { time: Duration::from_mins(2), ..jobs() };
        assert!(workers_script(&places("/s"), &short).unwrap().contains("--signal=B:TERM@30\n"));
        assert_eq!(clock(Duration::from_secs(86_400 + 3_661)), "1-01:01:01");
    }

    /// A shell that is given the lines of a script that name things says the same names, and runs nothing that they contain.
    #[test]
    fn odd_paths_stay_paths() {
        for odd in
            ["/a b/$(touch x)", "/it's/\"q\"", "/`id`/%A_%j", "/a\n#SBATCH --array=0-999", "/-n;exit 3", "/\\n*?[a]~"]
        {
            let script = workers_script(&places(odd), &jobs()).unwrap();
            let head: Vec<&str> = script.lines().take_while(|line| line.starts_with('#')).collect();
            assert!(!head.contains(&"#SBATCH --array=0-999"), "{script}");
            let from = script.find("\nmedley=").unwrap();
            let names = &script[from..script.find("\njob=").unwrap()];
            let line = format!("{names}\nprintf %s \"$study\"");
            let said = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), odd);
            assert!(said.status.success() && said.stderr.is_empty(), "{odd}");
        }
        assert!(quoted(Path::new("/a\r\nb")).unwrap_err().contains("carriage return"));
    }

    #[test]
    fn scripts_are_sound() {
        for script in [workers_script, finish_script] {
            let script = script(&places("/it's $HOME"), &jobs()).unwrap();
            let said = std::process::Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
            assert!(said.status.success(), "{}\n{script}", String::from_utf8_lossy(&said.stderr));
        }
    }

    #[test]
    fn times_are_those_of_people_or_of_slurm() {
        let hours = |hours: f64| Ok(Duration::from_secs_f64(hours * 3_600.0));
        for (text, time) in [
            ("4h", hours(4.0)),
            ("90min", hours(1.5)),
            ("4:30:00", hours(4.5)),
            ("1-12", hours(36.0)),
            ("1-12:30", hours(36.5)),
            ("0-00:01:00", hours(1.0 / 60.0)),
        ] {
            assert_eq!(parse_time(text), time, "{text}");
        }
        for text in
            ["", "60", "04:00", "30s", "1-", "-1:00:00", "1:60:00", "999999999999999999-1", "9999999-0", "a:b:c"]
        {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_stand_in_a_line_or_are_refused() {
        for fine in ["--partition=gpu", "-A", "-Amine", "--gres=gpu:h100:1", "--constraint=[a*2&b]|c", "--nice"] {
            assert_eq!(check_option(fine), Ok(()), "{fine}");
        }
        for wrong in ["gpu", "", "--comment=a b", "--comment=\"a\"", "--x=\n#SBATCH --y", "--x=a\\b", "--x=#"] {
            assert!(check_option(wrong).is_err(), "{wrong}");
        }
    }
}
