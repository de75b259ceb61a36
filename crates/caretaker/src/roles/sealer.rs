//! Whoever speaks to a token or a key management service for the vault: a process of its own, without walls, for as long as one act
//! needs it. It sees root keys, and keeps none.

use std::ops::Deref;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use domain::{Clock, Region};
use serde::{Deserialize, Serialize};
use vault::system::SystemClock;
use vault::{SealWay, Sealer, serve_sealer};

use super::control::Control;
use super::messages::ToProcess;
use crate::output::exit;

/// The word that starts such a process.
pub(crate) const WORD: &str = "sealer";

/// Which way it goes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ToSealer {
    way: String,
    region: Region,
}

/// The process. It ends with this.
pub(crate) struct SealerProcess {
    child: Child,
}

impl SealerProcess {
    /// Starts it. Answers also where whoever is sealed for has its end.
    ///
    /// # Errors
    /// When it could not be started. Whether the way leads anywhere shows when it is asked something.
    pub(crate) fn start(way: &SealWay, region: &Region) -> anyhow::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let (control, stdin) = Control::pair()?;
        let mut command = Command::new("/proc/self/exe");
        // In the command's own process group: it may have to ask on the terminal.
        command.arg0("caretaker").arg(WORD).stdin(stdin).stdout(Stdio::null());
        command.args(crate::asks_for_json().then_some("--json"));
        let child = command.spawn().context("the process for the root key's seal could not be started")?;
        let process = Self { child };
        let told = ToSealer { way: way.to_string(), region: region.clone() };
        control.send(&ToProcess::Begin(told), Some(theirs.as_fd()))?;
        Ok((process, ours))
    }
}

impl SealerProcess {
    /// Whether it has not ended yet.
    pub(super) fn is_running(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for SealerProcess {
    fn drop(&mut self) {
        // Whoever it was for has had its answers. A module or a service that hangs must not hold a command up.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sealer for this process, which makes a vault.
pub(crate) struct OwnSealer {
    // Ends first.
    sealer: Sealer,
    _process: SealerProcess,
}

impl OwnSealer {
    /// As [`SealerProcess::start`].
    ///
    /// # Errors
    /// When it could not be started.
    pub(crate) fn start(way: &SealWay, region: &Region) -> anyhow::Result<Self> {
        let (process, stream) = SealerProcess::start(way, region)?;
        Ok(Self { sealer: Sealer::over(stream)?, _process: process })
    }
}

impl Deref for OwnSealer {
    type Target = Sealer;

    fn deref(&self) -> &Sealer {
        &self.sealer
    }
}

/// Answers until whoever is sealed for is gone.
pub(crate) fn main(control: Control) -> ExitCode {
    let _ = rustix::thread::set_name(c"caretaker-seals");
    let Ok(Some((ToProcess::Begin(ToSealer { way, region }), Some(stream)))) = control.receive() else {
        return ExitCode::from(exit::USAGE);
    };
    drop(control);
    let Ok(way) = way.parse::<SealWay>() else { return ExitCode::from(exit::USAGE) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ask = |prompt: &str| rpassword::prompt_password(format!("{prompt}: "));
    match serve_sealer(stream.into(), &way, &region, &clock, &ask) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::warn!("{error}");
            ExitCode::from(exit::FAILED)
        }
    }
}
