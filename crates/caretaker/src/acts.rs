//! What each command is on the record: an operation, and that to which it is done. A command without a row here does not
//! compile.

use domain::{Kind, Operation, TenantId};
use serde::Serialize;

use crate::arguments::{
    Command, ConnectionCommand, HostCommand, ItemCommand, OrderCommand, PersonCommand, PolicyCommand,
    RestoreCommand, ScheduleCommand, SnapshotCommand, StoreCommand, TenantCommand, TrailCommand,
    VaultCommand, WebhookCommand,
};
use crate::names::Names;

/// What a command does to the cell that it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) operation: Operation,
    /// Below the tenant: a connection, and a kind where it is about one. Which record it is about is told sealed: ids may be
    /// personal, as a mail address is, and what is in the log stays.
    below: Option<String>,
    records: Records,
}

/// Which records a command is about, as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
struct Records {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
}

impl Act {
    /// To what it is done: `default/shop/product`.
    pub(crate) fn object(&self, tenant: &TenantId) -> String {
        self.below.as_ref().map_or_else(|| tenant.to_string(), |below| format!("{tenant}/{below}"))
    }

    /// What is personal in it, as a JSON document; `None` where it names no record.
    pub(crate) fn personal(&self) -> serde_json::Result<Option<String>> {
        (self.records != Records::default()).then(|| serde_json::to_string(&self.records)).transpose()
    }
}

fn named(names: &Names) -> Option<String> {
    let tag = names.tag.as_ref().map(|tag| format!("#{tag}"));
    names.name.as_ref().map(ToString::to_string).or(tag)
}

fn of_kind(name: &impl ToString, kind: &Kind) -> Option<String> {
    Some(format!("{}/{kind}", name.to_string()))
}

/// What a command is on the record; `None` for one that opens no cell.
pub(crate) fn act(command: &Command) -> Option<Act> {
    use Operation as O;
    let name = |name: &dyn ToString| Some(name.to_string());
    let (operation, below) = match command {
        Command::Sandbox(_)
        | Command::Demo(_)
        | Command::Man { .. }
        | Command::Kinds { .. }
        | Command::Recover(_)
        | Command::Recovery(_)
        | Command::Serve(_)
        | Command::Monitor(_)
        | Command::Work
        | Command::Certify
        | Command::Sealer
        | Command::Worker(_)
        | Command::Policy(
            PolicyCommand::Show { .. } | PolicyCommand::Test { .. } | PolicyCommand::Prove(_),
        )
        | Command::Vault { command: None } => {
            return None;
        }
        Command::Init(_) => (O::CellInit, None),
        Command::Up(_) => (O::CellRun, None),
        Command::Schedule(ScheduleCommand::List) => (O::ConnectionRead, None),
        Command::Schedule(
            ScheduleCommand::Set { names, .. }
            | ScheduleCommand::Pause(names)
            | ScheduleCommand::Resume(names)
            | ScheduleCommand::Remove { names, .. },
        ) => (O::ConnectionSchedule, named(names)),
        Command::Webhook(WebhookCommand::List) => (O::ConnectionRead, None),
        Command::Webhook(WebhookCommand::On(names) | WebhookCommand::Off(names)) => {
            (O::ConnectionTold, named(names))
        }
        Command::Order(OrderCommand::List) => (O::OrderList, None),
        Command::Order(OrderCommand::End { id }) => (O::OrderEnd, name(id)),
        Command::Host(HostCommand::Invite { role, .. }) => (O::HostInvite, name(&role.0)),
        Command::Host(HostCommand::List) => (O::HostList, None),
        Command::Host(HostCommand::Remove { id, .. }) => (O::HostRemove, name(id)),
        Command::Doctor => (O::CellCheck, None),
        Command::Migrate(_) => (O::CatalogMigrate, None),
        Command::Tenant(TenantCommand::Add { .. }) => (O::TenantAdd, None),
        Command::Tenant(TenantCommand::List) => (O::TenantList, None),
        Command::Connect { one, .. } => (O::Connect, one.as_ref().map(|one| one.name().to_string())),
        Command::Connection(ConnectionCommand::List) => (O::ConnectionRead, None),
        Command::Connection(ConnectionCommand::Show(names) | ConnectionCommand::Coverage(names)) => {
            (O::ConnectionRead, named(names))
        }
        Command::Connection(ConnectionCommand::Tag { name: own, .. }) => (O::ConnectionTag, name(own)),
        Command::Backup { names, .. } => (O::Backup, named(names)),
        Command::Ingest(words) => (O::Ingest, of_kind(&words.name, &words.kind)),
        Command::Snapshot(SnapshotCommand::List(names)) => (O::SnapshotList, named(names)),
        Command::Snapshot(SnapshotCommand::Prune(words)) => (O::SnapshotPrune, named(&words.names)),
        Command::Verify { names, .. } => (O::SnapshotVerify, named(names)),
        Command::Diff { name: own, .. } => (O::SnapshotDiff, name(own)),
        Command::Export { names, .. } => (O::SnapshotExport, named(names)),
        Command::Person(PersonCommand::Export { whom, .. }) => {
            (O::PersonExport, of_kind(&whom.name, &whom.kind))
        }
        Command::Person(PersonCommand::Erase { whom, .. }) => {
            (O::PersonErase, of_kind(&whom.name, &whom.kind))
        }
        Command::Store(StoreCommand::Credential { .. }) => (O::StoreCredential, None),
        Command::Store(StoreCommand::Compact(names)) => (O::StoreCompact, named(names)),
        Command::Store(StoreCommand::Collect { names, .. }) => (O::StoreCollect, named(names)),
        Command::Store(StoreCommand::Rebuild { name: own, .. }) => (O::StoreRebuild, name(own)),
        Command::Item(ItemCommand::List { name: own, kind, .. }) => (O::ItemList, of_kind(own, kind)),
        Command::Item(ItemCommand::Show { name: own, kind, .. }) => (O::ItemShow, of_kind(own, kind)),
        Command::Item(ItemCommand::History { name: own, kind, .. }) => (O::ItemHistory, of_kind(own, kind)),
        Command::Restore(RestoreCommand::Plan(words)) => (O::RestorePlan, name(&words.name)),
        Command::Restore(RestoreCommand::Apply { .. }) => (O::RestoreApply, None),
        Command::Restore(RestoreCommand::Undo { .. }) => (O::RestoreUndo, None),
        Command::Restore(RestoreCommand::Show { .. }) => (O::RestoreShow, None),
        Command::Vault { command: Some(VaultCommand::Status) } => (O::VaultStatus, None),
        Command::Vault { command: Some(VaultCommand::Rotate) } => (O::VaultRotate, None),
        Command::Vault { command: Some(VaultCommand::Rewrap) } => (O::VaultRewrap, None),
        Command::Vault { command: Some(VaultCommand::Retire) } => (O::VaultRetire, None),
        Command::Vault { command: Some(VaultCommand::Seal { .. }) } => (O::VaultSeal, None),
        Command::Policy(PolicyCommand::WhoCan { .. } | PolicyCommand::Can { .. }) => (O::PolicyRead, None),
        Command::Trail(TrailCommand::Verify { .. }) => (O::TrailVerify, None),
        Command::Trail(TrailCommand::Erase { .. }) => (O::TrailErase, None),
        Command::Trail(TrailCommand::List { .. } | TrailCommand::Prove { .. } | TrailCommand::Checkpoint) => {
            (O::TrailRead, None)
        }
    };
    Some(Act { operation, below, records: named_records(command) })
}

/// The records that a command names.
fn named_records(command: &Command) -> Records {
    let (items, search) = match command {
        Command::Item(ItemCommand::List { search, .. }) => (Vec::new(), search.clone()),
        Command::Item(ItemCommand::Show { id, .. } | ItemCommand::History { id, .. }) => {
            (vec![id.clone()], None)
        }
        Command::Restore(RestoreCommand::Plan(words)) => (words.id.clone(), None),
        Command::Person(PersonCommand::Export { whom, .. } | PersonCommand::Erase { whom, .. }) => {
            (vec![whom.id.clone()], None)
        }
        _ => (Vec::new(), None),
    };
    Records { items, search }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    fn check(words: &str, expected: Option<(&str, &str)>) {
        let words = Arguments::try_parse_from(std::iter::once("caretaker").chain(words.split(' '))).unwrap();
        let act = act(&words.command);
        let told = act.as_ref().map(|act| (act.operation.as_str(), act.object(&words.common.tenant)));
        assert_eq!(told.as_ref().map(|(operation, object)| (*operation, object.as_str())), expected);
    }

    #[test]
    fn a_command_is_told_by_its_operation_its_tenant_and_its_connection() {
        check("backup shop --tenant acme", Some(("snapshot.backup", "acme/shop")));
        check("backup --all", Some(("snapshot.backup", "default")));
        check("verify --tag eu", Some(("snapshot.verify", "default/#eu")));
        check("restore apply plan.json", Some(("restore.apply", "default")));
        check("policy can server --tenant acme", Some(("policy.read", "acme")));
        check("policy show", None);
        check("kinds", None);
    }

    #[test]
    fn whom_a_record_is_about_is_told_apart() {
        let check = |words: &str, clear: (&str, &str), apart: Option<&str>| {
            check(words, Some(clear));
            let words =
                Arguments::try_parse_from(std::iter::once("caretaker").chain(words.split(' '))).unwrap();
            assert_eq!(act(&words.command).unwrap().personal().unwrap().as_deref(), apart, "{words:?}");
        };
        let customer = "default/shop/customer";
        let mary = Some(r#"{"items":["mary@example.com"]}"#);
        check("item show shop customer mary@example.com", ("item.show", customer), mary);
        check("item history shop customer mary@example.com", ("item.history", customer), mary);
        check("item list shop customer --search mary", ("item.list", customer), Some(r#"{"search":"mary"}"#));
        check("item list shop customer", ("item.list", customer), None);
        check("person erase shop mary@example.com", ("person.erase", customer), mary);
        let both = Some(r#"{"items":["1","2"]}"#);
        check("restore plan shop --at 3 --id 1 --id 2 --out plan", ("restore.plan", "default/shop"), both);
        check("backup shop", ("snapshot.backup", "default/shop"), None);
    }
}
