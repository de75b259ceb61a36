//! `caretaker migrate`: the catalog's schema.

use catalog::Catalog;
use serde_json::json;

use crate::home::{self, Home};
use crate::output::{Output, exit};

pub(crate) async fn run(home: &Home, check: bool, output: &Output) -> anyhow::Result<u8> {
    let dir = home.dir()?;
    home::CellFile::read(dir)?;
    home.begin_unproven(&home::handles(dir)?).await?;
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
    Ok(if check && !current { exit::FAILED } else { exit::DONE })
}
