//! What happens on the way, as lines on stderr: warnings, or more where `CARETAKER_LOG` asks for it.

use std::fmt::{Debug, Write as _};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::output::shown;

/// The least that is told: `off`, `error`, `warn`, `info`, `debug` or `trace`.
const LEVEL: &str = "CARETAKER_LOG";

/// Whose lines are shown. What libraries have to say is for those who work on them.
const CRATES: &[&str] = &[
    "access",
    "caretaker",
    "catalog",
    "connectors",
    "flows",
    "repository",
    "sandbox",
    "trail",
    "transport",
    "vault",
];

/// Shows what is logged in this process from here on.
pub(crate) fn show(json: bool) {
    let asked = std::env::var(LEVEL).ok().and_then(|level| level.parse().ok());
    let level: LevelFilter = asked.unwrap_or(LevelFilter::WARN);
    let own: Targets = CRATES.iter().map(|name| (*name, level)).collect();
    // A second one is never begun.
    let _ = set_global_default(tracing_subscriber::registry().with(Lines { json }.with_filter(own)));
}

/// One line for each event.
struct Lines {
    json: bool,
}

/// What an event says: its sentence, and what else it names.
#[derive(Default)]
struct Said {
    sentence: String,
    more: Vec<(&'static str, String)>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            // Writing to a string does not fail.
            "message" => drop(write!(self.sentence, "{value:?}")),
            name => self.more.push((name, format!("{value:?}"))),
        }
    }
}

impl Said {
    fn line(self, level: Level, json: bool) -> String {
        let mut text = self.sentence;
        for (name, value) in self.more {
            let _ = write!(text, ", {name}: {value}");
        }
        match json {
            true if level <= Level::WARN => json!({ "warning": text }).to_string(),
            true => json!({ "log": text, "pid": std::process::id() }).to_string(),
            false => shown(&text).into_owned(),
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        // Lines of several processes come to one stderr: each is written at once.
        let line = said.line(*event.metadata().level(), self.json) + "\n";
        // Nothing can be done about a stderr that is gone.
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
    }
}
