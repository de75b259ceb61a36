//! A worker's process: it alone reads and writes the stores of one platform, and what is kept of them.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use connectors::registry;
use domain::{Platform, Role};
use flows::store_access::WhichStore;
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::child::{Job, Serving, Superior};
use super::host::Placed;
use super::member::Member;
use crate::home::CellFile;
use crate::walls::{Own, Walls};
use crate::works::{self, Bench, Comings, Ears, Lent};
use crate::{home, stores};

/// With whose stores of which cell is to be worked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToWork {
    pub(super) dir: PathBuf,
    pub(super) platform: Platform,
    pub(super) cell: CellFile,
    /// The ports at which stores are spoken to.
    pub(super) ports: Vec<u16>,
    /// That the vault is on another host.
    pub(super) far: bool,
    /// That it does by itself what is due.
    pub(super) by_itself: bool,
    pub(super) walls: bool,
}

/// The port of HTTPS, at which platforms are spoken to.
pub(super) const HTTPS: u16 = 443;
/// The port at which names are looked up.
pub(super) const DNS: u16 = 53;

/// Works.
pub(crate) struct Works;

/// Every platform that there are workers for: those that are spoken to, and files.
pub(super) fn platforms() -> anyhow::Result<Vec<Platform>> {
    Ok(registry::names().map(Platform::new).collect::<Result<_, _>>()?)
}

impl ToWork {
    fn role(&self) -> Role {
        Role::Worker(self.platform.clone())
    }

    fn placed(&self) -> anyhow::Result<Placed> {
        Placed::of(&self.role(), self.far, &self.dir)
    }

    fn urls(&self) -> [(WhichStore, String); 2] {
        [WhichStore::Objects, WhichStore::Keys].map(|which| (which, self.cell.url(which, &self.dir)))
    }
}

impl Job for Works {
    type Begin = ToWork;
    const NAME: &'static CStr = c"caretaker-work";
    const WORD: &'static str = "work";

    fn walls(begin: &ToWork) -> anyhow::Result<Option<Walls>> {
        let mut own = begin.placed()?.own(&begin.dir)?;
        let mut ports = begin.ports.clone();
        for folder in works::folders(&begin.dir, &begin.platform) {
            own.push(Own::made(&folder)?);
        }
        for (_, url) in begin.urls() {
            // Nobody begins before it is known what there is to keep them to.
            stores::is_there(&url)?;
            match stores::folder(&url) {
                // Below it lies all that there is of the platform.
                Some(folder) => own.push(Own::made(&folder.join("t").join(begin.platform.as_str()))?),
                None => ports.extend(stores::port(&url)),
            }
        }
        if !ports.is_empty() {
            ports.push(DNS);
            own.extend(Own::to_find_others());
        }
        Ok(Some(Walls { own, ports, links: true, ..Walls::default() }))
    }

    fn has_walls(begin: &ToWork) -> bool {
        begin.walls
    }

    async fn begin(begin: ToWork, _: Option<OwnedFd>, superior: Arc<Superior>) -> anyhow::Result<Serving> {
        let placed = begin.placed()?;
        let handles = home::handles_as(&placed.name, &begin.dir)?;
        let proof = placed.proof(&begin.dir)?;
        let member = Arc::new(Member::join_by(proof, superior, Arc::clone(&handles.clock)).await?);
        let brings = placed.brings(&begin.dir, &member, &handles)?;
        let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
        let (role, urls) = (begin.role(), begin.urls());
        let ToWork { dir, platform, cell, ports, by_itself, .. } = begin;
        let bench = Bench::new(works::Inner {
            dir,
            platform,
            region: cell.region,
            urls,
            vault: vault::Client::over(member.channel(Role::Vault), clock, rng),
            catalog: catalog::Client::over(member.channel(Role::Server)),
            handles: handles.clone(),
            lent: Lent::default(),
            comings: Comings::default(),
            ears: Ears::default(),
            ports,
            due: tokio::sync::Notify::new(),
        });
        let endpoint = member.endpoint(works::routes(&bench));
        let brings_last = brings.clone();
        let roster = by_itself.then(|| works::Roster::new(bench.clone()));
        let beside = async move {
            let due = async {
                match roster {
                    Some(roster) => match roster.keep().await {},
                    None => std::future::pending().await,
                }
            };
            let (never, ()) = futures::future::join(brings.all_the_time(), due).await;
            match never {}
        };
        let last = async move { brings_last.last().await };
        let lends: super::child::Lends = Arc::new(move |name, file| bench.lent().put(name, file));
        Ok(Serving {
            role,
            endpoint: Some(endpoint),
            handles,
            beside: beside.boxed(),
            last: last.boxed(),
            enrols: None,
            lends: Some(lends),
            hears: None,
        })
    }
}
