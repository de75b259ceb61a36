//! What people read, and what machines read.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

/// A Markdown table.
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: &[&str]) {
        self.rows.push(cells.iter().map(|cell| (*cell).to_owned()).collect());
    }

    pub(crate) fn text(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&self.head);
        text += &line(&vec!["---".to_owned(); self.head.len()]);
        self.rows.iter().for_each(|row| text += &line(row));
        text
    }
}

/// Prints a text.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.write_all(b"\n")?;
    Ok(stdout.flush()?)
}

/// Says how far it is.
pub(crate) fn say(text: &str) {
    // Nothing can be done about a stderr that is gone.
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}

/// Puts a section into `results.json`; the others stay.
pub(crate) fn keep(dir: &Path, section: &str, value: Value) -> anyhow::Result<()> {
    let path = dir.join("results.json");
    let mut all: Map<String, Value> =
        std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    all.insert(section.to_owned(), value);
    std::fs::write(&path, serde_json::to_string_pretty(&all)? + "\n")
        .with_context(|| format!("could not write `{}`", path.display()))
}

pub(crate) fn seconds(milliseconds: f64) -> String {
    format!("{:.2} s", milliseconds / 1_000.0)
}

pub(crate) fn milliseconds(milliseconds: f64) -> String {
    format!("{milliseconds:.1} ms")
}

pub(crate) fn megabytes(bytes: f64) -> String {
    format!("{:.2} MB", bytes / 1e6)
}

/// Counts are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "bytes on one disk are far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Whether a figure reaches its target, as a mark.
pub(crate) fn reaches(found: f64, most: f64) -> &'static str {
    if found <= most { "yes" } else { "**no**" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["what", "found"]);
        table.row(&["wall", &seconds(1_234.0)]);
        assert_eq!(table.text(), "| what | found |\n| --- | --- |\n| wall | 1.23 s |\n");
        assert_eq!((milliseconds(1.25), megabytes(1_500_000.0)), ("1.2 ms".to_owned(), "1.50 MB".to_owned()));
        assert_eq!((reaches(1.0, 1.0), reaches(1.1, 1.0)), ("yes", "**no**"));
    }
}
