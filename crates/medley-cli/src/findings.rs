//! What `medley doctor` finds, one line each. Both programs have something to find: `medley` tells what keeps `medley-torch` from
//! starting, and that one tells the rest.

use std::process::ExitCode;

use serde::Serialize;

use crate::output;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    what: &'static str,
    found: String,
    /// `ok`, `note` or `problem`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, found: found.into(), state: "ok", advice: None }
    }

    /// Worth knowing.
    pub fn note(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, found: found.into(), state: "note", advice: Some(advice.into()) }
    }

    /// It keeps Medley from working.
    pub fn problem(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what, found: found.into(), state: "problem", advice: Some(advice.into()) }
    }
}

/// Which program this is, and on what it runs.
pub fn of_program() -> [Finding; 2] {
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    [Finding::ok("medley", env!("CARGO_PKG_VERSION")), Finding::ok("platform", platform)]
}

/// Prints them; the exit code is that of a problem if there is one.
///
/// # Errors
/// When standard output fails.
pub fn print(findings: &[Finding], json: bool) -> anyhow::Result<ExitCode> {
    if json {
        output::json(&findings)?;
    } else {
        for finding in findings {
            let mark = match finding.state {
                "ok" => "ok     ",
                "note" => "note   ",
                _ => "PROBLEM",
            };
            output::line(&format!("{mark}  {:<16}  {}", finding.what, finding.found))?;
            if let Some(advice) = &finding.advice {
                output::line(&format!("{:27}-> {advice}", ""))?;
            }
        }
    }
    let problem = findings.iter().any(|finding| finding.state == "problem");
    Ok(if problem { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
