//! PKCS#11 tokens of the tests, by SoftHSM: a folder, which commands find by their environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cell::{TestCell, note, text};

/// Where the module lies on Debian.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "8765-4321";

/// Some tokens.
pub(crate) struct Tokens {
    folder: TempDir,
}

impl Tokens {
    /// `None` where SoftHSM is not installed.
    pub(crate) fn new() -> Option<Self> {
        if !Path::new(MODULE).exists() {
            println!("skipped: there is no `{MODULE}` (Debian's package softhsm2)");
            return None;
        }
        note("token-softhsm");
        let tokens = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(tokens.store()).unwrap();
        let settings =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.store().display());
        std::fs::write(tokens.settings(), settings).unwrap();
        tokens.write_pin(PIN);
        Some(tokens)
    }

    /// Where the tokens themselves are. Whoever moves it away pulls them out.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    pub(crate) fn pin_file(&self) -> PathBuf {
        self.folder.path().join("pin")
    }

    pub(crate) fn write_pin(&self, pin: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.pin_file(), pin).unwrap();
        std::fs::set_permissions(self.pin_file(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A new token.
    pub(crate) fn make(&self, label: &str) {
        let mut command = Command::new("softhsm2-util");
        command.args(["--init-token", "--free", "--label", label, "--so-pin", "1234-5678", "--pin", PIN]);
        let output = command.env("SOFTHSM2_CONF", self.settings()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The way to a key of a token.
    pub(crate) fn way(&self, token: &str, key: &str) -> String {
        format!(
            "pkcs11:token={token};object={key}?module-path={MODULE}&pin-source=file:{}",
            text(&self.pin_file())
        )
    }

    /// Lets a cell's commands find them.
    pub(crate) fn plug_into(&self, cell: &mut TestCell) {
        cell.environment.insert("SOFTHSM2_CONF", self.settings());
    }

    /// A cell that one of them seals, with a connection that takes files.
    pub(crate) fn cell(&self, token: &str, key: &str) -> TestCell {
        let mut cell = TestCell::none_yet(tempfile::tempdir().unwrap());
        self.plug_into(&mut cell);
        let recovery = cell.recovery_key();
        let words = ["init", "--recovery-key-out", text(&recovery), "--root-seal", &self.way(token, key)];
        cell.run(&words).succeeds();
        cell.run(&["connect", "jsonl", "files"]).succeeds();
        cell
    }
}
