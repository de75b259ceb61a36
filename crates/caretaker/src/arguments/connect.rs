//! The words of `connect`: what each platform is told of a store.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::{ConnectionId, Region};

use crate::names::Tag;

#[derive(Debug, Subcommand)]
pub(crate) enum Connect {
    /// Connect a Shopify store: it is looked at, and only then is its credential kept, sealed
    Shopify(ConnectShopify),
    /// Connect a BigCommerce store: it is looked at, and only then is its credential kept, sealed
    Bigcommerce(ConnectBigcommerce),
    /// Make a connection that takes its records from files
    Jsonl {
        /// The connection's name
        name: ConnectionId,
        /// A word by which connections are taken together (`backup --tag`); may be repeated
        #[arg(long)]
        tag: Vec<Tag>,
        /// Where its data must stay: the cell's region, which a script can make sure of
        #[arg(long, value_name = "REGION")]
        region: Option<Region>,
    },
}

impl Connect {
    /// What the connection is called.
    pub(crate) fn name(&self) -> &ConnectionId {
        match self {
            Self::Shopify(words) => &words.name,
            Self::Bigcommerce(words) => &words.name,
            Self::Jsonl { name, .. } => name,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ConnectShopify {
    /// The connection's name; on one that exists, a new credential is given
    pub(crate) name: ConnectionId,
    /// The store's address, such as https://example.myshopify.com
    #[arg(long)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) store: ConnectStore,
    /// The app's client id; with --client-secret-file
    #[arg(long, value_name = "ID", requires = "client_secret_file")]
    pub(crate) client_id: Option<String>,
    /// The file that holds the app's client secret. With --token-file alone, it is what Shopify's word is known by (`webhook on`)
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// The file that holds an access token: one that does not end, or with --refresh-token-file one that does
    #[arg(long, value_name = "FILE", required_unless_present = "client_id")]
    pub(crate) token_file: Option<PathBuf>,
    /// The file that holds the refresh token of an offline token that ends. It is used up: each renewal gives another,
    /// which is sealed before it is used
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub(crate) refresh_token_file: Option<PathBuf>,
    /// When the token of --token-file ends (RFC 3339). Without it the token is renewed at once
    #[arg(long, value_name = "TIME", requires = "refresh_token_file", requires = "token_file")]
    pub(crate) token_expires_at: Option<domain::Timestamp>,
}

/// What is said of a store of any platform.
#[derive(Debug, Args)]
pub(crate) struct ConnectStore {
    /// A word by which connections are taken together (`backup --tag`); may be repeated
    #[arg(long)]
    pub(crate) tag: Vec<Tag>,
    /// One more authority to trust, in PEM: that of a practice store
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Where its data must stay: the cell's region, which a script can make sure of
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<Region>,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectBigcommerce {
    /// The connection's name; on one that exists, a new credential is given
    pub(crate) name: ConnectionId,
    /// The store's address, the API path of its API account: https://api.bigcommerce.com/stores/HASH
    #[arg(long)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) store: ConnectStore,
    /// The file that holds the API account's access token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: PathBuf,
    /// The file that holds the API account's client secret: with it, what is told must be signed too (`webhook on`)
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,
}
