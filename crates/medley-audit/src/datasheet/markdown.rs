//! A datasheet as Markdown.

use std::fmt::Write as _;

use medley_core::text::markdown as escape;

use super::document::{Answer, COLOPHON, Claim, Datasheet, Finding, Table};

/// Stands for what nobody here can answer.
const OPEN: &str = "To be answered by the maintainer";

impl Datasheet {
    /// The datasheet as Markdown (tables as on GitHub). The same file gives the same text.
    pub fn markdown(&self) -> String {
        let mut text = format!("# Datasheet: {}\n\n", escape(&self.title));
        if self.synthetic {
            text.push_str("> **SYNTHETIC.** The images were drawn by Medley. They show nothing of medicine.\n\n");
        }
        let _ = writeln!(text, "File `{}`. {}\n", self.file.replace('`', "'"), escape(&self.verdict));
        let _ = writeln!(text, "**Not for clinical use.** {}\n", self.tally().sentence());
        let differing: Vec<Claim> =
            self.claims().filter(|claim| matches!(claim.finding, Finding::Differs { .. })).cloned().collect();
        if !differing.is_empty() {
            text.push_str("What differs from what is stated:\n\n");
            claims(&mut text, &differing);
        }
        for section in &self.sections {
            let _ = writeln!(text, "## {}\n", section.title);
            for question in &section.questions {
                let _ = writeln!(text, "### {}\n", escape(question.question));
                for part in &question.answers {
                    answer(&mut text, part);
                }
            }
        }
        text.push_str(COLOPHON);
        text.push('\n');
        text
    }
}

fn answer(text: &mut String, answer: &Answer) {
    let _ = match answer {
        Answer::Text(paragraph) => writeln!(text, "{}\n", escape(paragraph)),
        Answer::Quote { text: quoted, source } => writeln!(text, "> {}\n>\n> ({})\n", escape(quoted), escape(source)),
        Answer::Open(hint) => writeln!(text, "**{OPEN}.** {}\n", escape(hint)),
        Answer::List(items) => {
            for item in items {
                let _ = writeln!(text, "- {}", escape(item));
            }
            writeln!(text)
        }
        Answer::Table(Table { caption, header, rows }) => {
            let _ = writeln!(text, "{}:\n", escape(caption));
            table(text, header, rows);
            writeln!(text)
        }
        Answer::Claims(list) => {
            claims(text, list);
            Ok(())
        }
    };
}

fn claims(text: &mut String, claims: &[Claim]) {
    let header = ["claim", "stated", "by", "checked"].map(str::to_owned);
    let rows: Vec<Vec<String>> = claims
        .iter()
        .map(|claim| {
            let detail = claim.finding.detail();
            let separator = if detail.is_empty() { "" } else { ": " };
            let checked = format!("{}{separator}{detail}", claim.finding.word());
            vec![claim.about.clone(), claim.stated.clone(), claim.source.clone(), checked]
        })
        .collect();
    table(text, &header, &rows);
    text.push('\n');
}

fn table(text: &mut String, header: &[String], rows: &[Vec<String>]) {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str(&line(header));
    let _ = writeln!(text, "|{}", " --- |".repeat(header.len()));
    for row in rows {
        text.push_str(&line(row));
    }
}
