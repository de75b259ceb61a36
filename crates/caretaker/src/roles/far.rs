//! How those are reached who run on other hosts, and how they come in: over TCP. What goes over it is theirs: both ends prove
//! who they are to each other, and nobody in between can tell what they say.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::{Clock, Role};
use futures::future::{Either, select};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// So long another host may take to answer that it is there.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// So many are let in within [`PACE`]: whoever proves nothing is put on record, and nobody may fill that.
const ACCEPTS_MAX: u32 = 64;
const PACE: Duration = Duration::from_secs(1);
/// A connection over which nothing goes is tried so often, so that one whose other end is gone ends.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Where the processes of a cell are found by their roles.
pub(crate) type Places = BTreeMap<Role, SocketAddr>;

/// That somebody listens. It ends with this.
pub(super) struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn ready(stream: TcpStream) -> io::Result<OwnedFd> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE)?;
    Ok(stream.into_std()?.into())
}

/// Connects to whoever is found there.
pub(super) async fn dial(address: SocketAddr, clock: &dyn Clock) -> io::Result<OwnedFd> {
    let connected = match select(pin!(TcpStream::connect(address)), clock.sleep(CONNECT_MAX)).await {
        Either::Left((connected, _)) => connected,
        Either::Right(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{address} cannot be reached: {error}"));
    ready(connected.map_err(named)?)
}

/// Hands over whoever connects there.
pub(super) async fn listen<F>(
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    hand: impl Fn(OwnedFd) -> F + Send + Sync + 'static,
) -> anyhow::Result<Listening>
where
    F: Future<Output = io::Result<()>> + Send,
{
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("nobody can be heard at {address}"))?;
    let accepting = async move {
        let (mut since, mut accepted) = (clock.monotonic(), 0);
        loop {
            if accepted >= ACCEPTS_MAX {
                clock.sleep((since + PACE).saturating_sub(clock.monotonic())).await;
            }
            if clock.monotonic() >= since + PACE {
                (since, accepted) = (clock.monotonic(), 0);
            }
            let handed = match listener.accept().await {
                Ok((stream, _)) => {
                    accepted += 1;
                    match ready(stream) {
                        Ok(socket) => hand(socket).await,
                        // It was gone at once.
                        Err(_) => Ok(()),
                    }
                }
                Err(error) => Err(error),
            };
            if let Err(error) = handed {
                // No descriptor is free, say: those who wait may be luckier in a moment.
                tracing::warn!("a connection from another host could not be taken: {error}");
                clock.sleep(Duration::from_millis(100)).await;
            }
        }
    };
    Ok(Listening(tokio::spawn(accepting)))
}
