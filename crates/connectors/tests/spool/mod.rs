//! A spool in memory that remembers everything in its order, and joins it as the flows do.
#![allow(dead_code, reason = "not every suite asks everything")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use connectors::contract::{Item, KindEnd, Line, Progress, Spool, SpoolError, Store};
use domain::{Kind, Removal};
use futures::future::BoxFuture;
use serde_json::Value;

/// What a fetch told, in its order.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Line(Line),
    Removed(String, String),
    Present(String, String),
    Cursor(String, Value),
    End(KindEnd),
}

#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Vec<Told>>);

impl Memory {
    /// A spool that holds what an interrupted run had made durable.
    pub(crate) fn with(told: Vec<Told>) -> Self {
        Self(Mutex::new(told))
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn end(&self, kind: &str) -> KindEnd {
        let told = self.told().into_iter().rev();
        let mut ends = told.filter_map(|told| if let Told::End(end) = told { Some(end) } else { None });
        ends.find(|end| end.kind.as_str() == kind).unwrap_or_else(|| panic!("{kind} has no end"))
    }

    pub(crate) fn removed(&self) -> Vec<(String, String)> {
        self.told()
            .into_iter()
            .filter_map(|told| if let Told::Removed(kind, id) = told { Some((kind, id)) } else { None })
            .collect()
    }

    pub(crate) fn present(&self) -> Vec<(String, String)> {
        self.told()
            .into_iter()
            .filter_map(|told| if let Told::Present(kind, id) = told { Some((kind, id)) } else { None })
            .collect()
    }

    pub(crate) fn lines(&self) -> usize {
        self.told().iter().filter(|told| matches!(told, Told::Line(_))).count()
    }

    /// The items of all lines: later lines win, lines come ordered by part.
    pub(crate) fn items(&self, store: &dyn Store) -> BTreeMap<(String, String), Item> {
        let mut sorted: BTreeMap<(String, String), BTreeMap<String, Line>> = BTreeMap::new();
        for told in self.told() {
            if let Told::Line(line) = told {
                let key = (line.kind.to_string(), line.id.to_string());
                sorted.entry(key).or_default().insert(line.part.to_string(), line);
            }
        }
        let join = |((kind, id), parts): ((String, String), BTreeMap<String, Line>)| {
            let row = store.kinds().iter().find(|row| row.name == kind).unwrap();
            let lines: Vec<Line> = parts.into_values().collect();
            Some(((kind, id.clone()), store.assemble(row, &id, &lines).unwrap()?))
        };
        sorted.into_iter().filter_map(join).collect()
    }

    fn tell(&self, told: Told) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.0.lock().unwrap().push(told);
        Box::pin(async { Ok(()) })
    }
}

impl Spool for Memory {
    fn put(&self, line: Line) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.tell(Told::Line(line))
    }

    fn removed(&self, kind: Kind, id: Box<str>, _: Removal) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.tell(Told::Removed(kind.to_string(), id.into()))
    }

    fn present(&self, kind: Kind, id: Box<str>) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.tell(Told::Present(kind.to_string(), id.into()))
    }

    fn page_end(&self, kind: Kind, cursor: Value) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.tell(Told::Cursor(kind.to_string(), cursor))
    }

    fn restart(&self, kind: Kind) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.0.lock().unwrap().retain(|told| match told {
            Told::Line(line) => line.kind != kind,
            Told::Cursor(of, _) | Told::Removed(of, _) | Told::Present(of, _) => of != kind.as_str(),
            Told::End(_) => true,
        });
        Box::pin(async { Ok(()) })
    }

    fn kind_end(&self, end: KindEnd) -> BoxFuture<'_, Result<(), SpoolError>> {
        self.tell(Told::End(end))
    }

    fn progress(&self, _: Progress<'_>) {}
}
