//! Where a NAME stands: one connection, all of them, or those with a tag.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use catalog::Connection;
use clap::Args;
use domain::{ConnectionId, Role, TenantId};
use flows::FlowError;

/// Which connections a command is for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Names {
    /// The connection's name
    pub(crate) name: Option<ConnectionId>,
    /// All connections of the tenant, one after another
    #[arg(long)]
    pub(crate) all: bool,
    /// All connections with this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<Tag>,
}

/// A word by which connections are taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(String);

/// Longest tag, in bytes.
const TAG_LEN_MAX: usize = 64;

impl Tag {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let begins = text.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if begins && text.len() <= TAG_LEN_MAX && text.chars().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "a tag has 1 to {TAG_LEN_MAX} characters from a-z, 0-9, `-` and `_`, beginning with a letter or digit"
        ))
    }
}

/// A time between two runs of something, as it is typed: `15m`, `1h`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Every {
    pub(crate) seconds: u64,
}

impl FromStr for Every {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: &[(char, u64)] =
            &[('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60), ('w', 7 * 24 * 60 * 60)];
        let seconds = UNITS
            .iter()
            .find_map(|(unit, seconds)| text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*seconds));
        let seconds = seconds.ok_or_else(|| {
            format!("`{text}` is no time: `15m`, `1h`, `1d` and `1w` are minutes, hours, days and weeks")
        })?;
        match flows::schedule::EVERY_S.contains(&seconds) {
            true => Ok(Self { seconds }),
            false => Err("it is one minute at least, and 366 days at most".to_owned()),
        }
    }
}

/// A role of a process, as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleWord(pub(crate) Role);

impl FromStr for RoleWord {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("`{text}` is no role: `vault`, `server`, `monitor` and `worker/PLATFORM` are, such as `worker/shopify`")
        })
    }
}

/// Where a process is found by its role: `worker/shopify=10.0.0.2:7104`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) role: Role,
    pub(crate) address: SocketAddr,
}

impl FromStr for Place {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (role, address) = text.split_once('=').ok_or("it is `ROLE=IP:PORT`")?;
        let RoleWord(role) = role.parse()?;
        let address: SocketAddr = address
            .parse()
            .map_err(|_| format!("`{address}` is no address: `10.0.0.2:7104` and `[fd00::2]:7104` are"))?;
        if address.ip().is_unspecified() || address.port() == 0 {
            return Err(format!(
                "nobody is found at `{address}`: say the address by which others reach it, and a port"
            ));
        }
        Ok(Self { role, address })
    }
}

impl Names {
    /// The connections. Never none.
    ///
    /// # Errors
    /// Not found, where nothing has that name or tag, or nothing is connected at all.
    pub(crate) async fn find(
        &self,
        catalog: &catalog::Client,
        tenant: &TenantId,
    ) -> anyhow::Result<Vec<Connection>> {
        if let Some(name) = &self.name {
            return Ok(vec![flows::cell::connection(catalog, tenant, name).await?]);
        }
        let mut found = catalog.connections(tenant).await?;
        let mut nothing = "nothing is connected yet: `caretaker connect …`".to_owned();
        if let Some(tag) = &self.tag {
            let tags = catalog.tags(tenant).await?;
            found.retain(|connection| {
                tags.get(&connection.scope.connection).is_some_and(|tags| tags.contains(tag.as_str()))
            });
            nothing = format!(
                "no connection has the tag `{tag}`: give it with `caretaker connection tag NAME --add {tag}`"
            );
        }
        if found.is_empty() {
            return Err(FlowError::NotFound(nothing).into());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, allowed: bool) {
        assert_eq!(text.parse::<Tag>().is_ok(), allowed, "`{text}`");
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        let seconds = |text: &str| text.parse::<Every>().ok().map(|every| every.seconds);
        for (text, expected) in [("1m", 60), ("15m", 900), ("1h", 3_600), ("1d", 86_400), ("2w", 1_209_600)] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for no_time in [
            "",
            "0m",
            "m",
            "15",
            "15 m",
            "-1h",
            "1.5h",
            "367d",
            "99999999999999999999d",
            "18446744073709551615w",
        ] {
            assert_eq!(seconds(no_time), None, "{no_time}");
        }
    }

    #[test]
    fn a_tag_is_a_short_word() {
        for tag in ["eu", "daily-1", "0", "a_b"] {
            check(tag, true);
        }
        for no_tag in ["", "-x", "Eu", "a b", "ü", &"a".repeat(65)] {
            check(no_tag, false);
        }
    }
}
