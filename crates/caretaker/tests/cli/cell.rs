//! A cell in a folder that goes away with it, and the binary that is run on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use domain::Clock as _;
use serde_json::Value;
use tempfile::TempDir;
use vault::system::SystemClock;

pub(crate) const PASSPHRASE: &str = "a passphrase of the tests";
/// Deadlines are generous: they tell a hang from work, not fast from slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary under test.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caretaker"));
    command.env_remove("CARETAKER_DIR").env_remove("CARETAKER_PASSPHRASE_FILE").stdin(Stdio::null());
    command
}

/// How many random points a test tries: few, or all of them in a soak.
pub(crate) fn points(short: u64, soak: u64) -> u64 {
    if std::env::var_os("CARETAKER_SOAK").is_some() { soak } else { short }
}

/// A seeded source of chance. The seed is printed; `CARETAKER_SEED` sets it.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("CARETAKER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        println!("CARETAKER_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // splitmix64, by Steele, Lea and Flood.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to `end`, without it.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).expect("stderr is UTF-8");
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

impl Answer {
    /// The JSON that a command printed which ended with `code`.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32) -> Value {
        let Self { code: found, stdout, stderr } = self;
        let text = String::from_utf8_lossy(stdout);
        assert_eq!(*found, Some(code), "stdout: {text}\nstderr: {stderr}");
        serde_json::from_slice(stdout).unwrap_or_else(|error| panic!("{error}: {text}\n{stderr}"))
    }

    /// The JSON of a command that succeeded.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> Value {
        self.ends(0)
    }

    /// A command that succeeded and printed bytes that are not ours to judge.
    #[track_caller]
    pub(crate) fn succeeds_raw(&self) {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        assert!(!self.stdout.is_empty());
    }

    /// A refusal: its exit code, its error as JSON on stderr, the words that must be in it, and nothing on stdout.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, words: &[&str]) -> Value {
        let Self { code: found, stdout, stderr } = self;
        let text = String::from_utf8_lossy(stdout);
        assert_eq!(*found, Some(code), "stdout: {text}\nstderr: {stderr}");
        assert!(stdout.is_empty(), "a refusal prints no result: {text}");
        let last = stderr.lines().last().expect("an error is told");
        let error: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        assert_eq!(error["exit_code"], code, "{error}");
        assert!(error["kind"].is_string(), "{error}");
        let mut told = error["error"].as_str().expect("an error has words").to_owned();
        for cause in error["causes"].as_array().into_iter().flatten() {
            told += ": ";
            told += cause.as_str().expect("a cause is text");
        }
        for word in words {
            assert!(told.contains(word), "`{word}` is not in `{told}`");
        }
        error
    }
}

/// A new cell, as `init` makes it.
pub(crate) struct TestCell {
    pub(crate) folder: TempDir,
    /// What its commands find in their environment besides.
    pub(crate) environment: BTreeMap<&'static str, PathBuf>,
}

impl TestCell {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    pub(crate) fn at(folder: TempDir) -> Self {
        let cell = Self::none_yet(folder);
        std::fs::write(cell.passphrase(), PASSPHRASE).unwrap();
        let key = cell.recovery_key();
        cell.run(&["init", "--recovery-key-out", text(&key)]).succeeds();
        cell
    }

    /// Where a cell can be made. There is no passphrase.
    pub(crate) fn none_yet(folder: TempDir) -> Self {
        let cell = Self { folder, environment: BTreeMap::new() };
        std::fs::create_dir(cell.temp()).unwrap();
        cell
    }

    /// The same, whose commands find something in their environment besides.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.into());
        self
    }

    /// A new cell with a connection that takes files.
    pub(crate) fn with_jsonl(name: &str) -> Self {
        let cell = Self::new();
        cell.run(&["connect", "jsonl", name]).succeeds();
        cell
    }

    /// The same cell once more, in another folder. Nothing may run on it meanwhile.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(self.folder.path(), folder.path());
        Self { folder, environment: self.environment.clone() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub(crate) fn passphrase(&self) -> PathBuf {
        self.path("passphrase")
    }

    pub(crate) fn recovery_key(&self) -> PathBuf {
        self.path("recovery.key")
    }

    /// The only place for temporary files.
    pub(crate) fn temp(&self) -> PathBuf {
        self.path("temp")
    }

    /// Writes a file beside the cell, and answers where it lies.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        text(&path).to_owned()
    }

    /// All its files but those of the trail, which tells of refusals too.
    pub(crate) fn kept(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let of_the_trail = |path: &Path| {
            ["trail", "store/trail", "vault/trail-witness"].iter().any(|part| path.starts_with(part))
        };
        contents(&self.home()).into_iter().filter(|(path, _)| !of_the_trail(path)).collect()
    }

    /// The events in its trail's journals, one journal after the other, and what in them is no event. As they were written:
    /// no command tells.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let pieces = contents(&self.home().join("trail/journal"));
        let pieces = pieces.iter().filter(|(name, _)| name.extension().is_some_and(|name| name == "jsonl"));
        let lines = pieces.flat_map(|(_, bytes)| bytes.split_inclusive(|byte| *byte == b'\n'));
        lines.map(|line| serde_json::from_slice(line).unwrap_or(Value::Null)).collect()
    }

    /// A command on this cell, with JSON answers.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = binary();
        command.args(["--json", "--dir"]).arg(self.home());
        command.arg("--passphrase-file").arg(self.passphrase());
        command.args(words).env("TMPDIR", self.temp()).envs(&self.environment);
        command
    }

    /// The same, that Ctrl-C ends: in what is started in the background of a script that signal is ignored, and whatever
    /// it starts inherits that.
    fn interruptible(&self, words: &[&str]) -> Command {
        let plain = self.command(words);
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(plain.get_program()).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Answer {
        self.command(words).output().unwrap().into()
    }

    /// Starts a command. What it says on stderr is kept for [`TestCell::said`].
    pub(crate) fn start(&self, words: &[&str]) -> Child {
        let stderr = std::fs::File::create(self.path("stderr")).unwrap();
        self.interruptible(words).stdout(Stdio::null()).stderr(stderr).spawn().unwrap()
    }

    /// What the command that was started last has said on stderr.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap()
    }

    /// Takes lines of a kind into a connection.
    pub(crate) fn ingest(&self, name: &str, kind: &str, lines: impl AsRef<[u8]>) -> Answer {
        let file = self.file("lines.jsonl", lines);
        self.run(&["ingest", name, "--kind", kind, "--id", "/id", &file])
    }

    /// What a connection's newest snapshot holds: file to bytes.
    pub(crate) fn export(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let out = tempfile::tempdir_in(self.folder.path()).unwrap();
        self.run(&["export", name, "--out", text(out.path())]).succeeds();
        // Media are named by a hash under the cell's own key: other cells have other names for the same bytes.
        let (media, mut files): (BTreeMap<_, _>, BTreeMap<_, _>) =
            contents(out.path()).into_iter().partition(|(name, _)| name.starts_with("media"));
        let mut media: Vec<Vec<u8>> = media.into_values().collect();
        media.sort_unstable();
        let named = media.into_iter().enumerate();
        files.extend(named.map(|(turn, bytes)| (PathBuf::from(format!("media/{turn:06}")), bytes)));
        files
    }

    /// The numbers of a connection's snapshots, newest first.
    pub(crate) fn snapshots(&self, name: &str) -> Vec<u64> {
        let list = self.run(&["snapshot", "list", name]).succeeds();
        let rows = list["snapshots"].as_array().unwrap();
        rows.iter().map(|row| row["snapshot"].as_u64().unwrap()).collect()
    }
}

/// Copies what is in a folder, empty folders and the modes of files too.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_folder(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

/// All files below a folder, by their path in it.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Holds two folders' contents against each other, and names the first file and line that differ.
#[track_caller]
pub(crate) fn assert_same(found: &BTreeMap<PathBuf, Vec<u8>>, expected: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    for (name, bytes) in found {
        let Some(other) = expected.get(name) else { continue };
        for (turn, (ours, theirs)) in
            bytes.split(|b| *b == b'\n').zip(other.split(|b| *b == b'\n')).enumerate()
        {
            let (ours, theirs) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
            assert!(ours == theirs, "{}:{}\n{ours}\nis not\n{theirs}", name.display(), turn + 1);
        }
        assert_eq!(bytes.len(), other.len(), "{}", name.display());
    }
    assert_eq!(names(found), names(expected));
}

/// Tells what a test has done, for the result of a soak.
pub(crate) fn tell(fact: &str) {
    use std::io::Write as _;
    println!("{fact}");
    if let Some(path) = std::env::var_os("CARETAKER_FACTS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{fact}").unwrap();
    }
}

/// Says that a suite has really run, where somebody counts.
pub(crate) fn note(suite: &str) {
    use std::io::Write as _;
    if let Some(path) = std::env::var_os("CARETAKER_SUITES") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{suite}").unwrap();
    }
}

/// Waits until `reached` says so, or the process has ended; answers whether it is still running.
pub(crate) fn running_until(child: &mut Child, mut reached: impl FnMut() -> bool) -> bool {
    let end = SystemClock.monotonic() + PATIENCE;
    while SystemClock.monotonic() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if reached() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(child.kill());
    panic!("the process neither ended nor came to the point");
}

/// Ends a process as a power cut would.
pub(crate) fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
