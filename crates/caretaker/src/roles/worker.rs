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

use super::brings::Brings;
use super::child::{Job, Serving, Superior};
use super::host::{self, HostFile};
use super::member::{Member, Proof};
use crate::home::CellFile;
use crate::walls::{Own, Walls};
use crate::works::{self, Bench, Comings, Lent};
use crate::{cell_trail, home, stores};

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

/// The name that events of a worker have. On a host of its own it has more.
pub(super) fn source(platform: &Platform) -> String {
    format!("worker-{platform}")
}

impl ToWork {
    fn role(&self) -> Role {
        Role::Worker(self.platform.clone())
    }

    /// The host on which it is, where that is not the vault's.
    fn host(&self) -> anyhow::Result<Option<HostFile>> {
        self.far.then(|| HostFile::read(&self.dir)).transpose()
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
        let host = begin.host()?;
        let name = host.as_ref().map_or_else(|| source(&begin.platform), |host| host.source().to_owned());
        let mut own = cell_trail::own(&begin.dir, &name)?;
        if host.is_some() {
            own.push(Own { path: host::own(&begin.dir), writes: false });
        }
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
        let (name, proof, far) = match begin.host()? {
            Some(host) => (host.source().to_owned(), Proof::Host(host.proof(&begin.dir)?), true),
            None => (source(&begin.platform), Proof::Parent, false),
        };
        let handles = home::handles_as(&name, &begin.dir)?;
        let member = Member::join_by(proof, superior, Arc::clone(&handles.clock)).await?;
        let (clock, rng) = (Arc::clone(&handles.clock), Arc::clone(&handles.rng));
        let (role, urls) = (begin.role(), begin.urls());
        let ToWork { dir, platform, cell, .. } = begin;
        let brings = match far {
            true => Some(Brings::new(&dir, &name, member.channel(Role::Monitor), &handles)?),
            false => None,
        };
        let brings_last = brings.clone();
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
        });
        let endpoint = member.endpoint(works::routes(&bench));
        let member = Arc::new(member);
        // What is recorded last is brought while this process has a certificate.
        let stays = Arc::clone(&member);
        let beside = async move {
            let _member = member;
            match brings {
                Some(brings) => match brings.all_the_time().await {},
                None => std::future::pending().await,
            }
        };
        let last = async move {
            let _member = stays;
            if let Some(brings) = brings_last {
                brings.last().await;
            }
        };
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
