//! What is selected of a kind, as a tree, and the documents that are derived from it.
//!
//! Each kind has one selection, a fragment in `documents/read/`. In it every connection is written as
//! `field(first: $children) { nodes { … } }`. From this one text come the document that reads page by page,
//! the one that reads by id, those that read the rest of a long connection, and those for bulk operations: so
//! that they cannot differ in what they select.

use std::fmt::Write as _;

/// The variable that sizes nested connections.
pub(crate) const CHILDREN: &str = "first: $children";
/// Marks the lines of a connection in the result of a bulk operation: an alias of `__typename`.
pub(crate) const MARK: &str = "_of_";
/// Names the root's id in the lines of a nested connection.
pub(crate) const ROOT: &str = "_root";

/// One entry of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A field.
    Field(Field),
    /// Entries that only one type has.
    On {
        /// The type's name.
        on: String,
        /// Its entries.
        entries: Vec<Entry>,
    },
}

/// A field of a selection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Field {
    /// The name under which the answer holds it.
    pub(crate) key: String,
    /// The field's name in the schema.
    pub(crate) name: String,
    /// Its arguments as they stand between the parentheses.
    pub(crate) arguments: String,
    /// What is selected of it. Of a connection: of each of its nodes.
    pub(crate) entries: Vec<Entry>,
    /// For a connection, its number within the selection, counted from the top.
    pub(crate) connection: Option<usize>,
}

/// A kind's selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The fragment's name.
    pub(crate) name: String,
    /// The type that it selects from.
    pub(crate) on: String,
    /// What it selects.
    pub(crate) entries: Vec<Entry>,
    /// How many connections it holds.
    pub(crate) connections: usize,
}

/// Why a selection's text was not understood. The texts are part of the program: a test reads them all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a selection's text ends too early or holds `{0}` where it should not")]
pub(crate) struct SelectionError(String);

impl Selection {
    /// Reads a fragment.
    pub(crate) fn parse(text: &str) -> Result<Self, SelectionError> {
        let mut reader = Reader { tokens: tokens(text), at: 0, connections: 0 };
        reader.expect("fragment")?;
        let name = reader.next()?.to_owned();
        reader.expect("on")?;
        let on = reader.next()?.to_owned();
        let entries = reader.entries()?;
        Ok(Self { name, on, entries, connections: reader.connections })
    }
}

struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    connections: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Result<&'a str, SelectionError> {
        let token = self.peek().ok_or_else(|| SelectionError(String::new()))?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), SelectionError> {
        let token = self.next()?;
        if token == wanted { Ok(()) } else { Err(SelectionError(token.to_owned())) }
    }

    fn entries(&mut self) -> Result<Vec<Entry>, SelectionError> {
        self.expect("{")?;
        let mut entries = Vec::new();
        while self.peek() != Some("}") {
            entries.push(self.entry()?);
        }
        self.at += 1;
        Ok(entries)
    }

    fn entry(&mut self) -> Result<Entry, SelectionError> {
        let first = self.next()?;
        if first == "..." {
            self.expect("on")?;
            let on = self.next()?.to_owned();
            return Ok(Entry::On { on, entries: self.entries()? });
        }
        let mut field = Field { key: first.to_owned(), name: first.to_owned(), ..Field::default() };
        if self.peek() == Some(":") {
            self.at += 1;
            field.name = self.next()?.to_owned();
        }
        if let Some(arguments) = self.peek().and_then(|token| token.strip_prefix('(')) {
            self.at += 1;
            arguments.trim_end_matches(')').clone_into(&mut field.arguments);
        }
        if self.peek() == Some("{") {
            let number = self.connections;
            let connection = self.tokens.get(self.at + 1) == Some(&"nodes");
            if connection {
                self.connections += 1;
                self.at += 2;
            }
            field.entries = self.entries()?;
            if connection {
                self.expect("}")?;
                field.connection = Some(number);
            }
        }
        Ok(Entry::Field(field))
    }
}

/// Splits a text into names, braces, colons, dots, and arguments in one piece with their parentheses.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let len = if rest.starts_with("...") {
            3
        } else if rest.starts_with('(') {
            rest.find(')').map_or(rest.len(), |at| at + 1)
        } else if rest.starts_with(['{', '}', ':']) {
            1
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "{}:(.".contains(c)).unwrap_or(rest.len());
            end.max(1)
        };
        let (token, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

// ---------------------------------------------------------------- writing

/// The entries with every connection as pages: nodes, and where the next page begins.
pub(crate) fn paged(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        match entry {
            Entry::On { on, entries } => {
                let _ = write!(out, "... on {on} {{ {}}} ", paged(entries));
            }
            Entry::Field(field) => {
                head(field, &field.arguments, &mut out);
                if field.connection.is_some() {
                    let _ = write!(out, "{{ {}}} ", connection(&field.entries));
                } else if !field.entries.is_empty() {
                    let _ = write!(out, "{{ {}}} ", paged(&field.entries));
                }
            }
        }
    }
    out
}

/// The inside of one connection: its nodes, and where the next page begins.
pub(crate) fn connection(entries: &[Entry]) -> String {
    format!("nodes {{ {}}} pageInfo {{ hasNextPage endCursor }} ", paged(entries))
}

/// The entries for a bulk operation. `wanted` says by path which connections are read in it, and `root` what
/// tells the root's id in the lines of a connection within a connection. Connections within lists, which bulk
/// operations cannot read, are left out.
pub(crate) fn bulk(entries: &[Entry], wanted: &dyn Fn(&str) -> bool, root: &str) -> String {
    bulk_within(entries, "", wanted, root)
}

fn bulk_within(entries: &[Entry], path: &str, wanted: &dyn Fn(&str) -> bool, root: &str) -> String {
    let mut out = String::new();
    for entry in entries {
        match entry {
            Entry::On { on, entries } => {
                let inner = bulk_within(entries, path, wanted, root);
                if !inner.is_empty() {
                    let _ = write!(out, "... on {on} {{ {inner}}} ");
                }
            }
            Entry::Field(field) if field.connection.is_some() => {
                let here = below(path, &field.key);
                if !wanted(&here) {
                    continue;
                }
                head(field, &without_size(&field.arguments), &mut out);
                let _ = write!(out, "{{ edges {{ node {{ {} ", mark(&here));
                if !path.is_empty() && !root.is_empty() {
                    let _ = write!(out, "{ROOT}: {root} ");
                }
                let _ = write!(out, "{}}} }} }} ", bulk_within(&field.entries, &here, wanted, root));
            }
            Entry::Field(field) if field.entries.is_empty() => head(field, &field.arguments, &mut out),
            Entry::Field(field) => {
                let inner = bulk_within(&field.entries, &below(path, &field.key), wanted, root);
                if !inner.is_empty() {
                    head(field, &field.arguments, &mut out);
                    let _ = write!(out, "{{ {inner}}} ");
                }
            }
        }
    }
    out
}

/// The alias that marks the lines of the connection at `path`.
fn mark(path: &str) -> String {
    format!("{MARK}{}: __typename", path.replace('.', "_"))
}

/// The path of a field below another.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn head(field: &Field, arguments: &str, out: &mut String) {
    out.push_str(&field.key);
    if field.key != field.name {
        let _ = write!(out, ": {}", field.name);
    }
    if !arguments.is_empty() {
        let _ = write!(out, "({arguments})");
    }
    out.push(' ');
}

fn without_size(arguments: &str) -> String {
    arguments.replace(CHILDREN, "").trim_start_matches([',', ' ']).to_owned()
}

/// Puts a text into the fields and type conditions that lead to a connection from the node above it.
pub(crate) type Way<'a> = dyn Fn(&str) -> String + 'a;
/// Is told of a connection, of the path of the node above it (empty for the root), and of the way between.
pub(crate) type Visit<'a> = dyn FnMut(&Field, &str, &Way<'_>) + 'a;

/// Calls `visit` for every connection, those within connections too.
pub(crate) fn connections(entries: &[Entry], visit: &mut Visit<'_>) {
    walk(entries, "", "", &|inner| inner.to_owned(), visit);
}

fn walk(entries: &[Entry], owner: &str, path: &str, wrap: &Way<'_>, visit: &mut Visit<'_>) {
    for entry in entries {
        match entry {
            Entry::On { on, entries } => {
                walk(entries, owner, path, &|inner| wrap(&format!("... on {on} {{ {inner} }}")), visit);
            }
            Entry::Field(field) if field.entries.is_empty() => {}
            Entry::Field(field) => {
                let here = below(path, &field.key);
                if field.connection.is_some() {
                    visit(field, owner, wrap);
                }
                if has_id(&field.entries) {
                    walk(&field.entries, &here, &here, &|inner| inner.to_owned(), visit);
                } else {
                    let outer = |inner: &str| wrap(&format!("{} {{ {inner} }}", field.key));
                    walk(&field.entries, owner, &here, &outer, visit);
                }
            }
        }
    }
}

/// Whether the entries name the node's own id.
pub(crate) fn has_id(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| matches!(entry, Entry::Field(field) if field.key == "id"))
}

/// Whether a connection is selected anywhere below these entries.
pub(crate) fn holds_connection(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| match entry {
        Entry::On { entries, .. } => holds_connection(entries),
        Entry::Field(field) => field.connection.is_some() || holds_connection(&field.entries),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fragment product on Product {
        id
        seo { title }
        refunds { id lines(first: $children) { nodes { id } } }
        owner { ... on Shop { staff(first: $children) { nodes { name } } } }
        variants(first: $children, sortKey: ID) { nodes { id was: price metafields(first: $children) { nodes { id } } } }
    }";

    fn parsed() -> Selection {
        Selection::parse(TEXT).unwrap()
    }

    #[test]
    fn pages_say_where_the_next_page_begins() {
        let text = paged(&parsed().entries);
        let pages = "metafields(first: $children) { nodes { id } pageInfo { hasNextPage endCursor } } ";
        assert!(text.contains(pages), "{text}");
        assert!(text.contains("was: price"), "{text}");
        assert_eq!(text.matches("pageInfo").count(), 4);
    }

    #[test]
    fn bulk_marks_its_lines_and_leaves_out_what_was_not_asked_for() {
        let check = |wanted: &[&str], expected: &str| {
            let text = bulk(&parsed().entries, &|path| wanted.contains(&path), "owner { id }");
            assert_eq!(text, expected);
        };
        check(&[], "id seo { title } refunds { id } ");
        check(
            &["variants", "variants.metafields"],
            "id seo { title } refunds { id } variants(sortKey: ID) { edges { node { _of_variants: __typename id \
             was: price metafields { edges { node { _of_variants_metafields: __typename _root: owner { id } id } \
             } } } } } ",
        );
    }

    #[test]
    fn the_way_to_a_connection_begins_at_the_nearest_node() {
        let mut ways = Vec::new();
        connections(&parsed().entries, &mut |field, owner, wrap| {
            ways.push(format!("{owner}|{}", wrap(&field.key)));
        });
        assert_eq!(
            ways,
            ["refunds|lines", "|owner { ... on Shop { staff } }", "|variants", "variants|metafields"]
        );
    }

    #[test]
    fn a_cut_text_is_refused() {
        assert!(Selection::parse("fragment a on B { id").is_err());
        assert!(Selection::parse("fragment a on B { id }").is_ok());
    }
}
