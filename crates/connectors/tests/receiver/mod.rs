//! Somebody who is told of events, over HTTPS, with a certificate of an authority of its own.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

/// A message: headers with names in small letters, and the body as it came.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The same with another value of a header, or without it.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        let before = self.headers.len();
        self.headers.retain(|(own, _)| own != name);
        assert_eq!(self.headers.len() + 1, before, "{name} was there");
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(own, _)| own == name).unwrap().1
    }
}

/// A receiver, its authority, and what it heard.
pub(crate) struct Receiver {
    /// Ends with a slash: one path below it for each connection.
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    heard: Mutex<Vec<Message>>,
    /// So many messages are heard and not answered well.
    refuses: AtomicUsize,
}

impl Receiver {
    pub(crate) async fn start() -> Arc<Self> {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let ca_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let mut leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        leaf.distinguished_name.push(rcgen::DnType::CommonName, "receiver");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/told/", listener.local_addr().unwrap().port());
        let this = Arc::new(Self { url, ca_pem, heard: Mutex::default(), refuses: AtomicUsize::new(0) });
        let receiver = Arc::clone(&this);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, receiver) = (acceptor.clone(), Arc::clone(&receiver));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut bytes = Vec::new();
                    while read(&bytes).is_none() {
                        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
                            return;
                        }
                    }
                    receiver.heard.lock().unwrap().extend(read(&bytes));
                    let left = receiver.refuses.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
                    let status = if left.is_ok() { "502 Bad Gateway" } else { "200 OK" };
                    let answer =
                        format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                });
            }
        });
        this
    }

    /// The next messages are not answered well, and so come again.
    pub(crate) fn refuse(&self, messages: usize) {
        self.refuses.store(messages, SeqCst);
    }

    /// The messages that are meant, once so many of them came.
    pub(crate) async fn heard(&self, count: usize, is_it: impl Fn(&Message) -> bool) -> Vec<Message> {
        for _ in 0..1_000 {
            let heard: Vec<Message> =
                self.heard.lock().unwrap().iter().filter(|message| is_it(message)).cloned().collect();
            if heard.len() >= count {
                return heard;
            }
            #[expect(clippy::disallowed_methods, reason = "real connections do the work")]
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("nothing more was heard than {:?}", self.heard.lock().unwrap());
    }
}

/// A whole request, where it is whole.
fn read(bytes: &[u8]) -> Option<Message> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse::<usize>().unwrap();
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Message { headers, body })
}
