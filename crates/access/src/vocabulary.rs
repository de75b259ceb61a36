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
    "Roster",
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

/// Somebody or something, of a type that stands in [`TYPES`]. Of no other type is there anything, and what cannot be said is
/// not decided.
pub(crate) fn uid(of: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(NAMES.get(of)?.clone(), EntityId::new(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_list_has_a_name_that_can_be_read() {
        for text in TYPES {
            assert_eq!(uid(text, "1").unwrap().type_name().to_string(), *text);
        }
    }
}
