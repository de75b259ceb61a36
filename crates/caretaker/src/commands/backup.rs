//! `caretaker backup`.

use catalog::Connection;
use connectors::registry;

use crate::commands::ingest::print_report;
use crate::commands::many::each;
use crate::home::Home;
use crate::names::Names;
use crate::output::Output;
use crate::works::BackUp;

pub(crate) async fn run(home: &Home, names: &Names, full: bool, output: &Output) -> anyhow::Result<u8> {
    // What takes its records from files has nothing to fetch.
    let fetched = |connection: &Connection| connection.scope.platform.as_str() != registry::FILES;
    each(home, names, output, fetched, async |session, connection| {
        let report = session.work(&connection, BackUp { full, of: None }, output).await?;
        print_report(output, &report)
    })
    .await
}
