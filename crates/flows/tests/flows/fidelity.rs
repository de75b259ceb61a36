//! The page that says, for every kind, which of the platform's own readable fields are kept, which are not and why,
//! what of it does not come back, and what share came back in a measured round trip.
//!
//! `CARETAKER_BLESS=1 cargo test -p flows --test flows fidelity` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use connectors::contract::Restorable;
use connectors::platforms::shopify::{Document, KEPT, KINDS, NOWHERE, documents};

use crate::compare::{Compared, SET_BY_THE_PLATFORM, Share};
use crate::official::schema;
use crate::round_trip::into_an_empty_store;

/// Fields that are selected, by the type that has them.
type Selected = BTreeMap<String, BTreeSet<String>>;

fn collect(set: &SelectionSet, selected: &mut Selected) {
    for selection in &set.selections {
        match selection {
            Selection::Field(field) => {
                selected.entry(set.ty.to_string()).or_default().insert(field.name.to_string());
                collect(&field.selection_set, selected);
            }
            Selection::InlineFragment(fragment) => collect(&fragment.selection_set, selected),
            Selection::FragmentSpread(_) => panic!("no fragments are sent"),
        }
    }
}

fn selected_by(document: Document) -> Selected {
    let parsed = ExecutableDocument::parse_and_validate(schema(), document.text, document.name).unwrap();
    let mut selected = Selected::new();
    parsed.operations.iter().for_each(|operation| collect(&operation.selection_set, &mut selected));
    selected
}

/// Readable fields of a type that are not deprecated, and the interfaces that it has.
fn official(name: &str) -> (Vec<String>, Vec<String>) {
    let (fields, interfaces) = match &schema().types[name] {
        ExtendedType::Object(object) => {
            (&object.fields, object.implements_interfaces.iter().map(ToString::to_string).collect())
        }
        ExtendedType::Interface(interface) => (&interface.fields, Vec::new()),
        other => panic!("`{name}` is no type with fields: {other:?}"),
    };
    let readable = fields.iter().filter(|(_, field)| field.directives.get("deprecated").is_none());
    (readable.map(|(name, _)| name.to_string()).collect(), interfaces)
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let hundredths = part * 10_000 / whole;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

fn kinds(page: &mut String) {
    for spec in KINDS {
        let name = format!("{}_page", spec.name);
        let document = documents().find(|document| document.name == name).unwrap();
        let selected = selected_by(document);
        let _ = writeln!(page, "\n## {}\n", spec.plural);
        match spec.restore {
            Restorable::Yes => {}
            Restorable::UpdateOnly(why) | Restorable::Never(why) => {
                let _ = writeln!(page, "{why}\n");
            }
        }
        let _ = writeln!(page, "| type | readable fields | kept | not kept, and why |\n|---|---|---|---|");
        for kept in KEPT.iter().filter(|kept| selected.contains_key(kept.name)) {
            let (fields, interfaces) = official(kept.name);
            let mut own = selected[kept.name].clone();
            interfaces.iter().filter_map(|one| selected.get(one)).for_each(|more| own.extend(more.clone()));
            let (there, left): (Vec<_>, Vec<_>) = fields.iter().partition(|field| own.contains(*field));
            let why = |field: &&String| {
                let reasons = kept.omitted.iter().chain(NOWHERE).find(|(name, _)| name == field);
                let why = reasons.map_or("Not read with this kind; kept with another.", |(_, why)| why);
                format!("`{field}`: {why}")
            };
            let left = left.iter().map(why).collect::<Vec<_>>().join("<br>");
            let _ = writeln!(page, "| {} | {} | {} | {left} |", kept.name, fields.len(), there.len());
        }
        if !spec.lost.is_empty() {
            let _ = writeln!(page, "\nWhat does not come back:\n");
        }
        for loss in spec.lost {
            let pointer = if loss.pointer.is_empty() { "/" } else { loss.pointer };
            let _ = writeln!(page, "- `{pointer}`: {}", loss.why);
        }
    }
}

fn measured(page: &mut String, compared: &Compared) -> Share {
    let mut all = Share::default();
    let _ = writeln!(page, "| kind | items | fields | identical | share |\n|---|---|---|---|---|");
    for (kind, share) in &compared.shares {
        all = Share {
            items: all.items + share.items,
            fields: all.fields + share.fields,
            same: all.same + share.same,
        };
        row(page, kind, *share);
    }
    row(page, "in all", all);
    all
}

fn row(page: &mut String, name: &str, share: Share) {
    let Share { items, fields, same } = share;
    let _ = writeln!(page, "| {name} | {items} | {fields} | {same} | {} |", percent(same, fields));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fidelity_page_is_what_it_would_be_today() {
    let (_, compared, _) = into_an_empty_store().await;
    let mut page = String::from(
        "# What is kept of a Shopify store, and what comes back\n\n\
         Generated by the tests of `flows` from the connector's tables, Shopify's schema of version 2026-10 and a\n\
         round trip between two practice stores. Do not edit: `CARETAKER_BLESS=1 cargo test -p flows --test flows\n\
         fidelity` writes it anew.\n\n\
         The fields of a type are those that Shopify's schema calls readable and not deprecated. Wherever they\n\
         stand, these are set by Shopify itself and do not come back:\n\n",
    );
    for (field, why) in SET_BY_THE_PLATFORM {
        let _ = writeln!(page, "- `{field}`: {why}");
    }
    kinds(&mut page);
    page.push_str(
        "\n## Measured\n\nA practice store was backed up, restored into an empty one (stock asked for), and that one\n\
         backed up: so many of the single values that are not listed above as lost are the same, once ids are mapped.\n\
         Addresses of files and ids of parts are left out. Orders are never placed in another store, so none is\n\
         compared.\n\n",
    );
    let all = measured(&mut page, &compared);
    assert!(all.same * 100 >= all.fields * 99, "{all:?}: {:#?}", compared.differences);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated/shopify-fidelity.md");
    if std::env::var_os("CARETAKER_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == page,
        "docs/generated/shopify-fidelity.md is out of date; write it anew with \
         `CARETAKER_BLESS=1 cargo test -p flows --test flows fidelity`"
    );
}
