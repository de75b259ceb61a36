//! `caretaker migrate`: the catalog's schema, and a new cell's catalog on its way to the server where it is to be.

use catalog::{Catalog, CatalogAddress, SchemaState};
use flows::FlowError;
use serde_json::json;

use crate::arguments::Migrate;
use crate::catalog_server::Owners;
use crate::home::{self, Home};
use crate::output::{Output, exit};

pub(crate) async fn run(home: &Home, words: &Migrate, output: &Output) -> anyhow::Result<u8> {
    let dir = home.dir()?;
    let file = home::CellFile::read(dir)?;
    let owners = match (&file.catalog, &words.owner, &words.owner_password_file) {
        (None, None, _) => None,
        (Some(server), Some(role), Some(password)) => Some(server.owners(role, password)?),
        (Some(_), ..) => {
            let why = "the catalog of this cell is on a server: say by whom its tables are owned, with `--owner ROLE` and \
                       `--owner-password-file FILE`";
            return Err(FlowError::Input(why.to_owned()).into());
        }
        (None, ..) => {
            let why = "the catalog of this cell is a file of the cell's own, which no role of a server owns";
            return Err(FlowError::Input(why.to_owned()).into());
        }
    };
    home.begin_unproven(&home::handles(dir)?).await?;
    let address = owners.as_ref().map_or_else(|| CatalogAddress::from(dir), Owners::catalog);
    let to_move = owners.is_some() && Catalog::is_embedded(dir);
    let before =
        if words.check { Catalog::schema(address).await? } else { Catalog::migrate(address).await? };
    if let Some(owners) = owners.filter(|_| !words.check) {
        owners.admit().await?;
        if to_move {
            Catalog::move_to(dir, owners.catalog()).await?;
        }
    }
    let SchemaState { found, known } = before;
    let is_current = found == known && !(words.check && to_move);
    let current = is_current || !words.check;
    let moved = to_move && !words.check;
    output.result(&json!({ "found": found, "known": known, "current": current, "moved": moved }), || {
        let schema = match (found == known, words.check) {
            (true, _) => format!("The catalog has schema {found}, the newest."),
            (false, true) => {
                format!(
                    "The catalog has schema {found}, this version wants {known}: run `caretaker migrate`."
                )
            }
            (false, false) => format!("The catalog went from schema {found} to {known}."),
        };
        match (to_move, words.check) {
            (true, true) => schema + " The cell's own was not moved there yet: run `caretaker migrate`.",
            (true, false) => schema + " The cell's own was moved there.",
            (false, _) => schema,
        }
    })?;
    Ok(if words.check && !is_current { exit::FAILED } else { exit::DONE })
}
