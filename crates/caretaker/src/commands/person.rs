//! `caretaker person`: what the law gives a person.

use std::path::Path;

use flows::export::Folder;
use flows::person::Kept;
use serde_json::json;

use crate::arguments::{PersonCommand, Whom};
use crate::home::Home;
use crate::output::{Output, exit};
use crate::works::{Aids, ErasePerson, ExportPerson};

pub(crate) async fn run(home: &Home, command: &PersonCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        PersonCommand::Export { whom, out } => export(home, whom, out, output).await,
        PersonCommand::Erase { whom, yes } => erase(home, (whom, *yes), output).await,
    }
}

fn counts(Kept { records, versions, snapshots }: &Kept) -> String {
    let all: u64 = records.values().sum();
    format!("{all} records in {versions} versions, which {snapshots} snapshots brought")
}

async fn export(home: &Home, whom: &Whom, out: &Path, output: &Output) -> anyhow::Result<u8> {
    let session = home.session().await?;
    let connection = session.connection(&whom.name).await?;
    let files = Folder::empty(out)?;
    let aids = Aids { files: Some(&files), ..Aids::default() };
    let work = ExportPerson { kind: whom.kind.clone(), id: whom.id.clone() };
    let exported = session.work_with(&connection, work, aids, output).await?;
    files.settle()?;
    output.result(&exported, || {
        let mut text = format!("{}, in {}", counts(&exported.kept), out.display());
        if exported.erased > 0 {
            text += &format!(
                "\nOf {} versions the key was destroyed: they cannot be read any more.",
                exported.erased
            );
        }
        text
    })?;
    Ok(exit::DONE)
}

async fn erase(home: &Home, (whom, yes): (&Whom, bool), output: &Output) -> anyhow::Result<u8> {
    let session = home.session().await?;
    let connection = session.connection(&whom.name).await?;
    let what = format!(
        "This makes unreadable for good, in every snapshot of `{}`, all records of {} `{}`. Unfinished runs are begun anew, and \
         restores of before cannot be undone any more.",
        whom.name, whom.kind, whom.id
    );
    output.confirm(&whom.id, &what, yes)?;
    let work = ErasePerson { kind: whom.kind.clone(), id: whom.id.clone() };
    let erasure = session.work(&connection, work, output).await?;
    output.result(&json!({ "connection": whom.name, "kind": whom.kind, "id": whom.id, "erasure": erasure }), || {
        format!(
            "Erased at {:.0}: {}. The key is destroyed, {} tables and {} copies are deleted; the trail has it as `person.erased`.\n\
             What the platform still has of them is kept anew by the next backup.",
            erasure.erased_at,
            counts(&erasure.kept),
            erasure.tables_deleted,
            erasure.copies_deleted
        )
    })?;
    Ok(exit::DONE)
}
