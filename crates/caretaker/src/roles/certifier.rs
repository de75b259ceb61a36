//! The certifier's process: it gets certificates for the public endpoint from an authority, and hands them on as files. It speaks to
//! nobody of the cell: taken over, it has the public endpoint's key, and nothing else.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use domain::Role;
use futures::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::child::{Job, Serving, Superior};
use super::worker::DNS;
use crate::public::{self, Acme, Orders, PublicUrl};
use crate::walls::{Own, Walls};
use crate::{cell_trail, home};

/// The longest file with authorities, in bytes.
const CA_LEN_MAX: u64 = 1 << 20;

/// For which name which authority is to be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToCertify {
    pub(super) dir: PathBuf,
    pub(super) url: PublicUrl,
    pub(super) acme: Acme,
    pub(super) walls: bool,
}

/// Gets certificates.
pub(crate) struct Certifies;

impl Job for Certifies {
    type Begin = ToCertify;
    const NAME: &'static CStr = c"caretaker-certs";
    const WORD: &'static str = "certify";

    fn walls(ToCertify { dir, acme, .. }: &ToCertify) -> anyhow::Result<Option<Walls>> {
        let mut own = cell_trail::own(dir, cell_trail::CERTIFIER)?;
        own.push(Own::made(&public::folder(dir))?);
        own.extend(Own::to_find_others());
        let port = acme.directory.port_or_known_default().context("the authority's address has no port")?;
        Ok(Some(Walls { own, ports: vec![port, DNS], ..Walls::default() }))
    }

    fn has_walls(begin: &ToCertify) -> bool {
        begin.walls
    }

    async fn begin(
        ToCertify { dir, url, acme, .. }: ToCertify,
        ca: Option<OwnedFd>,
        _: Arc<Superior>,
    ) -> anyhow::Result<Serving> {
        let handles = home::handles_as(cell_trail::CERTIFIER, &dir)?;
        let ca_pem = ca.map(|ca| {
            let mut text = Vec::new();
            File::from(ca).take(CA_LEN_MAX).read_to_end(&mut text).map(|_| text)
        });
        let ca_pem = ca_pem.transpose()?;
        let folder = public::folder(&dir);
        let orders = Orders { url, acme, ca_pem, folder, handles: handles.clone() };
        let beside = async move {
            let Err(error) = public::keep_ordering(orders).await;
            tracing::warn!("no certificates are asked for any more: {error:#}");
        };
        Ok(Serving {
            role: Role::Certifier,
            // Nobody connects to it.
            endpoint: None,
            handles,
            beside: beside.boxed(),
            last: std::future::ready(()).boxed(),
            enrols: None,
            lends: None,
            hears: None,
        })
    }
}
