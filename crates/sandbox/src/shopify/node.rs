//! What an operation meets: objects of the state, values of their fields, and reasons for having none.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::list::{Cursor, Key, PageRefusal, Scan, View};
use super::plan::Field;
use super::schema;
use super::store::Store;
use super::value::{Gid, Kind, Obj, Val};
use super::viewer::{Access, ORDER_WINDOW, Viewer};

/// What an operation runs against.
pub(crate) struct Ctx<'a> {
    pub(crate) store: &'a Store,
    pub(crate) viewer: &'a Viewer,
    /// `https://host:port`, for addresses of files.
    pub(crate) base_url: &'a str,
    pub(crate) now: i64,
    pub(crate) monotonic: Duration,
}

/// One object, and where it stands.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    /// Set when the object has a table of its own.
    pub(crate) gid: Option<Gid>,
    /// The nearest object with a table of its own: itself, or the one that holds it.
    pub(crate) owner: Option<Gid>,
    body: Body<'a>,
}

#[derive(Clone)]
enum Body<'a> {
    Borrowed(&'a Obj),
    Owned(Rc<Obj>),
}

impl<'a> Node<'a> {
    pub(crate) fn made(obj: Obj, owner: Option<Gid>) -> Self {
        Self { gid: None, owner, body: Body::Owned(Rc::new(obj)) }
    }

    pub(crate) fn held(obj: &'a Obj, owner: Option<Gid>) -> Self {
        Self { gid: None, owner, body: Body::Borrowed(obj) }
    }

    pub(crate) fn obj(&self) -> &Obj {
        match &self.body {
            Body::Borrowed(obj) => obj,
            Body::Owned(obj) => obj,
        }
    }

    /// The id that the object shows.
    pub(crate) fn id(&self) -> Option<Gid> {
        self.gid.or_else(|| self.obj().gid("id"))
    }
}

/// What a resolver found.
pub(crate) enum Out<'a> {
    Null,
    Ref(&'a Val),
    Own(Val),
    Node(Node<'a>),
    Nodes(Vec<Node<'a>>),
    Scan(Scan),
}

/// Why a field has no value.
#[derive(Debug)]
pub(crate) struct FieldError {
    pub(crate) message: String,
    pub(crate) code: Option<&'static str>,
    pub(crate) required_access: Option<String>,
}

impl FieldError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, required_access: None }
    }
}

impl From<PageRefusal> for FieldError {
    fn from(refusal: PageRefusal) -> Self {
        Self { message: refusal.message(), code: Some("BAD_USER_INPUT"), required_access: None }
    }
}

impl<'a> Ctx<'a> {
    /// The object with that id, when this viewer may see it.
    pub(crate) fn node(&self, gid: Gid) -> Option<Node<'a>> {
        let store: &'a Store = self.store;
        let obj: &'a Arc<Obj> = store.get(gid)?;
        self.sees(gid, obj).then_some(Node { gid: Some(gid), owner: Some(gid), body: Body::Borrowed(obj) })
    }

    fn sees(&self, gid: Gid, obj: &Obj) -> bool {
        gid.kind() != Kind::Order
            || self.viewer.sees_all_orders()
            || obj.int("createdAt").is_none_or(|created| created >= self.now - ORDER_WINDOW)
    }

    /// Runs `with` on the state as this request sees it.
    pub(crate) fn view<R>(&self, with: impl FnOnce(&View<'_>) -> R) -> R {
        let sees = |gid: Gid, obj: &Obj| self.sees(gid, obj);
        with(&View { store: self.store, now: self.now, monotonic: self.monotonic, sees: &sees })
    }
}

/// The object that an item of a list is or points to.
pub(crate) fn as_node<'a>(ctx: &Ctx<'a>, holder: &Node<'a>, item: &Out<'a>) -> Option<Node<'a>> {
    match item {
        Out::Node(node) => Some(node.clone()),
        Out::Ref(Val::Obj(obj)) => Some(Node::held(obj, holder.owner)),
        Out::Own(Val::Obj(obj)) => Some(Node::made(Obj::clone(obj), holder.owner)),
        Out::Ref(Val::Ref(gid) | Val::Id(gid)) => ctx.node(*gid),
        Out::Own(Val::Ref(gid) | Val::Id(gid)) => ctx.node(*gid),
        _ => None,
    }
}

/// The value that the state holds under the field's own name, or what every object has.
pub(crate) fn stored<'a>(node: &Node<'a>, type_name: &'static str, field: &Field<'_>) -> Out<'a> {
    let found = match &node.body {
        Body::Borrowed(obj) => {
            let obj: &'a Obj = obj;
            obj.get(field.name).map(Out::Ref)
        }
        Body::Owned(obj) => obj.get(field.name).cloned().map(Out::Own),
    };
    if let Some(found) = found {
        return found;
    }
    match field.name {
        "id" => node.id().map_or(Out::Null, |gid| Out::Own(Val::Id(gid))),
        "legacyResourceId" => {
            node.id().map_or(Out::Null, |gid| Out::Own(Val::Int(i64::try_from(gid.number()).unwrap_or(0))))
        }
        "defaultCursor" => node.id().map_or(Out::Null, |gid| {
            let cursor = Cursor { key: Key::None, number: gid.number(), position: 0 };
            Out::Own(Val::text(cursor.encode()))
        }),
        "currencyCode" if type_name == "MoneyV2" => Out::Own(Val::Lit("EUR")),
        "createdAt" | "updatedAt" | "processedAt" => node
            .obj()
            .get("updatedAt")
            .or_else(|| node.obj().get("createdAt"))
            .cloned()
            .map_or(Out::Null, Out::Own),
        _ if field.type_name == "MoneyBag" && field.required() => Out::Own(Val::Cents(0)),
        _ if field.type_name == "MoneyV2" && field.required() => Out::Own(Val::Cents(0)),
        // `variantsCount` beside `variants`.
        name if field.type_name == "Count" => {
            let list = name.strip_suffix("Count").map_or(&[][..], |list| node.obj().list(list));
            Out::Own(Val::from(list.len()))
        }
        _ => Out::Null,
    }
}

/// The object type of a value of this declared type.
pub(crate) fn concrete(declared: &str, node: &Node<'_>) -> &'static str {
    schema::object_type(declared)
        .or_else(|| node.obj().str("__typename").and_then(schema::intern))
        .or_else(|| node.id().map(|gid| gid.kind().name()))
        .unwrap_or("Product")
}

/// The field's error where it may not be seen at all.
pub(crate) fn refusal(field: &str, access: Access) -> Option<FieldError> {
    match access {
        Access::Granted | Access::Redacted { .. } => None,
        Access::Denied(scopes) => Some(denied(field, scopes)),
        Access::Unapproved { type_name, coded } => {
            Some(unapproved(&format!("access the {type_name} object"), coded))
        }
    }
}

/// The platform's words for personal data that the app is not approved for.
pub(crate) fn unapproved(what: &str, coded: bool) -> FieldError {
    let page = "https://shopify.dev/docs/apps/launch/protected-customer-data";
    let message = format!("{UNAPPROVED}{what}. See {page} for more details.");
    FieldError { code: coded.then_some("ACCESS_DENIED"), ..FieldError::new(message) }
}

/// How those words begin.
pub(crate) const UNAPPROVED: &str = "This app is not approved to ";

/// The platform's words for a missing scope.
pub(crate) fn denied(what: &str, scopes: &[&str]) -> FieldError {
    let access = scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(" or ");
    FieldError {
        message: format!("Access denied for {what} field. Required access: {access} access scope."),
        code: Some("ACCESS_DENIED"),
        required_access: Some(format!("{access} access scope.")),
    }
}
