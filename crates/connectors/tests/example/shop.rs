//! A practice bookshop: it keeps state, and refuses whatever its API does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use domain::{Clock, Timestamp};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// What lets in.
pub(crate) const KEY: &str = "key-of-the-shop";
pub(crate) const SCOPES: [&str; 4] = ["read_authors", "write_authors", "read_books", "write_books"];
/// Items on a page, and ids.
const PAGE: usize = 2;
const IDS: usize = 5;

/// What goes wrong: `KIND[:LIST]@N[+]`, at the N-th request, or from there on; of one list, or of all.
struct Fault {
    kind: String,
    list: Option<String>,
    at: u64,
    lasts: bool,
    seen: u64,
}

impl Fault {
    fn read(spec: &str) -> Self {
        let (what, at) = spec.split_once('@').unwrap();
        let (kind, list) = what.split_once(':').map_or((what, None), |(kind, list)| (kind, Some(list)));
        assert!(["429", "503", "cut", "lost"].contains(&kind), "{spec}");
        let (at, lasts) = at.strip_suffix('+').map_or((at, false), |at| (at, true));
        let (kind, list) = (kind.to_owned(), list.map(str::to_owned));
        Self { kind, list, at: at.parse().unwrap(), lasts, seen: 0 }
    }

    fn hits(&mut self, path: &str) -> Option<String> {
        if self.list.as_ref().is_some_and(|list| path != format!("/v1/{list}")) {
            return None;
        }
        self.seen += 1;
        let hits = if self.lasts { self.seen >= self.at } else { self.seen == self.at };
        hits.then(|| self.kind.clone())
    }
}

struct State {
    lists: BTreeMap<&'static str, BTreeMap<u64, Map<String, Value>>>,
    /// The last number that was given out: none is ever given out again.
    last: u64,
    scopes: BTreeSet<String>,
    fault: Option<Fault>,
    received: u64,
}

/// A shop that is open. It closes when this is dropped.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// A request, as it came.
struct Asked<'a> {
    method: &'a str,
    url: Url,
    key: Option<&'a str>,
    body: Value,
}

type Answer = (u16, Value);

fn refusal(status: u16, why: &str) -> Answer {
    (status, json!({ "why": why }))
}

/// Opens a shop, with some authors and books or none.
pub(crate) async fn start(filled: bool, clock: Arc<dyn Clock>) -> Running {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let mut state = State {
        lists: BTreeMap::from([("authors", BTreeMap::new()), ("books", BTreeMap::new())]),
        last: 0,
        scopes: SCOPES.map(str::to_owned).into(),
        fault: None,
        received: 0,
    };
    let (authors, books) = if filled { (vec!["Ada", "Ben", "Cleo"], 9) } else { (Vec::new(), 0) };
    // Numbers begin elsewhere in each shop: what is put into another has others there.
    state.last = if filled { 0 } else { 100 };
    for name in authors {
        state.put("authors", None, &json!({ "name": name }), clock.now()).unwrap();
    }
    for number in 1..=books {
        let book = json!({"title": format!("Book {number}"), "blurb": format!("All of {number}.\n\"Good\" 📚"),
            "author_id": 1 + number % 3});
        state.put("books", None, &book, clock.now()).unwrap();
    }
    let (state, of_clock) = (Arc::new(Mutex::new(state)), Arc::clone(&clock));
    let kept = Arc::clone(&state);
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, state, clock) = (acceptor.clone(), Arc::clone(&state), Arc::clone(&of_clock));
            // A client that goes away is no event here.
            tokio::spawn(async move { drop(one(acceptor, socket, &state, clock.as_ref()).await) });
        }
    });
    Running { url, ca_pem: certificate.pem(), clock, state: kept, task }
}

/// One connection is one request.
async fn one(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    state: &Mutex<State>,
    clock: &dyn Clock,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(acceptor.accept(socket).await?);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8(head).unwrap();
    let header = |wanted: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim()))
    };
    let mut body = vec![0; header("content-length").map_or(0, |len| len.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let url = Url::parse(&format!("https://shop{target}")).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (fault, (status, told)) = {
        let mut state = state.lock().unwrap();
        state.received += 1;
        let fault = state.fault.as_mut().and_then(|fault| fault.hits(url.path()));
        let asked = Asked { method, url, key: header("x-key"), body };
        let answer = match fault.as_deref() {
            Some(status @ ("429" | "503")) => refusal(status.parse().unwrap(), "come back later"),
            Some("cut") => refusal(503, "this never arrives whole"),
            _ => state.answer(&asked, clock.now()),
        };
        (fault, answer)
    };
    let body = told.to_string();
    let head = format!("HTTP/1.1 {status} .\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    match fault.as_deref() {
        Some("lost") => return Ok(()),
        Some("cut") => stream.write_all(&[head.as_bytes(), &body.as_bytes()[..4]].concat()).await?,
        _ => stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?,
    }
    stream.shutdown().await
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>, now: Timestamp) -> Answer {
        if asked.key != Some(KEY) {
            return refusal(401, "who are you?");
        }
        let steps: Vec<&str> = asked.url.path().split('/').skip(2).collect();
        let (list, rest) = match (asked.method, &*steps) {
            ("GET", ["shop"]) => {
                let shop =
                    json!({"id": "shop-7", "name": "The bookshop", "scopes": self.scopes, "time": now});
                return (200, shop);
            }
            (_, ["authors", rest @ ..]) => ("authors", rest),
            (_, ["books", rest @ ..]) => ("books", rest),
            _ => return refusal(404, "there is no such list"),
        };
        let scope = format!("{}_{list}", if asked.method == "GET" { "read" } else { "write" });
        if !self.scopes.contains(&scope) {
            return refusal(403, &scope);
        }
        let number = rest.first().and_then(|number| number.parse().ok()).unwrap_or_default();
        match (asked.method, rest) {
            ("GET", []) => self.list(list, &asked.url, now),
            ("GET", ["ids"]) => self.ids(list, &asked.url),
            ("POST", []) => self.put(list, None, &asked.body, now).unwrap_or_else(|why| refusal(422, &why)),
            _ if !self.lists[list].contains_key(&number) => refusal(404, "it is not there"),
            ("GET", [_]) => (200, shown(&self.lists[list][&number])),
            ("GET", [_, "blurb"]) if list == "books" => (200, self.lists[list][&number]["blurb"].clone()),
            ("PUT", [_]) => {
                self.put(list, Some(number), &asked.body, now).unwrap_or_else(|why| refusal(422, &why))
            }
            ("DELETE", [_]) => {
                self.lists.get_mut(list).unwrap().remove(&number);
                (200, Value::Null)
            }
            _ => refusal(405, "that cannot be done"),
        }
    }

    fn list(&self, list: &str, url: &Url, now: Timestamp) -> Answer {
        let (mut after, mut since, mut named) = (0, Timestamp::MIN, None);
        for (name, value) in url.query_pairs() {
            match (&*name, value.parse::<u64>(), value.parse::<Timestamp>()) {
                ("after", Ok(number), _) => after = number,
                ("changed_since", _, Ok(at)) if list == "books" && at <= now => since = at,
                ("name", ..) if list == "authors" => named = Some(value.into_owned()),
                ("title", ..) if list == "books" => named = Some(value.into_owned()),
                _ => return refusal(400, &name),
            }
        }
        let is_meant = |(number, item): &(&u64, &Map<String, Value>)| {
            let key = item.get("name").or(item.get("title")).unwrap();
            let changed: Timestamp = item["updated_at"].as_str().unwrap().parse().unwrap();
            **number > after && changed >= since && named.as_ref().is_none_or(|named| key == named)
        };
        let meant = self.lists[list].iter().filter(is_meant);
        page(&meant.map(|(_, item)| shown(item)).collect::<Vec<_>>(), PAGE)
    }

    fn ids(&self, list: &str, url: &Url) -> Answer {
        let (name, value) = url.query_pairs().next().unwrap_or_default();
        let (true, Ok(after)) = (name == "after", value.parse::<u64>()) else { return refusal(400, &name) };
        let numbers = self.lists[list].keys().filter(|number| **number > after);
        page(&numbers.map(|number| json!({ "id": number })).collect::<Vec<_>>(), IDS)
    }

    /// Makes one, or changes it. A field that the list does not have is refused.
    fn put(
        &mut self,
        list: &str,
        number: Option<u64>,
        body: &Value,
        now: Timestamp,
    ) -> Result<Answer, String> {
        let fields: &[&str] = if list == "authors" { &["name"] } else { &["title", "blurb", "author_id"] };
        let body = body.as_object().ok_or("that is no object")?;
        let (status, number) = number.map_or((201, self.last + 1), |number| (200, number));
        let mut item = self.lists[list].get(&number).cloned().unwrap_or_default();
        for (name, value) in body {
            let fits = match name.as_str() {
                "author_id" => value.as_u64().is_some_and(|id| self.lists["authors"].contains_key(&id)),
                _ => value.is_string(),
            };
            if !fields.contains(&name.as_str()) || !fits {
                return Err(format!("`{name}` cannot be {value}"));
            }
            item.insert(name.clone(), value.clone());
        }
        if let Some(lacks) = fields.iter().find(|name| !item.contains_key(**name)) {
            return Err(format!("`{lacks}` is missing"));
        }
        item.insert("id".to_owned(), number.into());
        item.insert("updated_at".to_owned(), now.to_string().into());
        self.last = self.last.max(number);
        let answer = (status, shown(&item));
        self.lists.get_mut(list).unwrap().insert(number, item);
        Ok(answer)
    }
}

/// An item as lists have it: without its long text.
fn shown(item: &Map<String, Value>) -> Value {
    item.iter()
        .filter(|(name, _)| *name != "blurb")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn page(items: &[Value], most: usize) -> Answer {
    (200, json!({ "items": &items[..items.len().min(most)], "more": items.len() > most }))
}

impl Running {
    pub(crate) fn set_faults(&self, spec: &str) {
        self.state.lock().unwrap().fault = (!spec.is_empty()).then(|| Fault::read(spec));
    }

    pub(crate) fn set_scopes(&self, scopes: &[&str]) {
        self.state.lock().unwrap().scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    }

    /// Requests that came.
    pub(crate) fn received(&self) -> u64 {
        self.state.lock().unwrap().received
    }

    /// What the owner does.
    pub(crate) fn change(&self, list: &str, number: u64, fields: &Value) {
        self.state.lock().unwrap().put(list, Some(number), fields, self.clock.now()).unwrap();
    }

    pub(crate) fn remove(&self, list: &str, number: u64) {
        assert!(self.state.lock().unwrap().lists.get_mut(list).unwrap().remove(&number).is_some());
    }

    /// Nobody listens any more once this ends.
    pub(crate) async fn close(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err_and(|ended| ended.is_cancelled()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
