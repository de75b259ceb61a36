//! What a process is told to begin with, by whoever starts it; and the same once more, where it has died.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use domain::{Platform, Region, Role};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vault::{Passphrase, SealWay, VaultError};

use super::certifier::{Certifies, ToCertify};
use super::child::Job as _;
use super::control::Control;
use super::messages::ToProcess;
use super::monitor::{Monitors, ToMonitor};
use super::server::{Serves, ToPublish, ToServe};
use super::vault::{Keys, ToOpen};
use super::worker::{HTTPS, ToWork, Works};
use crate::home::CellFile;
use crate::public::{Acme, PublicUrl};

/// What unseals a vault.
pub(crate) enum Unseals {
    /// A file with a passphrase, which the vault's process alone reads.
    File(PathBuf),
    /// Somebody who typed a passphrase.
    Typed(Arc<Passphrase>),
    /// A token or a service.
    Sealer(Outside),
    /// As the first; and the second is to seal it from now on.
    Anew(Box<Unseals>, Outside),
}

/// The way to a token or a service, for the cell's region.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) way: Box<SealWay>,
    pub(crate) region: Region,
}

impl Unseals {
    /// What opens a vault that has died. `None` where somebody typed something: nobody keeps it.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::File(file) => Some(Self::File(file.clone())),
            Self::Sealer(outside) if !outside.way.asks() => Some(Self::Sealer(outside.clone())),
            Self::Typed(_) | Self::Sealer(_) => None,
            Self::Anew(now, _) => now.again(),
        }
    }

    /// The ways to what has sealed the vault, and to what is to seal it from now on.
    pub(super) fn ways(&self) -> [Option<Outside>; 2] {
        match self {
            Self::File(_) | Self::Typed(_) => [None, None],
            Self::Sealer(outside) => [Some(outside.clone()), None],
            Self::Anew(now, next) => {
                let [own, _] = now.ways();
                [own, Some(next.clone())]
            }
        }
    }
}

/// What a process is told to begin with.
pub(super) enum Beginning {
    Vault {
        dir: PathBuf,
        region: Region,
        alone: bool,
        asks: bool,
        hands_over: bool,
        unseals: Unseals,
    },
    /// `far`: that the vault is on another host.
    Server {
        dir: PathBuf,
        cell: CellFile,
        public: Option<Box<ToPublish>>,
        far: bool,
    },
    /// `far`: that the vault is on another host.
    Monitor {
        dir: PathBuf,
        by_itself: bool,
        far: bool,
    },
    /// `by_itself`: that it does what is due. `far`: that the vault is on another host.
    Worker {
        dir: PathBuf,
        cell: CellFile,
        platform: Platform,
        ports: Vec<u16>,
        by_itself: bool,
        far: bool,
    },
    Certifier {
        dir: PathBuf,
        url: PublicUrl,
        acme: Acme,
    },
}

impl Beginning {
    /// A worker, which can connect to those ports.
    pub(super) fn worker(dir: &Path, cell: &CellFile, platform: Platform, reaching: &[u16]) -> Self {
        let mut ports = reaching.to_vec();
        if connectors::registry::platform(platform.as_str()).is_some() {
            ports.push(HTTPS);
        }
        // The catalog is none of its business.
        let (dir, cell) = (dir.to_path_buf(), CellFile { catalog: None, ..cell.clone() });
        Self::Worker { dir, cell, platform, ports, by_itself: false, far: false }
    }

    /// The same, of a cell that runs: a worker does by itself what is due.
    pub(super) fn by_itself(self) -> Self {
        match self {
            Self::Worker { dir, cell, platform, ports, far, .. } => {
                Self::Worker { dir, cell, platform, ports, by_itself: true, far }
            }
            other => other,
        }
    }

    /// The same, for whoever's vault is on another host.
    pub(super) fn far(self) -> Self {
        match self {
            Self::Worker { dir, cell, platform, ports, by_itself, .. } => {
                Self::Worker { dir, cell, platform, ports, by_itself, far: true }
            }
            Self::Server { dir, cell, public, .. } => Self::Server { dir, cell, public, far: true },
            Self::Monitor { dir, by_itself, .. } => Self::Monitor { dir, by_itself, far: true },
            other => other,
        }
    }

    pub(super) fn role(&self) -> Role {
        match self {
            Self::Vault { .. } => Role::Vault,
            Self::Server { .. } => Role::Server,
            Self::Monitor { .. } => Role::Monitor,
            Self::Worker { platform, .. } => Role::Worker(platform.clone()),
            Self::Certifier { .. } => Role::Certifier,
        }
    }

    /// The word that starts the process.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Vault { .. } => Keys::WORD,
            Self::Server { .. } => Serves::WORD,
            Self::Monitor { .. } => Monitors::WORD,
            Self::Worker { .. } => Works::WORD,
            Self::Certifier { .. } => Certifies::WORD,
        }
    }

    /// The same once more. Nobody keeps what somebody typed.
    pub(super) fn again(&self) -> Option<Self> {
        Some(match self {
            Self::Vault { dir, region, alone, asks, hands_over, unseals } => {
                let (dir, region, unseals) = (dir.clone(), region.clone(), unseals.again()?);
                Self::Vault { dir, region, alone: *alone, asks: *asks, hands_over: *hands_over, unseals }
            }
            Self::Server { dir, cell, public, far } => {
                let again = |public: &ToPublish| ToPublish { at_start: false, ..public.clone() }.into();
                let (dir, cell, public) = (dir.clone(), cell.clone(), public.as_deref().map(again));
                Self::Server { dir, cell, public, far: *far }
            }
            Self::Monitor { dir, by_itself, far } => {
                Self::Monitor { dir: dir.clone(), by_itself: *by_itself, far: *far }
            }
            Self::Worker { dir, cell, platform, ports, by_itself, far } => Self::Worker {
                dir: dir.clone(),
                cell: cell.clone(),
                platform: platform.clone(),
                ports: ports.clone(),
                by_itself: *by_itself,
                far: *far,
            },
            Self::Certifier { dir, url, acme } => {
                Self::Certifier { dir: dir.clone(), url: url.clone(), acme: acme.clone() }
            }
        })
    }

    /// Tells it.
    pub(super) fn tell(&self, control: &Control) -> anyhow::Result<()> {
        let walls = true;
        match self {
            Self::Vault { dir, region, alone, asks, hands_over, unseals } => {
                let [sealer, next_sealer] = unseals.ways().map(|way| way.is_some());
                let (dir, region, alone, asks) = (dir.clone(), region.clone(), *alone, *asks);
                let hands_over = *hands_over;
                let begin = |passphrase| ToOpen {
                    dir,
                    region,
                    alone,
                    asks,
                    hands_over,
                    passphrase,
                    sealer,
                    next_sealer,
                    walls,
                };
                let now = match unseals {
                    Unseals::Anew(now, _) => now,
                    now => now,
                };
                match now {
                    Unseals::Anew(..) => anyhow::bail!("a vault is sealed anew by one only"),
                    Unseals::Sealer(_) => tell(control, begin("the root key's seal".into()), None),
                    Unseals::File(path) => {
                        let file = File::open(path).map_err(|source| VaultError::no_secret(path, source))?;
                        tell(control, begin(path.clone()), Some(file.as_fd()))
                    }
                    Unseals::Typed(passphrase) => {
                        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
                        tell(control, begin("what was typed".into()), Some(read.as_fd()))?;
                        drop(read);
                        match passphrase.write_to(&mut File::from(write)) {
                            Err(error) if !is_gone(&error) => Err(error.into()),
                            _ => Ok(()),
                        }
                    }
                }
            }
            Self::Server { dir, cell: CellFile { region, catalog, .. }, public, far } => {
                let (dir, region) = (dir.clone(), region.clone());
                let (catalog, public) = (catalog.clone(), public.as_deref().cloned());
                tell(control, ToServe { dir, region, catalog, public, far: *far, walls }, None)
            }
            Self::Monitor { dir, by_itself, far } => {
                let (dir, by_itself) = (dir.clone(), *by_itself);
                tell(control, ToMonitor { dir, by_itself, far: *far, walls }, None)
            }
            Self::Worker { dir, cell, platform, ports, by_itself, far } => {
                let (dir, cell, platform) = (dir.clone(), cell.clone(), platform.clone());
                let (ports, by_itself, far) = (ports.clone(), *by_itself, *far);
                tell(control, ToWork { dir, platform, cell, ports, by_itself, far, walls }, None)
            }
            Self::Certifier { dir, url, acme } => {
                let ca = match &acme.ca_file {
                    Some(path) => Some(File::open(path).with_context(|| {
                        format!("could not read the authorities in `{}`", path.display())
                    })?),
                    None => None,
                };
                let begin = ToCertify { dir: dir.clone(), url: url.clone(), acme: acme.clone(), walls };
                tell(control, begin, ca.as_ref().map(|ca| ca.as_fd()))
            }
        }
    }
}

/// Tells a process what to begin with. That it is gone already shows where it is waited for.
fn tell<B: Serialize + DeserializeOwned>(
    control: &Control,
    begin: B,
    descriptor: Option<BorrowedFd<'_>>,
) -> anyhow::Result<()> {
    match control.send(&ToProcess::Begin(begin), descriptor) {
        Err(error) if !is_gone(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether the other end of a pair of sockets is gone.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
