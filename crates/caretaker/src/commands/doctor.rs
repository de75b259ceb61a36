//! `caretaker doctor`: what is wrong with this installation, and how to put it right.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use access::Policies;
use catalog::Catalog;
use domain::{Clock, Role};
use flows::store_access::WhichStore;
use object_store::ObjectStore;
use serde::Serialize;
use serde_json::json;
use vault::system::SystemClock;

use crate::home::{self, CellFile, Home, Unlocked};
use crate::output::{Output, exit, exit_code};
use crate::prover;
use crate::public::{self, Certificate, Given};
use crate::roles::Wants;
use crate::works::{Look, Session, State};
use crate::{cell_trail, dumps};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    ok: bool,
    /// What was found and, where it is wrong, what to do.
    detail: String,
    /// Something that is stored is not what was written.
    #[serde(skip)]
    is_damage: bool,
}

/// What is wrong, in a sentence.
struct Wrong {
    why: String,
    is_damage: bool,
}

impl Wrong {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_damage: false }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Wrong {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { why: sentence(&error), is_damage: exit_code(&error) == exit::INTEGRITY }
    }
}

fn finding(check: impl Into<String>, found: Result<String, Wrong>) -> Finding {
    let check = check.into();
    match found {
        Ok(detail) => Finding { check, ok: true, detail, is_damage: false },
        Err(Wrong { why, is_damage }) => Finding { check, ok: false, detail: why, is_damage },
    }
}

fn sentence(error: &anyhow::Error) -> String {
    domain::with_causes(error.as_ref())
}

pub(crate) async fn run(home: &Home, output: &Output) -> anyhow::Result<u8> {
    let dir = home.dir()?;
    let mut findings = Vec::new();
    look(home, dir, &mut findings, output).await?;
    // Of those that were needed for it, too.
    if let Some(missing) = home.missing_walls() {
        findings.push(finding("walls", walls(&missing)));
    }
    let kept_out = dumps::check().map_err(Wrong::from).and_then(|()| {
        vault::keys_are_locked().map_err(Wrong::new)?;
        Ok("core dumps hold nothing of it, and keys are never written to swap".to_owned())
    });
    findings.push(finding("memory", kept_out));
    findings.push(finding("room for the trail", room(dir)));
    findings.push(finding("policies", policies().await));
    match Given::last(dir) {
        Ok(None) => {}
        Ok(Some(given)) => findings.push(finding("public certificate", public_certificate(&given))),
        Err(error) => findings.push(finding("public certificate", Err(error.into()))),
    }
    let sound = findings.iter().all(|finding| finding.ok);
    let damaged = findings.iter().any(|finding| finding.is_damage);
    output.result(&json!({ "sound": sound, "findings": findings }), || {
        findings
            .iter()
            .map(|finding| {
                let mark = if finding.ok { "ok   " } else { "WRONG" };
                format!("{mark} {}: {}\n", finding.check, finding.detail)
            })
            .collect()
    })?;
    Ok(match (sound, damaged) {
        (true, _) => exit::DONE,
        (false, true) => exit::INTEGRITY,
        (false, false) => exit::FAILED,
    })
}

/// Looks at one thing after another. Where one is wrong, those that do not need it are looked at all the same.
async fn look(home: &Home, dir: &Path, findings: &mut Vec<Finding>, output: &Output) -> anyhow::Result<()> {
    let file = match CellFile::read(dir) {
        Ok(file) => file,
        // Nothing was ever made here: there is nothing to look at.
        Err(error) if exit_code(&error) == exit::NOT_FOUND => return Err(error),
        Err(error) => {
            findings.push(finding("cell", Err(error.into())));
            return Ok(());
        }
    };
    let public = file.public_url.as_ref().map(|url| format!(", in public {url}")).unwrap_or_default();
    findings.push(finding("cell", Ok(format!("region {}{public}", file.region))));
    let is_embedded = file.catalog.is_none();
    let mut is_sound = true;
    if is_embedded {
        // Read without the server's process, which would not begin with a damaged one.
        let looked = async { catalog::Client::from(Catalog::open(dir).await?).check_integrity().await }.await;
        is_sound = looked.is_ok();
        findings.push(finding("catalog", looked.map(|()| "sound".to_owned()).map_err(Wrong::from)));
    }
    let handles = home::handles(dir)?;
    let opened = match home.unseals() {
        Ok(unseals) => home.open_vault(dir, (unseals, Wants::Any), &handles).await,
        Err(error) => Err(error),
    };
    let keys = match opened {
        Ok(keys) => {
            let sealed_by = keys.0.sealed_by().await?;
            let sound = format!("{sealed_by} opens it, and the operator key is the right one");
            findings.push(finding("vault", Ok(sound)));
            Some(keys)
        }
        Err(error) => {
            findings.push(finding("vault", Err(error.into())));
            None
        }
    };
    if !is_embedded && keys.is_some() {
        // The server's process alone is let in.
        let looked = async { anyhow::Ok(home.catalog().await?.check_integrity().await?) }.await;
        is_sound = looked.is_ok();
        findings.push(finding("catalog", looked.map(|()| "sound".to_owned()).map_err(Wrong::from)));
    }
    findings.push(finding("unfinished writes", unfinished_writes(&file, dir, &*handles.clock)));
    let (true, Some((vault, operator))) = (is_sound, keys) else { return Ok(()) };
    let catalog = home.catalog().await?;
    let unlocked = Unlocked { dir: dir.to_path_buf(), file, handles, vault, operator, catalog };
    let objects = store(&unlocked, WhichStore::Objects, findings).await;
    let keys = store(&unlocked, WhichStore::Keys, findings).await;
    if objects.is_none() || keys.is_none() {
        return Ok(());
    }
    let session = Session::new(home, unlocked);
    match session.catalog.connections(&home.tenant).await {
        Ok(connections) => {
            for connection in connections {
                let name = format!("connection {}", connection.scope.connection);
                let state = match session.work(&connection, Look {}, output).await {
                    Ok(State { said, is_sound: true, .. }) => Ok(said),
                    Ok(State { said, is_damaged, .. }) => Err(Wrong { why: said, is_damage: is_damaged }),
                    Err(error) => Err(error.into()),
                };
                findings.push(finding(name, state));
            }
        }
        Err(error) => findings.push(finding("connections", Err(error.into()))),
    }
    Ok(())
}

/// Whether what no policy may ever change can be proven here, or was proven elsewhere.
async fn policies() -> Result<String, Wrong> {
    let built_in = Policies::built_in()?;
    match (prover::solver().await, prover::vouched(&built_in, None)) {
        (Ok(solver), _) => Ok(format!("their invariants can be proven here, by {}", solver.name)),
        (Err(missing), Ok((record, reviewer))) => Ok(format!(
            "their invariants were proven by {}, as {} vouches; they cannot be proven here: {}",
            record.solver.name,
            reviewer.name(),
            sentence(&missing)
        )),
        (Err(missing), Err(unvouched)) => Err(Wrong::new(format!(
            "nobody vouches for their invariants ({}), and they cannot be proven here: {}",
            sentence(&unvouched),
            sentence(&missing)
        ))),
    }
}

/// Whether there is so much room that nobody needs to see to it.
fn room(dir: &Path) -> Result<String, Wrong> {
    let room = cell_trail::room(dir).map_err(|error| {
        let what =
            format!("it cannot be told how much there is in `{}`", cell_trail::folder(dir).path().display());
        Wrong::from(anyhow::Error::from(error).context(what))
    })?;
    match cell_trail::little_room(dir, &room, room.level()) {
        None => Ok(format!("{room} are left")),
        Some(little) => Err(Wrong::new(little)),
    }
}

/// Whether the public endpoint, as `up` was given it last, has a certificate that fits, for long enough.
fn public_certificate(given: &Given) -> Result<String, Wrong> {
    let (certificate, key) = given.certified.files();
    let now = SystemClock.now();
    let read = |path: &Path| File::open(path).and_then(|file| public::read_whole(&file));
    let looked = match (read(certificate), read(key)) {
        (Ok(certificate), Ok(key)) => Certificate::read(&certificate, &key, &given.url, now),
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    };
    let found = looked.map_err(|unfit| {
        let what = format!("the certificate of {} in `{}` cannot be used", given.url, certificate.display());
        Wrong::from(anyhow::Error::from(unfit).context(what))
    })?;
    if found.alarm_from(given.certified.renewed()) <= now {
        let ending = public::ending(found.ends(), now);
        return Err(Wrong::new(format!(
            "the certificate of {} in `{}`: {ending}",
            given.url,
            certificate.display()
        )));
    }
    Ok(format!("that of {} fits, and ends at {}", given.url, found.ends()))
}

/// Whether the kernel keeps the cell's processes from all that they do not need.
fn walls(missing: &[(Role, String)]) -> Result<String, Wrong> {
    if missing.is_empty() {
        let what = "the cell's processes reach no file but their own, no program and no network, but for workers, which reach the ports of \
                    their platform and of buckets, the server of a catalog that is on PostgreSQL, which reaches that port, and who gets \
                    certificates, which reaches that of an authority; whatever the address";
        return Ok(what.to_owned());
    }
    let told: Vec<String> =
        missing.iter().map(|(role, missing)| format!("the {role}'s: {missing}")).collect();
    Err(Wrong::new(told.join("; ")))
}

/// Opens a store and tries it out.
async fn store(
    unlocked: &Unlocked,
    which: WhichStore,
    findings: &mut Vec<Finding>,
) -> Option<Arc<dyn ObjectStore>> {
    let (opened, found) = match unlocked.store(which).await {
        Ok(store) => {
            let probed = repository::probe(&store, &*unlocked.handles.rng).await;
            (Some(store), probed.map_err(Wrong::from))
        }
        Err(error) => (None, Err(error.into())),
    };
    let found = found.and_then(|promises| {
        if promises.keeps_versions && which == WhichStore::Keys {
            return Err(Wrong::new(
                "it keeps old versions, so a person's destroyed key could come back: use a bucket without versioning \
                 and without lock",
            ));
        }
        let guard = if promises.create_if_absent {
            "refuses to overwrite, as a second guard"
        } else {
            "does not refuse to overwrite; nothing here depends on it"
        };
        Ok(format!("can be written, read and deleted; {guard}"))
    });
    findings.push(finding(which.name().replace('-', " "), found));
    opened
}

/// Deletes what commands that were killed have left in stores that are directories.
fn unfinished_writes(file: &CellFile, dir: &Path, clock: &dyn Clock) -> Result<String, Wrong> {
    let (mut files, mut bytes) = (0, 0);
    for which in [WhichStore::Objects, WhichStore::Keys] {
        let found = repository::delete_unfinished(&file.url(which, dir), clock.now(), repository::GRACE)?;
        files += found.files;
        bytes += found.bytes;
    }
    if files == 0 {
        return Ok("none that are older than three days".to_owned());
    }
    Ok(format!("{files} files ({bytes} bytes) of commands that were killed over three days ago were deleted"))
}
