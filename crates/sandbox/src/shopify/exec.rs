//! Runs a planned operation over the state and writes the answer as JSON text.
//!
//! One executor serves direct requests and bulk operations. In a bulk operation connections are not written into
//! their parent: each of their objects becomes a line of its own, which names its parent by id.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::leaf::{default_leaf, is_leaf, leaf, push_text};
use super::list::{Cursor, Page, Scan, Window, cut, page_info};
use super::node::{Ctx, FieldError, Node, Out, as_node, concrete, refusal, stored, unapproved};
use super::plan::{Field, Selection, node_field};
use super::schema::{self, Shape};
use super::value::{Gid, Obj, Val, obj};
use super::viewer::Access;

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The failure of a field that must not be null: its parent becomes null instead.
struct Bubble;

/// Lines of a bulk operation.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<String>,
    /// Objects under the root list.
    pub(crate) roots: u64,
}

/// One run.
pub(crate) struct Exec<'a, 'p> {
    ctx: &'a Ctx<'a>,
    path: Vec<Step<'p>>,
    pub(crate) errors: Vec<Json>,
    /// Objects that were answered: the actual cost.
    pub(crate) objects: u64,
    pub(crate) warnings: Vec<Json>,
    bulk: Option<Lines>,
}

impl<'a, 'p> Exec<'a, 'p> {
    pub(crate) fn new(ctx: &'a Ctx<'a>) -> Self {
        Self { ctx, path: Vec::new(), errors: Vec::new(), objects: 0, warnings: Vec::new(), bulk: None }
    }

    /// Answers the root object; `null` when a field that must not be null failed.
    pub(crate) fn run(
        &mut self,
        root: &Obj,
        root_type: &'static str,
        selection: &'p Selection<'_>,
    ) -> String {
        let mut out = String::with_capacity(4_096);
        let node = Node::made(root.clone(), None);
        if self.object(&mut out, &node, root_type, selection).is_err() {
            out.clear();
            out.push_str("null");
        }
        out
    }

    /// Answers one field of a mutation from its payload.
    pub(crate) fn run_field(
        &mut self,
        out: &mut String,
        payload: Result<Obj, FieldError>,
        field: &'p Field<'_>,
    ) {
        push_text(out, field.key);
        out.push(':');
        self.path.push(Step::Key(field.key));
        let start = out.len();
        let payload = refusal(field.name, field.access).map_or(payload, Err);
        let answered = match payload {
            Ok(payload) => self.object(out, &Node::made(payload, None), field.type_name, &field.sub).is_ok(),
            Err(error) => {
                self.error(&error);
                false
            }
        };
        self.path.pop();
        if !answered {
            out.truncate(start);
            out.push_str("null");
        }
    }

    /// Writes the lines of one root object of a bulk operation.
    pub(crate) fn run_bulk(
        &mut self,
        gid: Gid,
        declared: &str,
        selection: &'p Selection<'_>,
    ) -> Result<Lines, Vec<Json>> {
        self.bulk = Some(Lines::default());
        if let Some(node) = self.ctx.node(gid)
            && self.line(&node, declared, selection, None).is_ok()
            && let Some(lines) = &mut self.bulk
        {
            lines.roots += 1;
        }
        if !self.errors.is_empty() {
            return Err(std::mem::take(&mut self.errors));
        }
        Ok(self.bulk.take().unwrap_or_default())
    }

    fn line(
        &mut self,
        node: &Node<'a>,
        declared: &str,
        selection: &'p Selection<'_>,
        parent: Option<Gid>,
    ) -> Result<(), Bubble> {
        let at = self.bulk.as_mut().map_or(0, |bulk| {
            bulk.lines.push(String::new());
            bulk.lines.len() - 1
        });
        let mut out = String::with_capacity(256);
        self.object_of(&mut out, node, declared, selection)?;
        if let Some(parent) = parent {
            out.pop();
            if out.len() > 1 {
                out.push(',');
            }
            // Writing to a String cannot fail.
            let _ = write!(out, "\"__parentId\":\"{parent}\"}}");
        }
        if let Some(line) = self.bulk.as_mut().and_then(|bulk| bulk.lines.get_mut(at)) {
            *line = out;
        }
        Ok(())
    }

    fn object_of(
        &mut self,
        out: &mut String,
        node: &Node<'a>,
        declared: &str,
        selection: &'p Selection<'_>,
    ) -> Result<(), Bubble> {
        let type_name = concrete(declared, node);
        if let Some(gid) = node.gid
            && schema::object_type(declared).is_none()
            && let Some(error) = refusal(type_name, self.ctx.viewer.type_access(gid.kind().name()))
        {
            self.error(&error);
            return Err(Bubble);
        }
        self.object(out, node, type_name, selection)
    }

    fn object(
        &mut self,
        out: &mut String,
        node: &Node<'a>,
        type_name: &'static str,
        selection: &'p Selection<'_>,
    ) -> Result<(), Bubble> {
        self.objects += 1;
        out.push('{');
        let fields: &'p [Field<'_>] = selection.fields(type_name);
        for field in fields {
            if self.bulk.is_some() && matches!(field.shape, Shape::Connection(_)) {
                self.path.push(Step::Key(field.key));
                let result = self.bulk_children(node, type_name, field);
                self.path.pop();
                if let Err(error) = result {
                    self.path.push(Step::Key(field.key));
                    self.error(&error);
                    self.path.pop();
                }
                continue;
            }
            if out.len() > 1 && !out.ends_with('{') {
                out.push(',');
            }
            push_text(out, field.key);
            out.push(':');
            self.path.push(Step::Key(field.key));
            let start = out.len();
            let result = self.field(out, node, type_name, field);
            let failed = match result {
                Ok(()) => false,
                Err(Failure::Error(error)) => {
                    self.error(&error);
                    true
                }
                Err(Failure::Bubble) => true,
            };
            self.path.pop();
            if failed {
                if field.required() {
                    return Err(Bubble);
                }
                out.truncate(start);
                out.push_str("null");
            }
        }
        out.push('}');
        Ok(())
    }

    fn error(&mut self, error: &FieldError) {
        let path: Vec<Json> = self
            .path
            .iter()
            .map(|step| match step {
                Step::Key(key) => Json::from(*key),
                Step::Index(index) => Json::from(*index),
            })
            .collect();
        let mut entry = json!({ "message": error.message, "path": path });
        if let (Some(code), Some(map)) = (error.code, entry.as_object_mut()) {
            let mut extensions = json!({ "code": code });
            if let (Some(access), Some(map)) = (&error.required_access, extensions.as_object_mut()) {
                map.insert("requiredAccess".to_owned(), Json::from(access.as_str()));
            }
            map.insert("extensions".to_owned(), extensions);
        }
        self.errors.push(entry);
    }

    fn resolve(
        &mut self,
        node: &Node<'a>,
        type_name: &'static str,
        field: &Field<'_>,
    ) -> Result<Out<'a>, FieldError> {
        if let Some(error) = refusal(field.name, field.access) {
            return Err(error);
        }
        if let Access::Redacted { coded } = field.access {
            // The answer goes on: null, or what is empty where null may not be.
            self.error(&unapproved(&format!("use the {} field", field.name), coded));
            return Ok(Out::Null);
        }
        match field.resolver {
            Some(resolver) => resolver(self.ctx, node, field),
            None => Ok(stored(node, type_name, field)),
        }
    }

    fn field(
        &mut self,
        out: &mut String,
        node: &Node<'a>,
        type_name: &'static str,
        field: &'p Field<'_>,
    ) -> Result<(), Failure> {
        if field.name == "__typename" {
            push_text(out, type_name);
            return Ok(());
        }
        let value = self.resolve(node, type_name, field)?;
        match field.shape {
            Shape::Connection(item) => self.connection(out, node, value, field, item),
            Shape::List => self.list(out, node, value, field),
            Shape::Object => match value {
                Out::Null if field.required() => {
                    let empty = Node::made(Obj::default(), node.owner);
                    Ok(self.object_of(out, &empty, field.type_name, &field.sub)?)
                }
                value => self.one(out, node, value, field),
            },
            Shape::Leaf => self.one(out, node, value, field),
        }
    }

    /// Writes one value that is no list.
    fn one(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        value: Out<'a>,
        field: &'p Field<'_>,
    ) -> Result<(), Failure> {
        let plain = field.shape == Shape::Leaf || is_leaf(field.type_name);
        match value {
            Out::Node(node) => Ok(self.object_of(out, &node, field.type_name, &field.sub)?),
            Out::Ref(value) if plain => {
                leaf(self.ctx.base_url, out, value, field.type_name);
                Ok(())
            }
            Out::Own(value) if plain => {
                leaf(self.ctx.base_url, out, &value, field.type_name);
                Ok(())
            }
            Out::Null if plain && field.required() => {
                leaf(self.ctx.base_url, out, &default_leaf(field.type_name), field.type_name);
                Ok(())
            }
            Out::Ref(Val::Obj(obj)) => {
                let node = Node::held(obj, holder.owner);
                Ok(self.object_of(out, &node, field.type_name, &field.sub)?)
            }
            Out::Ref(value) => self.pointer(out, holder, value, field),
            Out::Own(Val::Obj(obj)) => {
                let node = Node::made(*obj, holder.owner);
                Ok(self.object_of(out, &node, field.type_name, &field.sub)?)
            }
            Out::Own(value) => self.pointer(out, holder, &value, field),
            Out::Null | Out::Nodes(_) | Out::Scan(_) => {
                out.push_str("null");
                Ok(())
            }
        }
    }

    /// Writes an object that is kept as less than an object: an id, an amount, a count.
    fn pointer(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        value: &Val,
        field: &'p Field<'_>,
    ) -> Result<(), Failure> {
        let made = match (value, field.type_name) {
            (Val::Ref(gid) | Val::Id(gid), _) => match self.ctx.node(*gid) {
                Some(node) => return Ok(self.object_of(out, &node, field.type_name, &field.sub)?),
                None if field.required() => return Err(FieldError::new("the object does not exist").into()),
                None => {
                    out.push_str("null");
                    return Ok(());
                }
            },
            (Val::Cents(cents), "MoneyBag") => {
                obj! { "shopMoney": Val::Cents(*cents), "presentmentMoney": Val::Cents(*cents) }
            }
            (Val::Cents(cents), _) => obj! { "amount": Val::Cents(*cents) },
            (Val::Int(count), _) => obj! { "count": *count, "precision": "EXACT" },
            _ => {
                out.push_str("null");
                return Ok(());
            }
        };
        let node = Node::made(made, holder.owner);
        Ok(self.object_of(out, &node, field.type_name, &field.sub)?)
    }

    fn list(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        value: Out<'a>,
        field: &'p Field<'_>,
    ) -> Result<(), Failure> {
        let items: Vec<Out<'a>> = match value {
            Out::Null if !field.required() => {
                out.push_str("null");
                return Ok(());
            }
            Out::Ref(Val::List(list)) => list.iter().map(Out::Ref).collect(),
            Out::Own(Val::List(list)) => list.into_iter().map(Out::Own).collect(),
            Out::Nodes(nodes) => nodes.into_iter().map(Out::Node).collect(),
            Out::Scan(scan) => self
                .ctx
                .view(|view| scan.gids(view))
                .into_iter()
                .filter_map(|gid| self.ctx.node(gid))
                .map(Out::Node)
                .collect(),
            _ => Vec::new(),
        };
        let first =
            field.args.get("first").and_then(Json::as_u64).and_then(|first| usize::try_from(first).ok());
        let nullable = !field.ty.item_type().is_non_null();
        out.push('[');
        for (index, item) in items.into_iter().take(first.unwrap_or(usize::MAX)).enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.path.push(Step::Index(index));
            let start = out.len();
            let result = self.one(out, holder, item, field);
            if let Err(failure) = result {
                if let Failure::Error(error) = failure {
                    self.error(&error);
                }
                if !nullable {
                    self.path.pop();
                    return Err(Failure::Bubble);
                }
                out.truncate(start);
                out.push_str("null");
            }
            self.path.pop();
        }
        out.push(']');
        Ok(())
    }

    fn is_there(&self, item: &Val) -> bool {
        !matches!(item, Val::Ref(gid) if self.ctx.node(*gid).is_none())
    }

    fn connection(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        value: Out<'a>,
        field: &'p Field<'_>,
        item_type: &'static str,
    ) -> Result<(), Failure> {
        if matches!(value, Out::Null) && !field.required() {
            out.push_str("null");
            return Ok(());
        }
        let window = Window::from_args(&field.args).map_err(FieldError::from)?;
        let page: Page<Out<'a>> = match value {
            Out::Scan(scan) => {
                self.warn(&scan, field);
                let page = self.ctx.view(|view| scan.page(view, &window)).map_err(FieldError::from)?;
                let items = page
                    .items
                    .into_iter()
                    .filter_map(|(gid, cursor)| Some((Out::Node(self.ctx.node(gid)?), cursor)))
                    .collect();
                Page { items, has_next: page.has_next, has_previous: page.has_previous }
            }
            Out::Nodes(nodes) => map(cut(&nodes, &window), Out::Node),
            // What was deleted since drops out of the lists that name it.
            Out::Ref(Val::List(list)) => {
                let list: Vec<&'a Val> = list.iter().filter(|item| self.is_there(item)).collect();
                map(cut(&list, &window), Out::Ref)
            }
            Out::Own(Val::List(mut list)) => {
                list.retain(|item| self.is_there(item));
                map(cut(&list, &window), Out::Own)
            }
            _ => map(cut::<Val>(&[], &window), Out::Own),
        };
        let mut nodes_out = String::new();
        let fields: &'p [Field<'_>] = field.sub.fields(field.type_name);
        out.push('{');
        for (index, part) in fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_text(out, part.key);
            out.push(':');
            match part.name {
                "nodes" => {
                    self.path.push(Step::Key(part.key));
                    nodes_out.clear();
                    let written = self.items(&mut nodes_out, holder, &page, part, item_type);
                    self.path.pop();
                    written?;
                    out.push_str(&nodes_out);
                }
                "edges" => {
                    self.path.push(Step::Key(part.key));
                    let written = self.edges(out, holder, &page, part, item_type);
                    self.path.pop();
                    written?;
                }
                "pageInfo" => page_info(out, &page, part),
                "__typename" => push_text(out, field.type_name),
                _ => out.push_str("null"),
            }
        }
        out.push('}');
        Ok(())
    }

    fn items(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        page: &Page<Out<'a>>,
        part: &'p Field<'_>,
        item_type: &'static str,
    ) -> Result<(), Bubble> {
        out.push('[');
        for (index, (item, _)) in page.items.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.path.push(Step::Index(index));
            let written = self.item(out, holder, item, part, item_type);
            self.path.pop();
            written?;
        }
        out.push(']');
        Ok(())
    }

    fn edges(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        page: &Page<Out<'a>>,
        part: &'p Field<'_>,
        item_type: &'static str,
    ) -> Result<(), Bubble> {
        out.push('[');
        for (index, (item, cursor)) in page.items.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.path.push(Step::Index(index));
            let written = self.edge(out, holder, (item, cursor), part, item_type);
            self.path.pop();
            written?;
        }
        out.push(']');
        Ok(())
    }

    fn edge(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        (item, cursor): (&Out<'a>, &Cursor),
        part: &'p Field<'_>,
        item_type: &'static str,
    ) -> Result<(), Bubble> {
        let fields: &'p [Field<'_>] = part.sub.fields(part.type_name);
        out.push('{');
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_text(out, field.key);
            out.push(':');
            match field.name {
                "cursor" => push_text(out, &cursor.encode()),
                "node" => {
                    self.path.push(Step::Key(field.key));
                    let written = self.item(out, holder, item, field, item_type);
                    self.path.pop();
                    written?;
                }
                _ => push_text(out, part.type_name),
            }
        }
        out.push('}');
        Ok(())
    }

    fn item(
        &mut self,
        out: &mut String,
        holder: &Node<'a>,
        item: &Out<'a>,
        field: &'p Field<'_>,
        item_type: &'static str,
    ) -> Result<(), Bubble> {
        if is_leaf(item_type) {
            match item {
                Out::Ref(value) => leaf(self.ctx.base_url, out, value, item_type),
                Out::Own(value) => leaf(self.ctx.base_url, out, value, item_type),
                _ => out.push_str("null"),
            }
            return Ok(());
        }
        match as_node(self.ctx, holder, item) {
            Some(node) => self.object_of(out, &node, item_type, &field.sub),
            None => Err(Bubble),
        }
    }

    fn warn(&mut self, scan: &Scan, field: &Field<'_>) {
        let (Some(query), Some(kind)) = (&scan.query, scan.kinds.first()) else { return };
        for name in query.unknown_fields(*kind) {
            self.warnings.push(json!({
                "path": [field.key],
                "query": field.args.get("query"),
                "parsed": { "field": name },
                "warnings": [{ "field": name, "message": "Invalid search field for this query.", "code": "invalid_field" }],
            }));
        }
    }

    fn bulk_children(
        &mut self,
        node: &Node<'a>,
        type_name: &'static str,
        field: &'p Field<'_>,
    ) -> Result<(), FieldError> {
        let Shape::Connection(item_type) = field.shape else { return Ok(()) };
        let value = self.resolve(node, type_name, field)?;
        let Some(inner) = node_field(field) else { return Ok(()) };
        let parent = node.id().or(node.owner);
        let items: Vec<Out<'a>> = match value {
            Out::Scan(scan) => self
                .ctx
                .view(|view| scan.gids(view))
                .into_iter()
                .filter_map(|gid| self.ctx.node(gid))
                .map(Out::Node)
                .collect(),
            Out::Nodes(nodes) => nodes.into_iter().map(Out::Node).collect(),
            Out::Ref(Val::List(list)) => list.iter().map(Out::Ref).collect(),
            Out::Own(Val::List(list)) => list.into_iter().map(Out::Own).collect(),
            _ => Vec::new(),
        };
        for item in items {
            if let Some(child) = as_node(self.ctx, node, &item)
                && self.line(&child, item_type, &inner.sub, parent).is_err()
            {
                return Err(FieldError::new("an object could not be read"));
            }
        }
        Ok(())
    }
}

enum Failure {
    Error(FieldError),
    Bubble,
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        Self::Error(error)
    }
}

impl From<Bubble> for Failure {
    fn from(_: Bubble) -> Self {
        Self::Bubble
    }
}

fn map<T, U>(page: Page<T>, with: impl Fn(T) -> U) -> Page<U> {
    Page {
        items: page.items.into_iter().map(|(item, cursor)| (with(item), cursor)).collect(),
        has_next: page.has_next,
        has_previous: page.has_previous,
    }
}
