//! `caretaker init`: a new cell, or a running one again from its stores.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::{Admission, Catalog};
use flows::FlowError;
use flows::store_access::{self, Way, WhichStore};
use repository::Stores;
use serde::Serialize;
use serde_json::json;
use transport::{Authority, CERTIFICATE_TTL, certificate_pem};
use vault::system::{SystemClock, SystemRng};
use vault::{
    Argon2Cost, Handles, InitSettings, OperatorKey, Passphrase, RecoveryKey, RecoveryRecipient,
    RecoverySetting, RootSeal, SealWay, Vault,
};

use crate::arguments::Init;
use crate::catalog_server::{self, CatalogServer};
use crate::files;
use crate::home::{self, CellFile, Home, Unlocked};
use crate::output::{Output, exit};
use crate::roles::{OpenVault, OwnSealer};
use crate::stores::{self, GivenStore};
use domain::Unrecorded;

pub(crate) async fn run(home: &Home, init: &Init, output: &Output) -> anyhow::Result<u8> {
    let dir = home.dir()?;
    if let Some(taken) = home::taken(dir) {
        return Err(taken.into());
    }
    let seal = NewSeal::given(home, init)?;
    let recovery_passphrase = init.recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
    match (&init.from_store, &init.recovery_key_file, &init.recovery_key_out) {
        (Some(_), Some(key), _) => {
            let key = || RecoveryKey::read(key, recovery_passphrase.as_ref());
            again(home, init, dir, &seal, [key()?, key()?, key()?], output).await
        }
        (_, _, Some(out)) => {
            let recovery = RecoverySetting::New { file: out, passphrase: recovery_passphrase.as_ref() };
            let given = Given::new(init, dir)?;
            stores::are_empty(&given.make(dir).await?).await?;
            let (key, waits) = make(home, init, dir, &seal, recovery, &given).await?;
            let shown = out.display().to_string();
            let made = json!({
                "dir": dir, "region": init.region, "recovery_key": shown, "recovery_key_fingerprint": key,
            });
            output.result(&Made { made: &made, catalog: waits.as_ref() }, || {
                format!(
                    "A new cell in {}, region {}.\n\
                     The recovery key {key} was written to {shown}, once. Keep it away from this machine:\n\
                     with it and the two stores everything can be read, without it and {} nothing.\n{}",
                    dir.display(),
                    init.region,
                    seal.noun(),
                    told(waits.as_ref()),
                )
            })?;
            Ok(exit::DONE)
        }
        _ => {
            Err(FlowError::Input("say where the recovery key goes: --recovery-key-out FILE".to_owned())
                .into())
        }
    }
}

/// A catalog that waits in the cell's home for the server where it is to be.
#[derive(Serialize)]
struct Waits {
    /// What PostgreSQL is to believe.
    authority: PathBuf,
    pg_hba: String,
    pg_ident: String,
}

/// What was made, and what there is to do for its catalog.
#[derive(Serialize)]
struct Made<'a, T> {
    #[serde(flatten)]
    made: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog: Option<&'a Waits>,
}

impl Waits {
    fn for_server(authority: PathBuf, Admission { hba, ident }: Admission) -> Self {
        Self { authority, pg_hba: hba, pg_ident: ident }
    }
}

/// What there is to do for a catalog that waits.
fn told(waits: Option<&Waits>) -> String {
    let Some(Waits { authority, pg_hba, pg_ident }) = waits else { return String::new() };
    format!(
        "The catalog waits here for its server. Give PostgreSQL the certificate in {}, in the file that `ssl_ca_file` names,\n\
         and these lines, the first in pg_hba.conf, the second in pg_ident.conf:\n  {pg_hba}\n  {pg_ident}\n\
         Then `caretaker migrate --owner ROLE --owner-password-file FILE` moves it there.\n",
        authority.display(),
    )
}

/// What is to seal the new vault.
enum NewSeal {
    Passphrase(Passphrase),
    Outside { way: Box<SealWay>, sealer: OwnSealer },
}

impl NewSeal {
    fn given(home: &Home, init: &Init) -> anyhow::Result<Self> {
        let Some(way) = &init.root_seal else {
            let file = home.passphrase_file.as_deref();
            return Ok(Self::Passphrase(home::new_passphrase(file, "A passphrase for the new cell")?));
        };
        let way: SealWay = way.parse()?;
        Ok(Self::Outside { sealer: OwnSealer::start(&way, &init.region)?, way: Box::new(way) })
    }

    /// What it is, for people.
    fn noun(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "the passphrase",
            Self::Outside { .. } => "what seals the vault",
        }
    }
}

impl<'a> From<&'a NewSeal> for RootSeal<'a> {
    fn from(seal: &'a NewSeal) -> Self {
        match seal {
            NewSeal::Passphrase(passphrase) => passphrase.into(),
            NewSeal::Outside { sealer, .. } => RootSeal::Sealer(sealer),
        }
    }
}

/// The stores, and the catalog's server, as they were given; `None`: in the cell's home.
struct Given {
    objects: Option<GivenStore>,
    keys: Option<GivenStore>,
    catalog: Option<CatalogServer>,
}

impl Given {
    fn new(init: &Init, dir: &Path) -> anyhow::Result<Self> {
        let given = |which, url: Option<&String>| {
            url.map(|url| stores::given(which, url, &init.credentials)).transpose()
        };
        let given = Self {
            objects: given(WhichStore::Objects, init.store.as_ref().or(init.from_store.as_ref()))?,
            keys: given(WhichStore::Keys, init.keys_store.as_ref())?,
            catalog: init
                .catalog
                .as_ref()
                .map(|url| CatalogServer::given(url, init.catalog_ca_file.as_deref()))
                .transpose()?,
        };
        let file = given.cell_file(init);
        stores::are_apart(&file.url(WhichStore::Objects, dir), &file.url(WhichStore::Keys, dir))?;
        Ok(given)
    }

    fn cell_file(&self, init: &Init) -> CellFile {
        let url = |given: &Option<GivenStore>| given.as_ref().map(|given| given.url.clone());
        CellFile {
            store: url(&self.objects),
            keys_store: url(&self.keys),
            catalog: self.catalog.clone(),
            public_url: init.public_url.clone(),
            ..CellFile::new(init.region.clone())
        }
    }

    /// The stores of a new cell: directories are made, buckets are tried out.
    async fn make(&self, dir: &Path) -> anyhow::Result<Stores> {
        let make = async |given: &Option<GivenStore>, embedded: &str| match given {
            Some(given) => given.make(&SystemRng).await,
            None => {
                let url = dir.join(embedded).display().to_string();
                Ok(repository::make_store(&url, &repository::StoreOptions::default())?)
            }
        };
        Ok(Stores { objects: make(&self.objects, "store").await?, keys: make(&self.keys, "keys").await? })
    }
}

/// What of a cell was made so far. Dropped before the cell is finished, it takes that away again, so that `init` can
/// simply be tried once more; the record of events stays.
struct Unfinished {
    made: Vec<PathBuf>,
}

impl Unfinished {
    fn finish(mut self) {
        self.made.clear();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for path in self.made.drain(..) {
            // What cannot be taken away is named by the next `init`.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Makes a new cell: vault and catalog, and last what says that here is a cell. Answers the recovery key's fingerprint, and what
/// is to be done for the catalog.
async fn make(
    home: &Home,
    init: &Init,
    dir: &Path,
    seal: &NewSeal,
    recovery: RecoverySetting<'_>,
    given: &Given,
) -> anyhow::Result<(String, Option<Waits>)> {
    let Begun { vault, key, catalog, waits, handles, unfinished } =
        begin(home, init, dir, seal, recovery, given).await?;
    catalog.add_tenant(&home.tenant, handles.clock.now()).await?;
    given.cell_file(init).write(dir)?;
    unfinished.finish();
    home.use_trail(dir, vault, &handles);
    Ok((key, waits))
}

/// A cell that is being made.
struct Begun {
    vault: OpenVault,
    /// The recovery key's fingerprint.
    key: String,
    catalog: catalog::Client,
    waits: Option<Waits>,
    handles: Handles,
    unfinished: Unfinished,
}

/// Makes vault and catalog: that of a server too is made here first, since no server can know the cell yet.
async fn begin(
    home: &Home,
    init: &Init,
    dir: &Path,
    seal: &NewSeal,
    recovery: RecoverySetting<'_>,
    given: &Given,
) -> anyhow::Result<Begun> {
    files::make_private_folder(dir)?;
    let handles = home::handles(dir)?;
    home.begin_unproven(&handles).await?;
    let key_file = match &recovery {
        RecoverySetting::New { file, .. } => Some(file.to_path_buf()),
        RecoverySetting::Known(_) => None,
    };
    let settings = InitSettings { recovery, recipients: Vec::new(), cost: Argon2Cost::default() };
    // It makes all of it or nothing, and writes over nothing.
    let vault = Vault::init(dir, seal, settings, &handles).await?;
    let mut unfinished = Unfinished { made: home::parts(dir).into_iter().chain(key_file).collect() };
    if let NewSeal::Outside { way, .. } = seal {
        unfinished.made.push(SealWay::path(dir));
        SealWay::write(dir, &[way])?;
    }
    let database = Catalog::path(dir);
    unfinished.made.extend(["-wal", "-shm"].map(|end| {
        let mut name = database.clone().into_os_string();
        name.push(end);
        name.into()
    }));
    let catalog = catalog::Client::from(Catalog::create(dir).await?);
    let key = vault.recipients().first().map(RecoveryRecipient::fingerprint).unwrap_or_default();
    let waits = match &given.catalog {
        Some(server) => {
            let path = catalog_server::authority_path(dir);
            unfinished.made.push(path.clone());
            let authority = Authority::new(vault.id(), vault.authority_key()?, CERTIFICATE_TTL);
            let certificate = certificate_pem(&authority.certificate(handles.clock.now())?);
            files::write_private(&path, certificate.as_bytes())?;
            Some(Waits::for_server(path, server.admission(vault.id())?))
        }
        None => None,
    };
    let vault = OpenVault::here(dir, vault, &handles)?;
    for (which, given) in [(WhichStore::Objects, &given.objects), (WhichStore::Keys, &given.keys)] {
        let Some(GivenStore { url, options, .. }) = given else { continue };
        if let Some(credentials) = &options.credentials {
            let way = Way::of_cell(&init.region, which);
            store_access::keep(&vault.client, &catalog, &*handles.clock, &way, (url, credentials)).await?;
        }
    }
    Ok(Begun { vault, key, catalog, waits, handles, unfinished })
}

async fn again(
    home: &Home,
    init: &Init,
    dir: &Path,
    seal: &NewSeal,
    [recovery, tried, read]: [RecoveryKey; 3],
    output: &Output,
) -> anyhow::Result<u8> {
    let given = Given::new(init, dir)?;
    let (Some(objects), Some(keys)) = (&given.objects, &given.keys) else {
        return Err(
            FlowError::Input("say where the stores are: --from-store and --keys-store".to_owned()).into()
        );
    };
    let stores = Stores { objects: objects.open()?, keys: keys.open()? };
    // What does not fit is told before anything is made.
    let no_cell =
        Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit: Arc::new(Unrecorded) };
    flows::recover::opens(&stores, tried, &no_cell).await?;
    flows::set_up_again::check_region(&stores, &init.region).await?;
    objects.try_out(&stores.objects, &SystemRng).await?;
    keys.try_out(&stores.keys, &SystemRng).await?;

    let known = RecoverySetting::Known(recovery.recipient().clone());
    let Begun { vault, catalog, waits, handles, unfinished, .. } =
        begin(home, init, dir, seal, known, &given).await?;
    catalog.add_tenant(&home.tenant, handles.clock.now()).await?;
    let (dir, file) = (dir.to_path_buf(), given.cell_file(init));
    let operator = vault.client.sign_in(OperatorKey::read(&dir)?).await?;
    let (client, own) = (vault.client.clone(), handles.clone());
    let unlocked =
        Unlocked { dir, file: file.clone(), handles: own, vault: client, operator: operator.into(), catalog };
    let cell = unlocked.with(stores);
    let work = Box::pin(flows::set_up_again::set_up_again(&cell, &recovery, &handles, read));
    let done = output.while_busy("setting the cell up again", work).await?;
    // INVARIANT (whole or none): only from here on is it a cell that commands open.
    file.write(&cell.dir)?;
    unfinished.finish();
    home.use_trail(&cell.dir, vault, &handles);
    home.trail_is_published_in(&cell.stores.objects);
    output.result(&Made { made: &done, catalog: waits.as_ref() }, || {
        let mut text = String::new();
        for (name, snapshot) in &done.connections {
            text += &format!("{name}: up to snapshot {snapshot}\n");
        }
        text + &format!(
            "The cell in {} runs again; {} entries of the id ledger came back.\n\
             Give each store its credential again: `caretaker connect …` with the connection's name.\n{}",
            cell.dir.display(),
            done.ledger,
            told(waits.as_ref()),
        )
    })?;
    Ok(exit::DONE)
}
