//! Every document that is sent to read a store, derived from the selections once per process.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::reading::{Bulk, BulkText, ITEM_MARK, Listing, READINGS, Reading, Values};
use super::selection::{self, CHILDREN, Entry, Selection};

/// A document by name, for those who check what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// The name: the kind's and what the document is for.
    pub name: &'static str,
    /// The text. Of a bulk operation: the query that the operation runs.
    pub text: &'static str,
}

/// The documents of one kind.
#[derive(Debug)]
pub(crate) struct KindDocuments {
    /// How the kind is read.
    pub(crate) reading: &'static Reading,
    /// What is selected.
    pub(crate) selection: Selection,
    /// Reads one page, or all where there are no pages.
    pub(crate) page: Named,
    /// Counts the items, where the platform does.
    pub(crate) count: Option<Named>,
    /// Reads by ids.
    pub(crate) nodes: Option<Named>,
    /// Reads by one id, below [`ITEM`], where that is how the kind is looked up.
    pub(crate) one: Option<Named>,
    /// Reads the rest of a connection, by the connection's number.
    pub(crate) rests: Vec<Named>,
    /// What bulk operations run, in the order of [`Reading::bulk`].
    pub(crate) bulks: Vec<Named>,
    /// Reads what bulk operations cannot: lists whose elements have connections.
    pub(crate) details: Option<Details>,
}

/// A text with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    name: String,
    /// The text.
    pub(crate) text: String,
}

/// What bulk operations cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Details {
    /// The item's fields that are lists whose elements have connections.
    pub(crate) fields: Vec<String>,
    /// Reads them, by id.
    pub(crate) document: Named,
}

/// Under which name the answer to a look-up by one id holds the item.
pub(crate) const ITEM: &str = "item";

/// Runs a query as a bulk operation.
pub(crate) const BULK_RUN: &str = "mutation bulk_run($query: String!, $groupObjects: Boolean!) { \
    bulkOperationRunQuery(query: $query, groupObjects: $groupObjects) { \
    bulkOperation { id status } userErrors { code field message } } }";

/// How far a bulk operation is.
pub(crate) const BULK_STATE: &str = "query bulk_state($id: ID!) { bulkOperation(id: $id) { \
    id status errorCode objectCount rootObjectCount fileSize url } }";

/// Ends a bulk operation.
pub(crate) const BULK_CANCEL: &str = "mutation bulk_cancel($id: ID!) { bulkOperationCancel(id: $id) { \
    bulkOperation { id status } userErrors { field message } } }";

/// What was deleted.
pub(crate) const DELETED: &str = "query deleted($first: Int!, $after: String, $query: String) { \
    events(first: $first, after: $after, query: $query, sortKey: CREATED_AT) { \
    nodes { __typename id action createdAt ... on BasicEvent { subjectId subjectType } } \
    pageInfo { hasNextPage endCursor } } }";

/// What the token may do.
pub(crate) const SCOPES: &str = "query scopes { currentAppInstallation { accessScopes { handle } } }";

/// Who the store is.
pub(crate) const STORE: &str = "query store { shop { id name myshopifyDomain } }";

/// Which types of metaobjects there are.
pub(crate) const METAOBJECT_TYPES: &str = "query metaobject_types($first: Int!, $after: String) { \
    metaobjectDefinitions(first: $first, after: $after) { nodes { type } pageInfo { hasNextPage endCursor } } }";

/// Which languages the shop has.
pub(crate) const LANGUAGES: &str = "query languages { shopLocales { locale primary } }";

/// What the app is told of, and where.
pub(crate) const SUBSCRIPTIONS: &str = "query subscriptions($first: Int!, $after: String) { \
    webhookSubscriptions(first: $first, after: $after) { \
    nodes { id topic uri format filter includeFields } pageInfo { hasNextPage endCursor } } }";

/// Asks to be told.
pub(crate) const SUBSCRIBE: &str = "mutation subscribe($topic: WebhookSubscriptionTopic!, \
    $webhookSubscription: WebhookSubscriptionInput!) { \
    webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) { \
    webhookSubscription { id } userErrors { field message } } }";

/// Asks to be told in another way.
pub(crate) const RESUBSCRIBE: &str = "mutation resubscribe($id: ID!, \
    $webhookSubscription: WebhookSubscriptionInput!) { \
    webhookSubscriptionUpdate(id: $id, webhookSubscription: $webhookSubscription) { \
    webhookSubscription { id } userErrors { field message } } }";

/// Asks to be told no more.
pub(crate) const UNSUBSCRIBE: &str = "mutation unsubscribe($id: ID!) { webhookSubscriptionDelete(id: $id) { \
    deletedWebhookSubscriptionId userErrors { field message } } }";

/// Documents that are not derived from a selection.
pub(crate) static FIXED: &[Document] = &[
    Document { name: "bulk_run", text: BULK_RUN },
    Document { name: "bulk_state", text: BULK_STATE },
    Document { name: "bulk_cancel", text: BULK_CANCEL },
    Document { name: "deleted", text: DELETED },
    Document { name: "scopes", text: SCOPES },
    Document { name: "store", text: STORE },
    Document { name: "metaobject_types", text: METAOBJECT_TYPES },
    Document { name: "languages", text: LANGUAGES },
    Document { name: "subscriptions", text: SUBSCRIPTIONS },
    Document { name: "subscribe", text: SUBSCRIBE },
    Document { name: "resubscribe", text: RESUBSCRIBE },
    Document { name: "unsubscribe", text: UNSUBSCRIBE },
];

static SET: LazyLock<Vec<KindDocuments>> = LazyLock::new(|| READINGS.iter().filter_map(derive).collect());

/// The documents of a kind.
pub(crate) fn of(kind: &str) -> Option<&'static KindDocuments> {
    SET.iter().find(|documents| documents.reading.kind == kind)
}

/// Every document that reads, and every query that a bulk operation runs.
pub(crate) fn derived() -> impl Iterator<Item = Document> {
    SET.iter()
        .flat_map(|set| {
            let details = set.details.as_ref().map(|details| &details.document);
            let pages = [&set.page].into_iter().chain(&set.count);
            pages.chain(&set.nodes).chain(&set.one).chain(&set.rests).chain(&set.bulks).chain(details)
        })
        .map(|named| Document { name: &named.name, text: &named.text })
}

impl KindDocuments {
    /// What the selections of this kind are, as one text: whatever changes it changes what is read.
    pub(crate) fn selected(&self) -> String {
        selection::paged(&self.selection.entries)
    }
}

fn derive(reading: &'static Reading) -> Option<KindDocuments> {
    // A selection that cannot be read is found by the tests, which count the kinds.
    let selection = Selection::parse(reading.selection).ok()?;
    let details = if reading.bulk.is_empty() { None } else { details(reading, &selection) };
    Some(KindDocuments {
        reading,
        page: page(reading, &selection),
        count: count(reading),
        nodes: (reading.by_id && reading.one.is_none()).then(|| nodes(reading, &selection)),
        one: reading.one.map(|by| one(reading, by, &selection)),
        rests: rests(reading, &selection),
        bulks: reading.bulk.iter().map(|bulk| bulk_text(reading, &selection, bulk)).collect(),
        details,
        selection,
    })
}

fn named(reading: &Reading, purpose: &str, text: String) -> Named {
    Named { name: format!("{}_{purpose}", reading.kind), text }
}

fn operation(reading: &Reading, purpose: &str, variables: &[&str], body: &str) -> Named {
    let name = format!("{}_{purpose}", reading.kind);
    let variables = variables.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(", ");
    let head = if variables.is_empty() { String::new() } else { format!("({variables})") };
    Named { text: format!("query {name}{head} {{ {body}}}"), name }
}

fn children_variable(entries: &[Entry]) -> &'static str {
    if selection::holds_connection(entries) { "$children: Int!" } else { "" }
}

/// What tells the language, where items are of one.
fn locale_variable(reading: &Reading) -> &'static str {
    let translated = matches!(reading.listing, Listing::Each { values: Values::Translated(_), .. });
    if translated { "$locale: String!" } else { "" }
}

fn page(reading: &Reading, selection: &Selection) -> Named {
    let children = children_variable(&selection.entries);
    match reading.listing {
        Listing::Connection { field, arguments, sort, query, .. } => {
            let sort_variable = sort.map(|name| format!("$sortKey: {name}")).unwrap_or_default();
            let variables = [
                "$first: Int!",
                "$after: String",
                if query { "$query: String" } else { "" },
                &sort_variable,
                children,
            ];
            let mut given = String::from("first: $first, after: $after");
            if query {
                given.push_str(", query: $query");
            }
            if sort.is_some() {
                given.push_str(", sortKey: $sortKey");
            }
            if !arguments.is_empty() {
                let _ = write!(given, ", {arguments}");
            }
            let body = format!("{field}({given}) {{ {}}} ", selection::connection(&selection.entries));
            operation(reading, "page", &variables, &body)
        }
        Listing::Each { field, argument, argument_type, .. } => {
            let value = format!("$value: {argument_type}");
            let variables = ["$first: Int!", "$after: String", &value, children, locale_variable(reading)];
            let body = format!(
                "{field}(first: $first, after: $after, {argument}: $value) {{ {}}} ",
                selection::connection(&selection.entries)
            );
            operation(reading, "page", &variables, &body)
        }
        Listing::Object(field) => {
            let body = format!("{field} {{ {}}} ", selection::paged(&selection.entries));
            operation(reading, "page", &[children], &body)
        }
        Listing::List(fields) => {
            let inner = selection::paged(&selection.entries);
            let body = fields.iter().rev().fold(inner, |inner, field| format!("{field} {{ {inner}}} "));
            operation(reading, "page", &[children], &body)
        }
    }
}

/// Without a limit: what is asked for is how long the reading will take.
fn count(reading: &Reading) -> Option<Named> {
    match reading.counted {
        ("", _) => None,
        (field, true) => {
            let body = format!("{field}(limit: null, query: $query) {{ count }} ");
            Some(operation(reading, "count", &["$query: String"], &body))
        }
        (field, false) => {
            Some(operation(reading, "count", &[], &format!("{field}(limit: null) {{ count }} ")))
        }
    }
}

fn nodes(reading: &Reading, selection: &Selection) -> Named {
    let children = children_variable(&selection.entries);
    // Nothing beside what is selected: what is looked up is an item like one that was listed.
    let body = format!(
        "nodes(ids: $ids) {{ ... on {} {{ {}}} }} ",
        selection.on,
        selection::paged(&selection.entries)
    );
    operation(reading, "nodes", &["$ids: [ID!]!", children], &body)
}

fn one(reading: &Reading, (field, argument): (&str, &str), selection: &Selection) -> Named {
    let children = children_variable(&selection.entries);
    let inner = selection::paged(&selection.entries);
    let body = format!("{ITEM}: {field}({argument}: $id) {{ {inner}}} ");
    operation(reading, "one", &["$id: ID!", children, locale_variable(reading)], &body)
}

fn rests(reading: &Reading, selection: &Selection) -> Vec<Named> {
    let mut rests = Vec::new();
    selection::connections(&selection.entries, &mut |field, owner, wrap| {
        let on =
            reading.nodes.iter().find(|(path, _)| *path == owner).map_or(selection.on.as_str(), |(_, on)| on);
        let arguments = field.arguments.replace(CHILDREN, "first: $first, after: $after");
        let inner = format!("{}({arguments}) {{ {}}}", field.name, selection::connection(&field.entries));
        let way = wrap(&inner);
        let purpose = format!("rest_{}", rests.len());
        let (variables, body) = if let Listing::Object(root) = reading.listing {
            (
                ["$first: Int!", "$after: String", "", children_variable(&field.entries)],
                format!("{root} {{ {way} }} "),
            )
        } else {
            let body = match reading.one.filter(|_| on == selection.on) {
                Some((one, argument)) => format!("{one}({argument}: $id) {{ {way} }} "),
                None => format!("node(id: $id) {{ __typename ... on {on} {{ {way} }} }} "),
            };
            (["$first: Int!", "$after: String", "$id: ID!", children_variable(&field.entries)], body)
        };
        rests.push(operation(reading, &purpose, &variables, &body));
    });
    rests
}

fn bulk_text(reading: &Reading, selection: &Selection, bulk: &Bulk) -> Named {
    let field = match reading.listing {
        Listing::Connection { field, .. } | Listing::Each { field, .. } | Listing::Object(field) => field,
        Listing::List(_) => "",
    };
    let text = match bulk.text {
        BulkText::Items(connections, root) => {
            let inner = selection::bulk(&selection.entries, &|path| connections.contains(&path), root);
            format!("{{ {field} {{ edges {{ node {{ {inner}}} }} }} }}")
        }
        BulkText::Only(connections) => {
            let wanted = |entry: &&Entry| matches!(entry, Entry::Field(field) if connections.contains(&field.key.as_str()));
            let entries: Vec<Entry> = selection.entries.iter().filter(wanted).cloned().collect();
            let inner = selection::bulk(&entries, &|path| connections.contains(&path), "");
            format!("{{ {field} {{ edges {{ node {{ id {inner}}} }} }} }}")
        }
        BulkText::Below(field, inner) => {
            let items =
                format!("{ITEM_MARK}: __typename {}", selection::bulk(&selection.entries, &|_| false, ""));
            format!("{{ {field} {{ edges {{ node {{ {} }} }} }} }}", inner.replace('*', &items))
        }
    };
    named(reading, &format!("bulk_{}", bulk.name), text)
}

fn details(reading: &Reading, selection: &Selection) -> Option<Details> {
    let entries: Vec<Entry> = selection
        .entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Field(field) if field.connection.is_none() && selection::holds_connection(&field.entries)))
        .cloned()
        .collect();
    let fields: Vec<String> = entries
        .iter()
        .filter_map(|entry| if let Entry::Field(field) = entry { Some(field.key.clone()) } else { None })
        .collect();
    if fields.is_empty() {
        return None;
    }
    let body = format!(
        "nodes(ids: $ids) {{ __typename ... on {} {{ id {}}} }} ",
        selection.on,
        selection::paged(&entries)
    );
    let document = operation(reading, "details", &["$ids: [ID!]!", "$children: Int!"], &body);
    Some(Details { fields, document })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::shopify::kinds::KINDS;

    #[test]
    fn every_kind_has_its_documents() {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let read: Vec<_> = SET.iter().map(|set| set.reading.kind).collect();
        assert_eq!(read, names);
    }

    #[test]
    fn the_rest_of_a_connection_is_read_from_the_node_that_has_it() {
        let product = of("product").unwrap();
        assert_eq!(product.rests.len(), product.selection.connections);
        let variant = product.rests.iter().filter(|rest| rest.text.contains("... on ProductVariant")).count();
        assert_eq!(variant, 2);
        assert!(
            of("shop").unwrap().rests[0]
                .text
                .starts_with("query shop_rest_0($first: Int!, $after: String) { shop {")
        );
    }

    #[test]
    fn bulk_texts_mark_the_lines_of_their_connections() {
        let texts: Vec<_> = of("product").unwrap().bulks.iter().map(|bulk| bulk.text.as_str()).collect();
        assert!(texts[0].contains("_of_variants_metafields: __typename _root: owner"));
        assert!(!texts[0].contains("media {"));
        assert!(
            texts[1]
                .starts_with("{ products { edges { node { id media { edges { node { _of_media: __typename")
        );
        assert!(of("order").unwrap().details.as_ref().unwrap().fields == ["refunds"]);
    }
}
