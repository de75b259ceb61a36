//! `caretaker kinds`: the table of kinds.

use connectors::contract::Restorable;
use connectors::registry;
use flows::FlowError;
use serde_json::json;

use crate::output::{Output, exit};

pub(crate) fn run(platform: Option<&str>, output: &Output) -> anyhow::Result<u8> {
    if let Some(name) = platform
        && registry::platform(name).is_none()
    {
        return Err(FlowError::NotFound(format!("`{name}` is not a platform that this version knows")).into());
    }
    let mut rows = Vec::new();
    let mut text = String::new();
    for spec in registry::PLATFORMS.iter().filter(|spec| platform.is_none_or(|name| spec.name == name)) {
        for kind in spec.kinds {
            let restorable = match kind.restore {
                Restorable::Yes => "restorable".to_owned(),
                Restorable::UpdateOnly(why) => format!("only updated: {why}"),
                Restorable::Never(why) => format!("kept for reading: {why}"),
            };
            let told = if kind.told.is_empty() { "" } else { "; the platform tells of changes" };
            text += &format!("{:<12} {:<24} {restorable}{told}\n", spec.name, kind.name);
            rows.push(json!({
                "platform": spec.name,
                "kind": kind.name,
                "personal": kind.subject.is_some(),
                "restorable": !matches!(kind.restore, Restorable::Never(_)),
                "note": restorable,
                "read_scopes": kind.read_scopes,
                "write_scopes": kind.write_scopes,
                "lost": kind.lost,
                "told": kind.told,
            }));
        }
    }
    output.result(&json!({ "kinds": rows }), || text)?;
    Ok(exit::DONE)
}
