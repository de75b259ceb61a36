//! The server's process: it alone has the cell's catalog, or is let in by the server that has it.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use access::Guard;
use catalog::{Catalog, Gate};
use connectors::registry::PLATFORMS;
use domain::{Platform, Region, Role};
use flows::FlowError;
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use trail::room::Level;
use vault::Handles;

use super::child::{Job, Serving, Superior};
use super::host::Placed;
use super::member::Member;
use super::messages::Ask;
use super::worker::DNS;
use crate::catalog_server::CatalogServer;
use crate::public::{Given, Hall, Hears, Hook, Part, Setting};
use crate::walls::{Own, Walls};
use crate::works::Hear;
use crate::{cell_trail, home};

/// Which cell is to be served.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToServe {
    pub(super) dir: PathBuf,
    /// The cell's region.
    pub(super) region: Region,
    /// The server that has the catalog; `None`: it is in DIR/catalog.
    #[serde(default)]
    pub(super) catalog: Option<CatalogServer>,
    /// The public endpoint that it has.
    #[serde(default)]
    pub(super) public: Option<ToPublish>,
    /// That the vault is on another host.
    #[serde(default)]
    pub(super) far: bool,
    pub(super) walls: bool,
}

impl ToServe {
    fn placed(&self) -> anyhow::Result<Placed> {
        Placed::of(&Role::Server, self.far, &self.dir)
    }
}

/// The public endpoint, and who waits for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ToPublish {
    pub(super) given: Given,
    /// Somebody waits to hear whether the certificate fits. Else all that does not need one goes on without.
    pub(super) at_start: bool,
}

/// Answers from the catalog; and whoever asks in public.
pub(crate) struct Serves;

impl Job for Serves {
    type Begin = ToServe;
    const NAME: &'static CStr = c"caretaker-serve";
    const WORD: &'static str = "serve";

    fn walls(begin: &ToServe) -> anyhow::Result<Option<Walls>> {
        let ToServe { dir, catalog, public, .. } = begin;
        let folder = Catalog::folder(dir);
        if catalog.is_none() && !folder.is_dir() {
            return Ok(None);
        }
        let accepts = public.is_some();
        let mut own = begin.placed()?.own(dir)?;
        let Some(server) = catalog else {
            own.push(Own::folder(folder));
            return Ok(Some(Walls { accepts, ..Walls::around(own) }));
        };
        own.extend(Own::to_find_others());
        Ok(Some(Walls { ports: vec![server.address()?.port(), DNS], accepts, ..Walls::around(own) }))
    }

    fn has_walls(begin: &ToServe) -> bool {
        begin.walls
    }

    async fn begin(begin: ToServe, _: Option<OwnedFd>, superior: Arc<Superior>) -> anyhow::Result<Serving> {
        let placed = begin.placed()?;
        let ToServe { dir, region, catalog, public, .. } = begin;
        let handles = home::handles_as(&placed.name, &dir)?;
        let proof = placed.proof(&dir)?;
        // They are read while the vault is waited for.
        let policies = tokio::task::spawn_blocking(move || Guard::built_in(region));
        let join = Member::join_by(proof, Arc::clone(&superior) as _, Arc::clone(&handles.clock));
        let (catalog, member) = match catalog {
            None => (Catalog::open(dir.as_path()).await?, join.await?),
            Some(server) => {
                let member = join.await?;
                (server.open(&dir, member.identities()).await?, member)
            }
        };
        let member = Arc::new(member);
        let brings = placed.brings(&dir, &member, &handles)?;
        let gate = Gate::new(Arc::clone(&handles.audit)).with_policies(Arc::new(policies.await??));
        let endpoint = member.endpoint(catalog::routes(&catalog, gate));
        let running = match public {
            Some(ToPublish { given, at_start }) => {
                let hears = hears(catalog.clone(), &member)?;
                Some(Hall::open(&given, at_start, setting(superior, dir, hears, &handles)).await?)
            }
            None => None,
        };
        let hall = running.as_ref().map(|running| running.hall());
        let brings_last = brings.clone();
        let beside = async move {
            // Whatever becomes of the public endpoint, the cell goes on.
            let public = async {
                if let Some(running) = running {
                    running.run().await;
                }
            };
            let (never, ()) = futures::future::join(brings.all_the_time(), public).await;
            match never {}
        };
        let last = async move {
            if let Some(hall) = hall {
                hall.close().await;
            }
            catalog.close().await;
            brings_last.last().await;
        };
        let last = last.boxed();
        Ok(Serving {
            role: Role::Server,
            endpoint: Some(endpoint),
            handles,
            beside: beside.boxed(),
            last,
            enrols: None,
            lends: None,
            hears: None,
        })
    }
}

/// Hands what was told to the worker of the platform. Whose it is, the address says; whether it is true is the worker's to know.
fn hears(catalog: Catalog, member: &Member) -> anyhow::Result<Hears> {
    let mut workers = BTreeMap::new();
    for platform in PLATFORMS {
        let platform = Platform::new(platform.name)?;
        workers.insert(platform.clone(), member.channel(Role::Worker(platform)));
    }
    let workers = Arc::new(workers);
    Ok(Arc::new(move |hook: Hook| {
        let (catalog, workers) = (catalog.clone(), Arc::clone(&workers));
        async move {
            let Hook { platform, address, headers, body } = hook;
            let known = Platform::new(&platform).ok();
            let Some((platform, worker)) = known.and_then(|platform| workers.get_key_value(&platform)) else {
                return Ok(None);
            };
            let Some(named) = catalog.told_at(platform, &address).await? else { return Ok(None) };
            let heard = worker.call(&Hear::new(named, headers, &body)).await?;
            Ok(Some(heard.map_err(FlowError::Told)?))
        }
        .boxed()
    }))
}

/// What the public endpoint has of this process: whoever has started it opens its parts, and knows who lives.
fn setting(superior: Arc<Superior>, dir: PathBuf, hears: Hears, handles: &Handles) -> Setting {
    let own = Arc::clone(&superior);
    Setting {
        opens: Arc::new(move |part: Part| {
            let own = Arc::clone(&own);
            async move { own.ask(Ask::Public(part)).await }.boxed()
        }),
        lives: Arc::new(move |role: Role| {
            let own = Arc::clone(&superior);
            async move { own.ask(Ask::Lives { role: role.to_string() }).await.is_ok() }.boxed()
        }),
        hears,
        // Where it cannot be told, it is not assumed.
        room: Arc::new(move || cell_trail::room(&dir).map_or(Level::VeryLittle, |room| room.level())),
        audit: Arc::clone(&handles.audit),
        clock: Arc::clone(&handles.clock),
        found: tokio::sync::Mutex::default(),
    }
}
