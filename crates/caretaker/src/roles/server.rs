//! The server's process: it alone has the cell's catalog.

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
use crate::walls::{Own, Walls};
use crate::{cell_trail, home};

/// Which cell is to be served.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToServe {
    pub(super) dir: PathBuf,
    /// The cell's region.
    pub(super) region: Region,
    pub(super) walls: bool,
}

/// Answers from the catalog.
pub(crate) struct Serves;

impl Job for Serves {
    type Begin = ToServe;
    const NAME: &'static CStr = c"caretaker-serve";
    const WORD: &'static str = "serve";

    fn walls(ToServe { dir, .. }: &ToServe) -> anyhow::Result<Option<Walls>> {
        let catalog = Catalog::folder(dir);
        if !catalog.is_dir() {
            return Ok(None);
        }
        let mut own = cell_trail::own(dir, cell_trail::SERVER)?;
        own.push(Own::folder(catalog));
        Ok(Some(Walls::around(own)))
    }

    fn has_walls(begin: &ToServe) -> bool {
        begin.walls
    }

    async fn begin(
        ToServe { dir, region, .. }: ToServe,
        _: Option<OwnedFd>,
        superior: Arc<Superior>,
    ) -> anyhow::Result<Serving> {
        let handles = home::handles_as(cell_trail::SERVER, &dir)?;
        // They are read while the vault is waited for.
        let policies = tokio::task::spawn_blocking(move || Guard::built_in(region));
        let catalog = Catalog::open(dir.as_path()).await?;
        let member = Member::join(superior, Arc::clone(&handles.clock)).await?;
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
