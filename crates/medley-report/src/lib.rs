//! Reports from a run folder: HTML, Markdown, CSV, submission.
