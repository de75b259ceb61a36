//! `caretaker man`: manual pages, made from the words of the command line.

use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use serde_json::json;

use crate::arguments::Arguments;
use crate::output::{Output, exit};

pub(crate) fn run(out: &Path, output: &Output) -> anyhow::Result<u8> {
    std::fs::create_dir_all(out).with_context(|| format!("could not make `{}`", out.display()))?;
    let mut pages = Vec::new();
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    write(&root, "caretaker", out, &mut pages)?;
    output.result(&json!({ "pages": pages }), || {
        format!("{} manual pages are in {}; read one with `man -l FILE`.", pages.len(), out.display())
    })?;
    Ok(exit::DONE)
}

/// Writes the page of a command, and those of its parts.
fn write(command: &Command, name: &str, out: &Path, pages: &mut Vec<String>) -> anyhow::Result<()> {
    let file = format!("{name}.1");
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name.to_owned())).render(&mut page)?;
    let path = out.join(&file);
    std::fs::write(&path, page).with_context(|| format!("could not write `{}`", path.display()))?;
    pages.push(file);
    for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
        write(part, &format!("{name}-{}", part.get_name()), out, pages)?;
    }
    Ok(())
}
