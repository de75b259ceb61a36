//! `caretaker migrate`: the catalog's schema.

use std::process::ExitCode;

use catalog::Catalog;
use serde_json::json;

use crate::arguments::Common;
use crate::home;
use crate::output::{Output, exit};

pub(crate) async fn run(common: &Common, check: bool, output: &Output) -> anyhow::Result<ExitCode> {
    let dir = home::dir(common)?;
    home::CellFile::read(dir)?;
    let before = if check { Catalog::schema(dir).await? } else { Catalog::migrate(dir).await? };
    let current = before.found == before.known;
    let answer = json!({ "found": before.found, "known": before.known, "current": current || !check });
    output.result(&answer, || match (current, check) {
        (true, _) => format!("The catalog has schema {}, the newest.", before.found),
        (false, true) => format!(
            "The catalog has schema {}, this version wants {}: run `caretaker migrate`.",
            before.found, before.known
        ),
        (false, false) => format!("The catalog went from schema {} to {}.", before.found, before.known),
    })?;
    Ok(if check && !current { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}
