//! What `caretaker up` was given for the public endpoint: where it listens, and from where its certificate comes.
//!
//! Whoever starts the cell's processes binds the socket and opens the files, and hands the descriptors on. It reads none of them; and
//! the server, which does, needs no way of its own to where they lie.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flows::FlowError;
use serde::{Deserialize, Serialize};
use url::Url;

use super::certificate::Renewed;
use super::name::PublicUrl;
use crate::arguments::Listens;
use crate::files;
use crate::home::CellFile;

/// The longest such file, in bytes.
const GIVEN_LEN_MAX: u64 = 64 * 1024;
/// What a certificate that was got with its key is called in the certifier's folder, and one by which that is asked for.
pub(super) const CERTIFICATE: &str = "certificate.pem";
pub(super) const CHALLENGE: &str = "challenge.pem";

/// The certifier's own folder.
pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join("public")
}

/// A part of the public endpoint, as the server asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// The socket that listens.
    Listener,
    /// The file with the certificate.
    Certificate,
    /// The file with its private key. It may be the same.
    Key,
    /// The file with what an authority wants to see before it makes a certificate.
    Challenge,
}

/// All of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) url: PublicUrl,
    pub(crate) listen: SocketAddr,
    pub(crate) certified: Certified,
}

/// From where the certificate comes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Certified {
    /// Somebody puts it there.
    Files { certificate: PathBuf, key: PathBuf },
    /// An authority makes it (ACME, RFC 8555), and the certifier puts it into its folder.
    Acme { file: PathBuf, acme: Acme },
}

/// How an authority is asked for one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Acme {
    /// Where it says how it is spoken to.
    pub(crate) directory: Url,
    /// One more authority to trust when it is spoken to.
    pub(crate) ca_file: Option<PathBuf>,
    /// To whom it may write.
    pub(crate) contact: Option<String>,
}

fn input(why: impl Into<String>) -> anyhow::Error {
    FlowError::Input(why.into()).into()
}

impl Given {
    /// What the words say; `None` where there is to be no public endpoint.
    ///
    /// # Errors
    /// Where they make no sense together, or the cell has no public name.
    pub(crate) fn of(words: &Listens, file: &CellFile, dir: &Path) -> anyhow::Result<Option<Self>> {
        let Some(listen) = words.listen else { return Ok(None) };
        let url = file.public_url.clone().ok_or_else(|| {
            input(
                "this cell has no public name, and its name is fixed when it is made: make one with `caretaker init \
                 --public-url https://HOST`, or this one again from its stores, with `--from-store` and `--public-url`",
            )
        })?;
        let certified = match (&words.certificate_file, &words.certificate_key_file, &words.acme) {
            (Some(certificate), Some(key), None) => Certified::Files {
                certificate: std::path::absolute(certificate)?,
                key: std::path::absolute(key)?,
            },
            (None, None, Some(directory)) => {
                let acme = Acme::of(words, directory, &url)?;
                Certified::Acme { file: folder(&std::path::absolute(dir)?).join(CERTIFICATE), acme }
            }
            _ => {
                return Err(input(
                    "say from where the public endpoint's certificate comes: --certificate-file with --certificate-key-file, or \
                     --acme with --acme-agree",
                ));
            }
        };
        Ok(Some(Self { url, listen, certified }))
    }

    fn path(dir: &Path) -> PathBuf {
        dir.join("run").join("public.json")
    }

    /// What the cell at `dir` was given when it was last run.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) fn last(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(dir);
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_at_most(&path, GIVEN_LEN_MAX)?;
        let given = serde_json::from_slice(&text);
        given.map(Some).with_context(|| {
            format!("`{}` is damaged: delete it, and run `caretaker up` again", path.display())
        })
    }

    /// Keeps in the cell's home what was given.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn keep(&self, dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        files::write_private(&Self::path(dir), (text + "\n").as_bytes())
    }

    /// Keeps that nothing was given.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub(crate) fn forget(dir: &Path) -> anyhow::Result<()> {
        match std::fs::remove_file(Self::path(dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("could not delete `{}`", Self::path(dir).display()))
            }
            _ => Ok(()),
        }
    }
}

impl Acme {
    fn of(words: &Listens, directory: &Url, url: &PublicUrl) -> anyhow::Result<Self> {
        if !words.acme_agree {
            return Err(input(
                "an authority gives certificates to those who agree to its terms, which nobody can do for you: read them (its \
                 directory says where they stand), and give --acme-agree",
            ));
        }
        if directory.scheme() != "https" || directory.host().is_none() {
            return Err(input(format!(
                "`{directory}` is no address of an authority's directory: https://HOST/PATH is expected"
            )));
        }
        if url.domain().is_none() {
            return Err(input(format!(
                "{url} names an address, and authorities are asked for certificates for names: give --certificate-file"
            )));
        }
        let ca_file = words.acme_ca_file.as_deref().map(std::path::absolute).transpose()?;
        Ok(Self { directory: directory.clone(), ca_file, contact: words.acme_contact.clone() })
    }
}

impl Certified {
    /// Who renews it.
    pub(crate) fn renewed(&self) -> Renewed {
        match self {
            Self::Files { .. } => Renewed::ByHand,
            Self::Acme { .. } => Renewed::ByItself,
        }
    }

    /// The file with the certificate, and that with its key.
    pub(crate) fn files(&self) -> (&Path, &Path) {
        match self {
            Self::Files { certificate, key } => (certificate, key),
            Self::Acme { file, .. } => (file, file),
        }
    }
}

/// A public endpoint whose socket listens.
#[derive(Debug)]
pub(crate) struct Open {
    given: Given,
    listener: TcpListener,
}

impl Open {
    /// Listens.
    ///
    /// # Errors
    /// When the address is another's, say.
    pub(crate) fn new(given: Given) -> anyhow::Result<Self> {
        let address = given.listen;
        let listener = TcpListener::bind(address).and_then(|own| own.set_nonblocking(true).map(|()| own));
        let listener = listener.with_context(|| format!("could not listen on {address}"))?;
        let given = Given { listen: listener.local_addr()?, ..given };
        Ok(Self { given, listener })
    }

    pub(crate) fn given(&self) -> &Given {
        &self.given
    }

    /// A descriptor of a part.
    ///
    /// # Errors
    /// When there is no such file.
    pub(crate) fn part(&self, part: Part) -> io::Result<OwnedFd> {
        let (certificate, key) = self.given.certified.files();
        match part {
            Part::Listener => self.listener.as_fd().try_clone_to_owned(),
            Part::Certificate => open(certificate),
            Part::Key => open(key),
            Part::Challenge => match &self.given.certified {
                Certified::Files { .. } => Err(io::ErrorKind::NotFound.into()),
                Certified::Acme { file, .. } => open(&file.with_file_name(CHALLENGE)),
            },
        }
    }
}

/// Nobody waits for whoever is at the other end of a pipe.
fn open(path: &Path) -> io::Result<OwnedFd> {
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(file.into())
}
