//! `caretaker-verify`: checks a published trail, or a proof out of it, with nothing but the public keys.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use verifier::Refusal;
use verifier::chain::Report;
use verifier::log;
use verifier::note::{Checkpoint, Key, Keys, NOTE_LEN_MAX, Role};
use verifier::proof::{self, PROOF_LEN_MAX};

const USAGE: &str = "\
Checks a trail that Caretaker has published, and proofs out of it. Needs nothing but the public keys.

caretaker-verify log DIR --key LOGKEY [--witness VAULTKEY] [--since FILE] [--checkpoint FILE]
    Every event of a log that lies in DIR (`checkpoint`, `tile/…`). --since is a checkpoint that you kept: the log must
    have grown out of it. --checkpoint is used in place of DIR's own.
caretaker-verify proof FILE --key LOGKEY [--witness VAULTKEY]
    What `caretaker trail prove EVENT` printed. Prints the event.
caretaker-verify grown FILE --since FILE --key LOGKEY [--witness VAULTKEY]
    What `caretaker trail prove --since FILE` printed.

`caretaker trail checkpoint --json` prints both keys. Get them, and keep them, by a way that whoever could change the trail
does not control. With --witness the vault must have signed too.

Ends with 0 where all is right, 4 where anything is not, 2 where the words were not understood, 1 where a file could not be
read.
";

/// Why it does not end well.
enum Failure {
    Unreadable(String),
    Usage(String),
    Wrong(Vec<String>),
}

/// What is wrong with one file.
fn wrong(file: &Path) -> impl Fn(Refusal) -> Failure {
    move |refusal| Failure::Wrong(vec![format!("`{}`: {refusal}", file.display())])
}

fn unreadable(file: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::Unreadable(format!("`{}` cannot be read: {error}", file.display()))
}

fn main() -> ExitCode {
    let (code, lines) = match run(std::env::args_os().skip(1)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Unreadable(line)) => (1, vec![line]),
        Err(Failure::Usage(line)) => (2, vec![line + " (--help says which words there are)"]),
        Err(Failure::Wrong(lines)) => (4, lines),
    };
    say("", &lines);
    ExitCode::from(code)
}

/// Sentences for people.
fn say(what: &str, lines: &[String]) {
    for line in lines {
        // Nothing can be done about a stderr that is gone.
        drop(writeln!(io::stderr(), "caretaker-verify: {what}{line}"));
    }
}

/// The answer, which must arrive: whoever is told nothing must not take it for a yes.
fn answer(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The reader has seen enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => {
            written.map_err(|error| Failure::Unreadable(format!("the answer cannot be written: {error}")))
        }
    }
}

fn run(mut words: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let command = words.next().unwrap_or_default();
    match command.to_str() {
        Some("--help" | "-h") => answer(USAGE),
        Some("--version" | "-V") => answer(concat!("caretaker-verify ", env!("CARGO_PKG_VERSION"), "\n")),
        Some("log") => log(&Words::read(words, &["--since", "--checkpoint"])?),
        Some("proof") => included(&Words::read(words, &[])?),
        Some("grown") => grown(&Words::read(words, &["--since"])?),
        _ => Err(Failure::Usage("say what is to be checked: `log`, `proof` or `grown`".to_owned())),
    }
}

/// What stands behind the command.
struct Words {
    path: PathBuf,
    keys: Keys,
    /// The files that were given beside it, by option.
    files: BTreeMap<String, PathBuf>,
}

impl Words {
    fn read(mut words: impl Iterator<Item = OsString>, files: &[&str]) -> Result<Self, Failure> {
        let (mut path, mut given) = (None, BTreeMap::new());
        while let Some(word) = words.next() {
            let refuse = |why: &str| Failure::Usage(format!("`{}` {why}", word.display()));
            match word.to_str().filter(|word| word.starts_with('-')) {
                Some(option) if ["--key", "--witness"].iter().chain(files).any(|known| *known == option) => {
                    let value = words.next().ok_or_else(|| refuse("lacks what belongs behind it"))?;
                    if given.insert(option.to_owned(), value).is_some() {
                        return Err(refuse("is given twice"));
                    }
                }
                Some(_) => return Err(refuse("is no option here")),
                None if path.is_some() => return Err(refuse("is one file too many")),
                None => path = Some(PathBuf::from(&word)),
            }
        }
        let key = |option: &str, role, value: OsString| {
            let key = value.to_str().and_then(|text| Key::read(text, role).ok());
            key.ok_or_else(|| {
                Failure::Usage(format!("behind {option} stands no key `name+number+base64` of such a one"))
            })
        };
        let missing = |what: &str| Failure::Usage(format!("{what} is missing"));
        let log = key("--key", Role::Log, given.remove("--key").ok_or_else(|| missing("--key"))?)?;
        let witness =
            given.remove("--witness").map(|value| key("--witness", Role::Witness, value)).transpose()?;
        let path = path.ok_or_else(|| missing("what is to be checked"))?;
        let files = given.into_iter().map(|(option, file)| (option, file.into())).collect();
        Ok(Self { path, keys: Keys { log, witness }, files })
    }

    /// The checkpoint that somebody kept, if one was given.
    fn kept(&self) -> Result<Option<Checkpoint>, Failure> {
        let Some(file) = self.files.get("--since") else { return Ok(None) };
        self.keys.open_kept(&read(file, NOTE_LEN_MAX)?).map(Some).map_err(wrong(file))
    }
}

fn read(file: &Path, len_max: usize) -> Result<Vec<u8>, Failure> {
    let bytes = log::read(file, len_max).map_err(unreadable(file))?;
    bytes.ok_or_else(|| Failure::Unreadable(format!("`{}` is not there", file.display())))
}

fn log(words: &Words) -> Result<(), Failure> {
    let kept = words.kept()?;
    let file = words.files.get("--checkpoint").cloned().unwrap_or_else(|| words.path.join("checkpoint"));
    let checkpoint = words.keys.open(&read(&file, NOTE_LEN_MAX)?).map_err(wrong(&file))?;
    let report = log::verify(&words.path, &checkpoint, kept.as_ref()).map_err(unreadable(&words.path))?;
    let Report { findings, notices } = report;
    say("notice: ", &notices.lines());
    if findings.is_empty() {
        answer(&format!("{} events, as they were signed\n", checkpoint.size))
    } else {
        Err(Failure::Wrong(findings.lines()))
    }
}

fn included(words: &Words) -> Result<(), Failure> {
    let file = &words.path;
    let (_, event) = proof::included(&read(file, PROOF_LEN_MAX)?, &words.keys).map_err(wrong(file))?;
    answer(&shown(&String::from_utf8_lossy(&event)))
}

fn grown(words: &Words) -> Result<(), Failure> {
    let file = &words.path;
    let kept = words.kept()?.ok_or_else(|| Failure::Usage("--since is missing".to_owned()))?;
    let proof = read(file, PROOF_LEN_MAX)?;
    let now = proof::grown(&proof, &kept, &words.keys).map_err(wrong(file))?;
    answer(&format!("{} events, grown out of {}\n", now.size, kept.size))
}

/// JSON as the same JSON that does nothing to a terminal. Outside of its texts control characters are white space, and
/// inside of them none stands below the space.
fn shown(json: &str) -> String {
    let show = |letter: char| match letter {
        '\0'..=' ' => ' '.to_string(),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => format!("\\u{:04x}", u32::from(letter)),
        letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    };
    json.chars().map(show).chain(["\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_same_and_moves_no_cursor() {
        let json = "{\"a\":\t\"\u{9b}2J\u{202e}\u{7f} ä\",\r\"b\":1}";
        let shown = shown(json);
        assert_eq!(shown, "{\"a\": \"\\u009b2J\\u202e\\u007f ä\", \"b\":1}\n");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
    }
}
