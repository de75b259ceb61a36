//! From columns to the workspace's nouns and back. What does not parse is damage.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CatalogError;
use crate::session::{Column, Row};

/// A column as the database has it.
pub(crate) fn plain<'r, T: Column<'r>>(row: &'r Row, column: &str) -> Result<T, CatalogError> {
    row.get(column)
        .map_err(|source| CatalogError::Damaged { what: format!("column `{column}`"), source: Some(source) })
}

/// A text column as a name, an id or a time.
pub(crate) fn parsed<T: FromStr>(row: &Row, column: &str) -> Result<T, CatalogError> {
    plain::<&str>(row, column)?.parse().map_err(|_| CatalogError::damaged(format!("column `{column}`")))
}

/// The same, where the column may be empty.
pub(crate) fn parsed_optional<T: FromStr>(row: &Row, column: &str) -> Result<Option<T>, CatalogError> {
    plain::<Option<&str>>(row, column)?
        .map(|text| text.parse().map_err(|_| CatalogError::damaged(format!("column `{column}`"))))
        .transpose()
}

/// A count, which the database keeps as a signed number.
pub(crate) fn count(row: &Row, column: &str) -> Result<u64, CatalogError> {
    u64::try_from(plain::<i64>(row, column)?).map_err(|_| CatalogError::damaged(format!("column `{column}`")))
}

/// A count on its way into the database.
pub(crate) fn stored(count: u64, what: &'static str) -> Result<i64, CatalogError> {
    i64::try_from(count).map_err(|_| CatalogError::OutOfRange(what))
}

/// A column that holds JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, CatalogError> {
    serde_json::from_str(plain(row, column)?).map_err(|_| CatalogError::damaged(format!("column `{column}`")))
}

/// A value as JSON on its way into the database.
pub(crate) fn to_json<T: Serialize>(value: &T, what: &'static str) -> Result<String, CatalogError> {
    serde_json::to_string(value).map_err(|_| CatalogError::OutOfRange(what))
}

/// A set of states, each with its name in the database.
macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$state_doc:meta])* $state:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$state_doc])* $state,)* }

        impl $name {
            /// The state's name in the database and in JSON output.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$state => $text,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                match text { $($text => Ok(Self::$state),)* _ => Err(()) }
            }
        }
    };
}
pub(crate) use states;
