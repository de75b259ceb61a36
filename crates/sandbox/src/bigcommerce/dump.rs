//! The whole state as one value, for tests that compare two stores.

use serde_json::{Map, Value as Json};

use super::store::{App, Store};

pub(crate) fn dump(store: &Store) -> Json {
    let kinds = store.kinds().filter(|(kind, _)| store.count(kind) > 0).map(|(kind, _)| {
        let rows: Map<String, Json> = store
            .rows(kind)
            .map(|(key, row)| {
                let mut fields = row.fields.clone();
                if let Some(parent) = &row.parent {
                    fields.insert("_parent".to_owned(), parent.json());
                }
                if row.app == App::Other {
                    fields.insert("_app".to_owned(), Json::from("other"));
                }
                for (name, value) in &row.hidden {
                    fields.insert(format!("_{name}"), value.clone());
                }
                (key.to_string(), Json::Object(fields))
            })
            .collect();
        (kind.to_owned(), Json::Object(rows))
    });
    let mut kinds: Map<String, Json> = kinds.collect();
    let files: Map<String, Json> = store
        .files
        .iter()
        .filter(|(path, _)| path.starts_with(super::families::images::ORIGINALS))
        .map(|(path, file)| (path.clone(), Json::from(crate::secret::sha256_hex(&file.bytes()))))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_iter()
        .collect();
    kinds.insert("file".to_owned(), Json::Object(files));
    Json::Object(kinds)
}
