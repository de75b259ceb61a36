//! One command for many connections: one report each, and the worst of their exit codes.

use catalog::Connection;
use domain::ConnectionId;

use crate::home::Home;
use crate::names::Names;
use crate::output::{Output, exit};
use crate::works::Session;

/// Exit codes, the worst first: what must be looked at before what will pass by itself.
const WORST_FIRST: [u8; 9] = [
    exit::INTEGRITY,
    exit::FAILED,
    exit::REFUSED,
    exit::USAGE,
    exit::CONFLICT,
    exit::NOT_FOUND,
    exit::UNAVAILABLE,
    exit::INCOMPLETE,
    exit::DONE,
];

fn worse(one: u8, other: u8) -> u8 {
    WORST_FIRST.into_iter().find(|code| *code == one || *code == other).unwrap_or(one)
}

/// Does something with each connection. One that fails does not keep the others from their turn.
pub(super) async fn each(
    home: &Home,
    names: &Names,
    output: &Output,
    concerns: impl Fn(&Connection) -> bool,
    act: impl AsyncFn(&Session<'_>, Connection) -> anyhow::Result<u8>,
) -> anyhow::Result<u8> {
    let session = home.session().await?;
    let mut connections = names.find(&session.catalog, &home.tenant).await?;
    if names.name.is_some() {
        let Some(only) = connections.pop() else { return Ok(exit::DONE) };
        return act(&session, only).await;
    }
    let found = connections.len();
    connections.retain(concerns);
    if connections.is_empty() {
        output.say(&format!(
            "None of the {found} connections is one that this command is for: they take files."
        ));
    }
    in_turn(output, connections, |one| &one.scope.connection, async |one| act(&session, one).await).await
}

/// Does something with each of many. One that fails does not keep the others from their turn.
pub(super) async fn in_turn<T>(
    output: &Output,
    all: Vec<T>,
    name: impl Fn(&T) -> &ConnectionId,
    act: impl AsyncFn(T) -> anyhow::Result<u8>,
) -> anyhow::Result<u8> {
    let mut worst = exit::DONE;
    output.begin_parts();
    for one in all {
        let name = name(&one).clone();
        output.begin_part(&name)?;
        let code = match act(one).await {
            Ok(code) => code,
            Err(error) => output.fail_for(Some(&name), &error),
        };
        output.end_part(code);
        worst = worse(worst, code);
    }
    output.end_parts()?;
    Ok(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_worse_than_what_will_pass() {
        assert_eq!([(0, 3), (3, 8), (8, 1), (1, 4), (4, 8)].map(|(a, b)| worse(a, b)), [3, 8, 1, 4, 4]);
        let mut all = WORST_FIRST;
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
