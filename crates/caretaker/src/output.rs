//! What people and machines see: results on stdout, progress and errors on stderr.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use domain::{Clock as _, ConnectionId};
use flows::{ErrorKind, FlowError};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;
use vault::system::SystemClock;

/// Progress is told at most so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Of work that does not say how far it is, it is told so often that it goes on.
const BUSY_EVERY: Duration = Duration::from_secs(1);

/// Exit codes, as docs/cli.md lists them.
pub(crate) mod exit {
    pub(crate) const DONE: u8 = 0;
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const INCOMPLETE: u8 = 3;
    pub(crate) const INTEGRITY: u8 = 4;
    pub(crate) const REFUSED: u8 = 5;
    pub(crate) const NOT_FOUND: u8 = 6;
    pub(crate) const CONFLICT: u8 = 7;
    pub(crate) const UNAVAILABLE: u8 = 8;
}

/// Where answers go.
pub(crate) struct Output {
    json: bool,
    bar: Mutex<Option<ProgressBar>>,
    /// When progress was told last.
    told: Mutex<Duration>,
    /// Where a command is for many connections: what was answered so far, the newest last.
    parts: Mutex<Option<Vec<Part>>>,
}

/// The answer for one of many connections.
#[derive(Serialize)]
struct Part {
    connection: String,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Serialize)]
struct JsonError<'a> {
    error: &'a str,
    kind: &'static str,
    exit_code: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    /// Where a command is for many connections: for which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a ConnectionId>,
}

/// Text for a terminal. What a shop's people have written must not move the cursor, change colours or hide what follows:
/// a control character is shown by its number.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| if is_hidden(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(show).collect())
}

/// The same for text of many lines.
fn shown_lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let told = Mutex::new(SystemClock.monotonic());
        Self { json, bar: Mutex::new(None), told, parts: Mutex::new(None) }
    }

    /// Prints a result: as JSON, or the text for people.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        self.clear();
        if self.json
            && let Some(part) = self.parts()?.as_mut().and_then(|parts| parts.last_mut())
        {
            part.report = Some(serde_json::to_value(value)?);
            return Ok(());
        }
        let line = if self.json { serde_json::to_string(value)? } else { shown_lines(&text()) };
        self.raw(line.as_bytes())?;
        if line.ends_with('\n') { Ok(()) } else { self.raw(b"\n") }
    }

    fn parts(&self) -> anyhow::Result<std::sync::MutexGuard<'_, Option<Vec<Part>>>> {
        self.parts.lock().map_err(|_| anyhow::anyhow!("another thread has died while it answered"))
    }

    /// From here on the answers are those of many connections, one after another.
    pub(crate) fn begin_parts(&self) {
        if let Ok(mut parts) = self.parts.lock() {
            *parts = Some(Vec::new());
        }
    }

    /// The answers that follow are for this connection.
    pub(crate) fn begin_part(&self, connection: &ConnectionId) -> anyhow::Result<()> {
        if !self.json {
            self.clear();
            return self.raw(format!("== {connection}\n").as_bytes());
        }
        let connection = connection.to_string();
        if let Some(parts) = self.parts()?.as_mut() {
            parts.push(Part { connection, exit_code: exit::DONE, report: None, error: None });
        }
        Ok(())
    }

    /// That was all for this connection.
    pub(crate) fn end_part(&self, code: u8) {
        if let Ok(mut parts) = self.parts.lock()
            && let Some(part) = parts.as_mut().and_then(|parts| parts.last_mut())
        {
            part.exit_code = code;
        }
    }

    /// All connections had their turn: prints the list, where it was not printed yet.
    pub(crate) fn end_parts(&self) -> anyhow::Result<()> {
        let parts = self.parts()?.take().unwrap_or_default();
        if self.json { self.result(&parts, String::new) } else { Ok(()) }
    }

    /// Writes bytes to stdout as they are.
    #[expect(clippy::unused_self, reason = "everything that is printed goes through the output")]
    pub(crate) fn raw(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // The reader has seen enough (`| head`).
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// A sentence for people, on stderr.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            self.line(&shown_lines(text));
        }
    }

    /// What is not as it should be and does not change how the command ends.
    pub(crate) fn warn(&self, text: &str) {
        let text =
            if self.json { serde_json::json!({ "warning": text }).to_string() } else { shown_lines(text) };
        self.line(&text);
    }

    /// The same, with facts for programs, under a name of theirs.
    pub(crate) fn warn_with(&self, text: &str, (name, facts): (&str, &Value)) {
        match self.json {
            true => self.line(&serde_json::json!({ "warning": text, name: facts }).to_string()),
            false => self.warn(text),
        }
    }

    fn line(&self, text: &str) {
        match self.bar.lock() {
            Ok(bar) if bar.as_ref().is_some_and(|bar| !bar.is_hidden()) => {
                if let Some(bar) = bar.as_ref() {
                    bar.println(text);
                }
            }
            // Nothing can be done about a stderr that is gone.
            _ => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    /// Asks for the name of that which is destroyed, unless it was said already that it may be.
    ///
    /// # Errors
    /// Usage where another name comes, or none: nothing may be done then.
    pub(crate) fn confirm(&self, name: &impl ToString, what: &str, yes: bool) -> anyhow::Result<()> {
        if yes {
            return Ok(());
        }
        let name = name.to_string();
        self.clear();
        self.say(what);
        self.say(&format!("Type `{name}` to go on:"));
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed)?;
        match typed.trim() {
            typed if typed == name => Ok(()),
            "" => Err(FlowError::Input(format!("nothing was changed: type `{name}`, or give --yes")).into()),
            other => Err(FlowError::Input(format!("nothing was changed: `{other}` is not `{name}`")).into()),
        }
    }

    fn is_due(&self) -> bool {
        let now = SystemClock.monotonic();
        let Ok(mut told) = self.told.lock() else { return false };
        let due = now.saturating_sub(*told) >= PROGRESS_EVERY;
        if due {
            *told = now;
        }
        due
    }

    /// Waits for work that does not say how far it is, and tells that it goes on: `done` are seconds.
    pub(crate) async fn while_busy<T>(&self, what: &str, mut work: impl Future<Output = T> + Unpin) -> T {
        let began = SystemClock.monotonic();
        loop {
            tokio::select! {
                done = &mut work => {
                    self.clear();
                    return done;
                }
                () = SystemClock.sleep(BUSY_EVERY) => {
                    let seconds = SystemClock.monotonic().saturating_sub(began).as_secs();
                    self.progress(&format!("{what}, {seconds} s"), seconds, None, "");
                }
            }
        }
    }

    /// How far something is: a bar on a terminal, JSON lines with `--json`, else nothing. May be called often.
    pub(crate) fn progress(&self, what: &str, done: u64, of: Option<u64>, left: &str) {
        if !self.is_due() {
            return;
        }
        if self.json {
            let line = serde_json::json!({ "progress": what, "done": done, "of": of, "left": left });
            drop(writeln!(std::io::stderr(), "{line}"));
            return;
        }
        if std::io::stderr().is_terminal() {
            self.draw(what, done, of, left);
        }
    }

    fn draw(&self, what: &str, done: u64, of: Option<u64>, left: &str) {
        let Ok(mut bar) = self.bar.lock() else { return };
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::no_length();
            let style =
                ProgressStyle::with_template("{spinner} {msg} {wide_bar} {human_pos}/{human_len} {per_sec}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        match of {
            Some(of) => bar.set_length(of),
            // The step before may have had one.
            None => bar.unset_length(),
        }
        bar.set_message(if left.is_empty() { what.to_owned() } else { format!("{what} ({left})") });
        bar.set_position(done);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Ok(mut bar) = self.bar.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    /// Says which words were not understood; help and version are no error.
    pub(crate) fn refuse(&self, refused: &clap::Error) -> u8 {
        if !self.json || !refused.use_stderr() {
            // Nothing can be done about a terminal that is gone.
            drop(refused.print());
            return if refused.use_stderr() { exit::USAGE } else { exit::DONE };
        }
        // The advice after the first paragraph is for people.
        let text = refused.to_string();
        let text = text.split("\n\nUsage:").next().unwrap_or_default();
        let text = text.trim().trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
        self.fail(&FlowError::Input(text).into())
    }

    /// Says what went wrong, and answers the exit code.
    pub(crate) fn fail(&self, error: &anyhow::Error) -> u8 {
        self.fail_for(None, error)
    }

    /// The same, where a command is for many connections.
    pub(crate) fn fail_for(&self, connection: Option<&ConnectionId>, error: &anyhow::Error) -> u8 {
        self.clear();
        let (kind, code) = classify(error);
        let mut causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        let text = error.to_string();
        // A transparent error repeats its source's words.
        causes.retain(|cause| *cause != text);
        causes.dedup();
        if self.json {
            let line = JsonError { error: &text, kind, exit_code: code, causes, connection };
            if let Ok(mut parts) = self.parts.lock()
                && let Some(part) = parts.as_mut().and_then(|parts| parts.last_mut())
            {
                part.error = serde_json::to_value(&line).ok();
            }
            self.line(&serde_json::to_string(&line).unwrap_or(text.clone()));
        } else {
            let causes: String = causes.iter().map(|cause| format!(": {cause}")).collect();
            let of = connection.map(|connection| format!("{connection}: ")).unwrap_or_default();
            self.line(&shown_lines(&format!("caretaker: {of}{text}{causes}")));
        }
        code
    }
}

/// With which code a command ends that failed so.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    classify(error).1
}

/// What kind of error it is.
pub(crate) fn kind(error: &anyhow::Error) -> ErrorKind {
    let kind = error.chain().find_map(|cause| {
        cause
            .downcast_ref::<FlowError>()
            .map(FlowError::kind)
            .or_else(|| cause.downcast_ref::<vault::VaultError>().map(flows::error::vault_kind))
            .or_else(|| cause.downcast_ref::<catalog::CatalogError>().map(flows::error::catalog_kind))
            .or_else(|| {
                cause.downcast_ref::<repository::RepositoryError>().map(flows::error::repository_kind)
            })
    });
    kind.unwrap_or(ErrorKind::Failed)
}

fn classify(error: &anyhow::Error) -> (&'static str, u8) {
    match kind(error) {
        ErrorKind::Failed => ("failed", exit::FAILED),
        ErrorKind::Usage => ("usage", exit::USAGE),
        ErrorKind::Integrity => ("integrity", exit::INTEGRITY),
        ErrorKind::Refused => ("refused", exit::REFUSED),
        ErrorKind::NotFound => ("not_found", exit::NOT_FOUND),
        ErrorKind::Conflict => ("conflict", exit::CONFLICT),
        ErrorKind::Unavailable => ("unavailable", exit::UNAVAILABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_shown_and_does_nothing() {
        for (text, expected) in [
            ("Fjällräv 🦊 – “fox”", "Fjällräv 🦊 – “fox”"),
            ("\u{1b}[31mred\u{9b}2J\r", "\\u{1b}[31mred\\u{9b}2J\\r"),
            ("abc\u{202e}cba", "abc\\u{202e}cba"),
            ("two\nlines", "two\\nlines"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown_lines("one\u{7}\ntwo\n"), "one\\u{7}\ntwo\n");
    }

    #[test]
    fn a_step_whose_end_is_not_known_has_no_length_of_the_step_before() {
        let output = Output::new(false);
        let bar = ProgressBar::hidden();
        *output.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(bar.clone());
        output.draw("fetching", 3, Some(10), "");
        assert_eq!(bar.length(), Some(10));
        output.draw("writing", 3, None, "");
        assert_eq!(bar.length(), None);
    }
}
