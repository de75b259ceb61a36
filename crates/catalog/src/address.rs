//! Where a cell's catalog is: a file in the cell's directory, or a database of a PostgreSQL server.
//!
//! What an address says is all that is looked at: no variable of the environment, no file of passwords, no
//! service file. A server is spoken to over TLS with its name verified, or not at all. Who asks is said beside the
//! address, never in it: by a certificate, or by a password.

use std::fmt;
use std::path::{Path, PathBuf};

use domain::ServiceId;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use transport::{Identities, Identity};
use url::Url;
use zeroize::Zeroizing;

/// How an address of a server is written.
const FORM: &str = "postgres://USER@HOST[:PORT]/DATABASE";
/// Where PostgreSQL listens when nobody says otherwise.
const PORT: u16 = 5432;
/// What the lines of a server are called together that say which certificates are which role's.
const MAP: &str = "caretaker";
/// Variables by which the client's library would take a credential or settings that the address does not name.
const FOREIGN_VARIABLES: [&str; 3] = ["PGOPTIONS", "PGSSLCERT", "PGSSLKEY"];
/// What certificates as PEM hold at least once.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Where a cell's catalog is.
#[derive(Clone)]
pub enum CatalogAddress {
    /// The file `catalog/catalog.db` in the cell's directory.
    Embedded(PathBuf),
    /// A database of a PostgreSQL server, and who asks.
    Server(ServerAddress, Credential),
}

impl From<&Path> for CatalogAddress {
    fn from(dir: &Path) -> Self {
        Self::Embedded(dir.to_owned())
    }
}

impl From<&PathBuf> for CatalogAddress {
    fn from(dir: &PathBuf) -> Self {
        Self::Embedded(dir.clone())
    }
}

impl fmt::Display for CatalogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(dir) => dir.display().fmt(f),
            Self::Server(address, _) => address.fmt(f),
        }
    }
}

/// By what a server knows whose role it is.
#[derive(Clone)]
pub enum Credential {
    /// The role's password.
    Password(Password),
    /// The certificate that this process has of its cell: the newest one at any time.
    Certificate(Identities),
}

impl From<Password> for Credential {
    fn from(password: Password) -> Self {
        Self::Password(password)
    }
}

impl From<Identities> for Credential {
    fn from(identities: Identities) -> Self {
        Self::Certificate(identities)
    }
}

/// The password of a server's role. It is never shown, and wiped when it is dropped; an open catalog keeps it, to
/// connect anew.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password as it is, with every space in it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose_secret(&self) -> &str {
        &self.0
    }
}

/// A database of a PostgreSQL server, and how it is reached.
///
/// ```
/// use catalog::ServerAddress;
///
/// let address = ServerAddress::new("postgres://caretaker@db.example/cell", None)?;
/// assert_eq!(address.to_string(), "postgres://caretaker@db.example:5432/cell");
/// assert!(ServerAddress::new("postgres://caretaker@db.example/cell?sslmode=require", None).is_err());
/// # Ok::<(), catalog::AddressError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ServerAddress {
    user: String,
    host: String,
    port: u16,
    database: String,
    /// Certificates as PEM, beside those of the public authorities.
    authorities: Vec<u8>,
}

/// What a server of PostgreSQL must be told, so that it lets a process of a cell in that shows its certificate.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The line of `pg_hba.conf`.
    pub hba: String,
    /// The line of `pg_ident.conf`.
    pub ident: String,
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hba, ident } = self;
        write!(
            f,
            "it needs `{hba}` in pg_hba.conf, `{ident}` in pg_ident.conf, and the certificate in the cell's `authority.pem` in the \
             file that `ssl_ca_file` names"
        )
    }
}

/// Why an address of a catalog cannot be used. None of them repeats a password.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is not of the form that an address has.
    #[error("the catalog's address is not of the form {FORM}: {0}")]
    Form(&'static str),
    /// A password stands in it.
    #[error(
        "the catalog's address holds a password: write {FORM}, and have the server let the role in by its certificate"
    )]
    Password,
    /// It names a socket of this machine.
    #[error("the catalog's address names a Unix socket, where no TLS says who answers: write {FORM}")]
    Socket,
    /// It asks for less than TLS with a verified name.
    #[error("`sslmode={0}` does not verify who answers: write `sslmode=verify-full`, or leave it out")]
    Unverified(String),
    /// It has a setting that an address cannot have.
    #[error("the catalog's address has the setting `{0}`: of settings it takes `sslmode=verify-full` alone")]
    Setting(String),
    /// A variable of the environment would have its say.
    #[error("`{0}` is set, and would change what the catalog's address says: unset it")]
    Variable(&'static str),
    /// What was given as the server's authority is no certificate.
    #[error("the certificate of the catalog's authority is none: it begins with `{CERTIFICATE}`")]
    NoCertificate,
}

impl ServerAddress {
    /// Takes an address `postgres://USER@HOST[:PORT]/DATABASE` and, for a server whose certificate no public authority
    /// has signed, its authority's certificate as PEM.
    ///
    /// # Errors
    /// When the address is of another form, holds a password, or asks for less than TLS with a verified name; when
    /// the authority's certificate is none.
    pub fn new(url: &str, authority: Option<&[u8]>) -> Result<Self, AddressError> {
        if let Some(name) = FOREIGN_VARIABLES.into_iter().find(|name| std::env::var_os(name).is_some()) {
            return Err(AddressError::Variable(name));
        }
        let url = Url::parse(url).map_err(|_| AddressError::Form("it does not parse"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(AddressError::Form("it begins otherwise"));
        }
        if url.password().is_some() {
            return Err(AddressError::Password);
        }
        for (setting, value) in url.query_pairs() {
            match (&*setting, &*value) {
                ("sslmode", "verify-full") => {}
                ("sslmode", _) => return Err(AddressError::Unverified(value.into_owned())),
                ("password", _) => return Err(AddressError::Password),
                _ => return Err(AddressError::Setting(setting.into_owned())),
            }
        }
        if url.fragment().is_some() {
            return Err(AddressError::Form("it has something after a `#`"));
        }
        let host = host(&url)?;
        Ok(Self {
            user: user(url.username())?,
            host,
            port: url.port().unwrap_or(PORT),
            database: name(
                url.path().trim_start_matches('/'),
                "its database is not of letters, digits, `-`, `_` and `.`",
            )?,
            authorities: authority.map(certificates).transpose()?.unwrap_or_default(),
        })
    }

    /// The same database, for another of the server's roles.
    ///
    /// # Errors
    /// When its name is of other letters than an address takes.
    pub fn with_user(self, name: &str) -> Result<Self, AddressError> {
        Ok(Self { user: user(name)?, ..self })
    }

    /// The catalog that is there, for whoever has that credential.
    #[must_use]
    pub fn with(self, credential: impl Into<Credential>) -> CatalogAddress {
        CatalogAddress::Server(self, credential.into())
    }

    /// The server's role that asks.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The port at which the server is spoken to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server must be told, so that it lets that process in as the address's user.
    #[must_use]
    pub fn admission(&self, who: &ServiceId) -> Admission {
        let Self { user, database, .. } = self;
        Admission {
            hba: format!("hostssl {database} {user} all cert clientname=DN map={MAP}"),
            ident: format!("{MAP} \"{}\" {user}", transport::subject(who)),
        }
    }

    /// How the client's library is to connect. Everything that it would otherwise take from the environment is said.
    pub(crate) fn options_with_password(&self, password: &Password) -> PgConnectOptions {
        self.options().password(password.expose_secret())
    }

    /// The same, with a certificate. The library keeps a copy of its key.
    pub(crate) fn options_with_certificate(&self, identity: &Identity) -> PgConnectOptions {
        let pem = identity.client_pem();
        let options = self.options().ssl_client_cert_from_pem(pem.certificate.as_bytes());
        options.ssl_client_key_from_pem(pem.expose_secret())
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password("")
            .database(&self.database)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(self.authorities.clone())
            .application_name("caretaker")
            .disable_statement_logging()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port, database, .. } = self;
        if host.contains(':') {
            write!(f, "postgres://{user}@[{host}]:{port}/{database}")
        } else {
            write!(f, "postgres://{user}@{host}:{port}/{database}")
        }
    }
}

/// A role's name.
fn user(text: &str) -> Result<String, AddressError> {
    name(text, "its user is not of letters, digits, `-`, `_` and `.`")
}

/// A name that needs no escape anywhere.
fn name(text: &str, otherwise: &'static str) -> Result<String, AddressError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || !text.chars().all(plain) {
        return Err(AddressError::Form(otherwise));
    }
    Ok(text.to_owned())
}

/// A host by its name or its number. It is the name that the server's certificate must have.
fn host(url: &Url) -> Result<String, AddressError> {
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f") {
        return Err(AddressError::Socket);
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(number) => Ok(number.to_owned()),
        None => name(host, "its host is no name and no number"),
    }
}

/// The client's library would take a text without any for the public authorities alone.
fn certificates(pem: &[u8]) -> Result<Vec<u8>, AddressError> {
    if String::from_utf8_lossy(pem).contains(CERTIFICATE) {
        Ok(pem.to_owned())
    } else {
        Err(AddressError::NoCertificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(url: &str) -> Result<String, String> {
        ServerAddress::new(url, None).map(|address| address.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_taken_as_it_is_meant() {
        for (url, shown) in [
            ("postgres://u@db.example/cell", "postgres://u@db.example:5432/cell"),
            ("postgresql://u@db.example:6000/cell", "postgres://u@db.example:6000/cell"),
            ("postgres://u@db.example/cell?sslmode=verify-full", "postgres://u@db.example:5432/cell"),
            ("postgres://u@10.0.0.7/cell", "postgres://u@10.0.0.7:5432/cell"),
            ("postgres://u@[::1]:6000/a_b-c.d", "postgres://u@[::1]:6000/a_b-c.d"),
        ] {
            assert_eq!(given(url).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn an_address_that_asks_for_less_is_told_what_to_write() {
        for mode in ["disable", "allow", "prefer", "require", "verify-ca", "", "VERIFY-FULL"] {
            for before in ["", "sslmode=verify-full&"] {
                let error =
                    given(&format!("postgres://u@db.example/cell?{before}sslmode={mode}")).unwrap_err();
                assert!(error.contains("write `sslmode=verify-full`"), "{mode}: {error}");
            }
        }
        let setting = |name| given(&format!("postgres://u@db.example/cell?{name}=/x")).unwrap_err();
        for name in ["host", "hostaddr", "sslrootcert", "sslcert", "sslkey", "options", "ssl-mode", "port"] {
            assert!(setting(name).contains(&format!("`{name}`")), "{name}");
        }
        for socket in ["postgres:///cell", "postgres://u@%2Frun%2Fpostgresql/cell"] {
            let error = given(socket).unwrap_err();
            assert!(error.contains("Unix socket") && error.contains(FORM), "{socket}: {error}");
        }
        for other in [
            "cell",
            "postgres://u@/cell",
            "mysql://u@h/cell",
            "postgres://h/cell",
            "postgres://u@h",
            "postgres://u@h/a/b",
            "postgres://u@h/cell#x",
            "postgres://u%20v@h/cell",
            "postgres:u@h/cell",
        ] {
            assert!(given(other).unwrap_err().contains(FORM), "{other}");
        }
    }

    #[test]
    fn no_error_repeats_a_password() {
        for url in [
            "postgres://u:geheim@db.example/cell",
            "postgres://u@db.example/cell?password=geheim",
            "postgres://u:geheim@db.example:port/cell",
            "mysql://u:geheim@db.example/cell",
        ] {
            let error = given(url).unwrap_err();
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn an_authority_has_a_certificate() {
        let taken = |pem: &str| {
            ServerAddress::new("postgres://u@h/d", Some(pem.as_bytes()))
                .map(|address| address.authorities.len())
        };
        for pem in ["", "-----BEGIN PRIVATE KEY-----"] {
            assert!(matches!(taken(pem), Err(AddressError::NoCertificate)), "{pem}");
        }
        assert_eq!(taken(CERTIFICATE).unwrap(), CERTIFICATE.len());
    }
}
