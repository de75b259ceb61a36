//! The words of the schema that this crate itself says.

use std::collections::HashMap;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};

/// Every type that is ever asked about. The schema has these and no others, which a test holds.
pub(crate) const TYPES: &[&str] = &[
    "Action",
    "Cell",
    "Connection",
    "Credential",
    "DataKey",
    "Group",
    "Person",
    "Policies",
    "Record",
    "Service::Command",
    "Service::Monitor",
    "Service::Server",
    "Service::Worker",
    "StoreCredential",
    "Tenant",
    "Trail",
    "Vault",
];

static NAMES: LazyLock<HashMap<&str, EntityTypeName>> =
    LazyLock::new(|| TYPES.iter().filter_map(|text| Some((*text, text.parse().ok()?))).collect());

/// A type by its name, which stands in [`TYPES`].
#[expect(clippy::expect_used, reason = "a test looks at each of the few names that this crate has")]
pub(crate) fn type_name(text: &str) -> EntityTypeName {
    NAMES.get(text).expect("a name of the list").clone()
}

pub(crate) fn uid(of: &str, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name(of), EntityId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_list_has_a_name_that_can_be_read() {
        for text in TYPES {
            assert_eq!(type_name(text).to_string(), *text);
        }
    }
}
