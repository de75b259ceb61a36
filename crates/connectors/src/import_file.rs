//! Files in the form that a platform's own import takes, made from stored items: so that what was kept can go back
//! without us.

use std::collections::BTreeMap;

use serde_json::Value;

/// One such file: a row of a platform's table. It is CSV, as every platform's import is.
#[derive(Debug)]
pub struct ImportFile {
    /// The file's name.
    pub name: &'static str,
    /// The kind of the items that it is made of.
    pub kind: &'static str,
    /// The columns' names, in order.
    pub columns: fn() -> Vec<&'static str>,
    /// Other items that an item's rows are made of too: kind and id.
    pub needs: fn(&Value) -> Vec<(&'static str, String)>,
    /// An item's rows, as wide as the columns. Pure. The map has what was needed and is there, by id.
    pub rows: fn(&Value, &BTreeMap<String, Value>) -> Vec<Vec<String>>,
}
