//! The server's process: it alone has the cell's catalog, or is let in by the server that has it.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use access::Guard;
use catalog::{Catalog, Gate};
use domain::{Region, Role};
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::child::{Job, Serving, Superior};
use super::member::Member;
use super::worker::DNS;
use crate::catalog_server::CatalogServer;
use crate::walls::{Own, Walls};
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
    pub(super) walls: bool,
}

/// Answers from the catalog.
pub(crate) struct Serves;

impl Job for Serves {
    type Begin = ToServe;
    const NAME: &'static CStr = c"caretaker-serve";
    const WORD: &'static str = "serve";

    fn walls(ToServe { dir, catalog, .. }: &ToServe) -> anyhow::Result<Option<Walls>> {
        let folder = Catalog::folder(dir);
        if catalog.is_none() && !folder.is_dir() {
            return Ok(None);
        }
        let mut own = cell_trail::own(dir, cell_trail::SERVER)?;
        let Some(server) = catalog else {
            own.push(Own::folder(folder));
            return Ok(Some(Walls::around(own)));
        };
        own.extend(Own::to_find_others());
        Ok(Some(Walls { own, ports: vec![server.address()?.port(), DNS], links: false }))
    }

    fn has_walls(begin: &ToServe) -> bool {
        begin.walls
    }

    async fn begin(
        ToServe { dir, region, catalog, .. }: ToServe,
        _: Option<OwnedFd>,
        superior: Arc<Superior>,
    ) -> anyhow::Result<Serving> {
        let handles = home::handles_as(cell_trail::SERVER, &dir)?;
        // They are read while the vault is waited for.
        let policies = tokio::task::spawn_blocking(move || Guard::built_in(region));
        let join = Member::join(superior, Arc::clone(&handles.clock));
        let (catalog, member) = match catalog {
            None => (Catalog::open(dir.as_path()).await?, join.await?),
            Some(server) => {
                let member = join.await?;
                (server.open(&dir, member.identities()).await?, member)
            }
        };
        let gate = Gate::new(Arc::clone(&handles.audit)).with_policies(Arc::new(policies.await??));
        let endpoint = member.endpoint(catalog::routes(&catalog, gate));
        let beside = async move {
            let _member = member;
            std::future::pending::<()>().await;
        };
        let last = async move { catalog.close().await }.boxed();
        Ok(Serving {
            role: Role::Server,
            endpoint,
            handles,
            beside: beside.boxed(),
            last,
            enrols: None,
            lends: None,
            hears: None,
        })
    }
}
