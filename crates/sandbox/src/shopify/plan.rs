//! A validated document made ready to run: fields merged per type, arguments filled in, costs added up.

use std::cell::OnceCell;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::{Type, Value};
use apollo_compiler::executable::{self, DirectiveList, SelectionSet};
use apollo_compiler::schema::{ExtendedType, InputValueDefinition};
use serde_json::{Map, Value as Json};

use super::fields::{self, Resolver};
use super::schema::{self, Shape};
use super::viewer::{Access, Viewer};

/// What a mutation costs, whatever it selects.
const MUTATION_COST: u64 = 10;
/// What a connection costs besides its objects.
const CONNECTION_COST: u64 = 2;

/// The selection sets that apply to one value, and their fields for each concrete type met so far.
pub(crate) struct Selection<'a> {
    request: Request<'a>,
    sets: Vec<&'a SelectionSet>,
    first: OnceCell<Box<Merged<'a>>>,
}

/// The fields for one concrete type; the next type's hang below, so that none ever moves.
struct Merged<'a> {
    type_name: &'static str,
    fields: Vec<Field<'a>>,
    next: OnceCell<Box<Merged<'a>>>,
}

/// What stays the same for a whole request.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) document: &'a ExecutableDocument,
    pub(crate) variables: &'a Map<String, Json>,
    pub(crate) viewer: &'a Viewer,
}

/// One field to answer.
pub(crate) struct Field<'a> {
    /// The name in the answer.
    pub(crate) key: &'a str,
    pub(crate) name: &'static str,
    pub(crate) ty: &'static Type,
    pub(crate) type_name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) args: Map<String, Json>,
    pub(crate) sub: Selection<'a>,
    pub(crate) resolver: Option<Resolver>,
    pub(crate) access: Access,
    /// The `@idempotent` key.
    pub(crate) idempotency_key: Option<String>,
}

impl Field<'_> {
    pub(crate) fn required(&self) -> bool {
        self.ty.is_non_null()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.args.get(name).and_then(Json::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.args.get(name).and_then(Json::as_bool).unwrap_or(false)
    }
}

impl<'a> Selection<'a> {
    pub(crate) fn new(request: Request<'a>, sets: Vec<&'a SelectionSet>) -> Self {
        Self { request, sets, first: OnceCell::new() }
    }

    /// The fields that a value of this object type answers, merged by their names in the answer.
    pub(crate) fn fields(&self, type_name: &'static str) -> &[Field<'a>] {
        let mut cell = &self.first;
        loop {
            let merged = cell.get_or_init(|| Box::new(self.merge(type_name)));
            if merged.type_name == type_name {
                return &merged.fields;
            }
            cell = &merged.next;
        }
    }

    fn merge(&self, type_name: &'static str) -> Merged<'a> {
        let mut found: Vec<(&'a str, Vec<&'a executable::Field>)> = Vec::new();
        for set in &self.sets {
            collect(self.request, set, type_name, &mut found);
        }
        let fields =
            found.into_iter().filter_map(|(key, same)| make(self.request, type_name, key, &same)).collect();
        Merged { type_name, fields, next: OnceCell::new() }
    }

    /// The cost of one value, before anything is known about the data.
    pub(crate) fn cost(&self, declared: &str) -> u64 {
        let concrete: Vec<&'static str> = match schema::object_type(declared) {
            Some(name) => vec![name],
            None => conditions(self.request.document, &self.sets),
        };
        concrete.iter().map(|name| self.fields(name).iter().map(Field::cost).sum()).max().unwrap_or(0)
    }
}

/// The object types that a selection on an interface or union asks about.
fn conditions(document: &ExecutableDocument, sets: &[&SelectionSet]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for set in sets {
        for selection in &set.selections {
            let (condition, inner) = match selection {
                executable::Selection::Field(_) => continue,
                executable::Selection::InlineFragment(inline) => {
                    (inline.type_condition.as_ref().map(|name| name.as_str()), &inline.selection_set)
                }
                executable::Selection::FragmentSpread(spread) => {
                    match document.fragments.get(&spread.fragment_name) {
                        Some(fragment) => (Some(fragment.selection_set.ty.as_str()), &fragment.selection_set),
                        None => continue,
                    }
                }
            };
            match condition.and_then(schema::object_type) {
                Some(name) => names.push(name),
                None => names.extend(conditions(document, &[inner])),
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

impl Field<'_> {
    fn cost(&self) -> u64 {
        match self.shape {
            Shape::Leaf => 0,
            Shape::Object | Shape::List if schema::definition(self.type_name).is_some_and(is_composite) => {
                1 + self.sub.cost(self.type_name)
            }
            Shape::Object | Shape::List => 0,
            Shape::Connection(node) => {
                let size = self
                    .args
                    .get("first")
                    .or_else(|| self.args.get("last"))
                    .and_then(Json::as_u64)
                    .unwrap_or(0);
                let one: u64 = self
                    .sub
                    .fields(self.type_name)
                    .iter()
                    .map(|field| match field.name {
                        "nodes" => 1 + field.sub.cost(node),
                        "edges" => field
                            .sub
                            .fields(field.type_name)
                            .iter()
                            .filter(|field| field.name == "node")
                            .map(|field| 1 + field.sub.cost(node))
                            .sum(),
                        _ => 0,
                    })
                    .max()
                    .unwrap_or(0);
                CONNECTION_COST.saturating_add(size.saturating_mul(one))
            }
        }
    }
}

/// The cost of a whole operation.
pub(crate) fn operation_cost(root: &Selection<'_>, root_type: &'static str) -> u64 {
    if root_type == "Mutation" {
        let fields = u64::try_from(root.fields(root_type).len()).unwrap_or(1);
        return MUTATION_COST.saturating_mul(fields);
    }
    root.fields(root_type).iter().map(Field::cost).fold(0, u64::saturating_add).max(1)
}

/// The selection of a connection's objects.
pub(crate) fn node_field<'p, 'd>(connection: &'p Field<'d>) -> Option<&'p Field<'d>> {
    let parts: &'p [Field<'d>] = connection.sub.fields(connection.type_name);
    parts.iter().find_map(|part| match part.name {
        "nodes" => Some(part),
        "edges" => part.sub.fields(part.type_name).iter().find(|field| field.name == "node"),
        _ => None,
    })
}

fn is_composite(definition: &ExtendedType) -> bool {
    matches!(definition, ExtendedType::Object(_) | ExtendedType::Interface(_) | ExtendedType::Union(_))
}

fn collect<'a>(
    request: Request<'a>,
    set: &'a SelectionSet,
    type_name: &str,
    found: &mut Vec<(&'a str, Vec<&'a executable::Field>)>,
) {
    for selection in &set.selections {
        match selection {
            executable::Selection::Field(field) => {
                if skipped(&field.directives, request.variables) {
                    continue;
                }
                let key = field.alias.as_ref().unwrap_or(&field.name).as_str();
                match found.iter_mut().find(|(name, _)| *name == key) {
                    Some((_, same)) => same.push(field),
                    None => found.push((key, vec![field])),
                }
            }
            executable::Selection::InlineFragment(inline) => {
                let applies = inline
                    .type_condition
                    .as_ref()
                    .is_none_or(|condition| schema::matches(condition, type_name));
                if applies && !skipped(&inline.directives, request.variables) {
                    collect(request, &inline.selection_set, type_name, found);
                }
            }
            executable::Selection::FragmentSpread(spread) => {
                let Some(fragment) = request.document.fragments.get(&spread.fragment_name) else { continue };
                if schema::matches(&fragment.selection_set.ty, type_name)
                    && !skipped(&spread.directives, request.variables)
                {
                    collect(request, &fragment.selection_set, type_name, found);
                }
            }
        }
    }
}

fn skipped(directives: &DirectiveList, variables: &Map<String, Json>) -> bool {
    let flag = |name: &str| {
        let value = directives.get(name)?.specified_argument_by_name("if")?;
        match value.as_ref() {
            Value::Boolean(value) => Some(*value),
            Value::Variable(name) => variables.get(name.as_str()).and_then(Json::as_bool),
            _ => None,
        }
    };
    flag("skip") == Some(true) || flag("include") == Some(false)
}

fn make<'a>(
    request: Request<'a>,
    type_name: &'static str,
    key: &'a str,
    same: &[&'a executable::Field],
) -> Option<Field<'a>> {
    let first = same.first()?;
    let sub = Selection::new(request, same.iter().map(|field| &field.selection_set).collect());
    if first.name == "__typename" {
        static TYPENAME: std::sync::OnceLock<Type> = std::sync::OnceLock::new();
        let ty = TYPENAME.get_or_init(|| Type::NonNullNamed(apollo_compiler::name!("String")));
        return Some(Field {
            key,
            name: "__typename",
            ty,
            type_name: "String",
            shape: Shape::Leaf,
            args: Map::new(),
            sub,
            resolver: None,
            access: Access::Granted,
            idempotency_key: None,
        });
    }
    let definition = schema::field(type_name, &first.name)?;
    let mut args = Map::new();
    for argument in &definition.arguments {
        let given =
            first.arguments.iter().find(|given| given.name == argument.name).map(|given| &*given.value);
        if let Some(value) = input(argument, given, request.variables) {
            args.insert(argument.name.to_string(), value);
        }
    }
    let idempotency_key = first
        .directives
        .get("idempotent")
        .and_then(|directive| directive.specified_argument_by_name("key"))
        .and_then(|value| literal(&Type::Named(apollo_compiler::name!("String")), value, request.variables))
        .and_then(|value| value.as_str().map(str::to_owned));
    let inner = definition.ty.inner_named_type().as_str();
    let name = definition.name.as_str();
    Some(Field {
        key,
        name,
        ty: &definition.ty,
        type_name: inner,
        shape: schema::shape(&definition.ty),
        args,
        sub,
        resolver: fields::resolver(type_name, name),
        access: request.viewer.access(type_name, name, schema::shape(&definition.ty), inner),
        idempotency_key,
    })
}

/// The value of an argument or input field: given, or its default, or nothing.
fn input(
    definition: &InputValueDefinition,
    given: Option<&Value>,
    variables: &Map<String, Json>,
) -> Option<Json> {
    given.and_then(|value| literal(&definition.ty, value, variables)).or_else(|| {
        definition.default_value.as_ref().and_then(|value| literal(&definition.ty, value, variables))
    })
}

/// A value of the document as JSON, with variables put in; `None` for a variable that was not given.
fn literal(ty: &Type, value: &Value, variables: &Map<String, Json>) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Enum(name) => Json::from(name.as_str()),
        Value::Variable(name) => return variables.get(name.as_str()).cloned(),
        Value::String(text) => Json::from(text.as_str()),
        Value::Float(number) => Json::from(number.try_to_f64().ok()?),
        Value::Int(number) => match number.as_str().parse::<i64>() {
            Ok(number) if ty.inner_named_type() == "ID" => Json::from(number.to_string()),
            Ok(number) => Json::from(number),
            Err(_) => Json::from(number.as_str()),
        },
        Value::Boolean(value) => Json::from(*value),
        Value::List(list) => {
            let item = if ty.is_list() { ty.item_type() } else { ty };
            list.iter().filter_map(|value| literal(item, value, variables)).collect()
        }
        Value::Object(given) => {
            let Some(ExtendedType::InputObject(input_type)) = schema::definition(ty.inner_named_type())
            else {
                return Some(Json::Object(
                    given
                        .iter()
                        .filter_map(|(name, value)| Some((name.to_string(), literal(ty, value, variables)?)))
                        .collect(),
                ));
            };
            let mut map = Map::new();
            for (name, definition) in &input_type.fields {
                let given = given.iter().find(|(given, _)| given == name).map(|(_, value)| &**value);
                if let Some(value) = input(definition, given, variables) {
                    map.insert(name.to_string(), value);
                }
            }
            Json::Object(map)
        }
    })
    .map(|json| {
        // A single value stands for a list of one.
        if ty.is_list() && !json.is_array() && !json.is_null() { Json::Array(vec![json]) } else { json }
    })
}

/// Why arguments are refused before anything runs: an input of which exactly one field must be set has none or
/// several, or a list is longer than the platform takes.
pub(crate) fn check_inputs(ty: &Type, value: &Json) -> Result<(), InputRefusal> {
    match value {
        Json::Array(list) => {
            if list.len() > super::INPUT_ARRAY_MAX {
                return Err(InputRefusal::TooLong(list.len()));
            }
            let item = if ty.is_list() { ty.item_type() } else { ty };
            list.iter().try_for_each(|value| check_inputs(item, value))
        }
        Json::Object(map) => {
            let Some(ExtendedType::InputObject(input)) = schema::definition(ty.inner_named_type()) else {
                return Ok(());
            };
            if input.directives.iter().any(|directive| directive.name == "oneOf") {
                let set = map.values().filter(|value| !value.is_null()).count();
                if set != 1 || map.len() != 1 {
                    return Err(InputRefusal::OneOf(input.name.to_string(), map.len()));
                }
            }
            input.fields.iter().try_for_each(|(name, definition)| {
                map.get(name.as_str()).map_or(Ok(()), |value| check_inputs(&definition.ty, value))
            })
        }
        _ => Ok(()),
    }
}

/// See [`check_inputs`].
#[derive(Debug)]
pub(crate) enum InputRefusal {
    OneOf(String, usize),
    TooLong(usize),
}
