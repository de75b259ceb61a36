//! One GraphQL request: checked, costed, throttled, run.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::OperationType;
use apollo_compiler::validation::Valid;
use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::exec::Exec;
use super::fault::FaultKind;
use super::mutate::{self, Call};
use super::node::Ctx;
use super::plan::{self, InputRefusal, Request, Selection};
use super::running::{Shop, lock};
use super::schema;
use super::store::{Change, Store};
use super::throttle::Status;
use super::value::{Gid, Obj};
use super::viewer::Viewer;
use crate::secret::sha256_hex;

/// How many parsed documents are kept.
const DOCUMENTS_MAX: usize = 512;

/// What a request is answered with, and what follows from it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// Plays instead of the answer.
    pub(crate) fault: Option<FaultKind>,
    /// What webhooks are told.
    pub(crate) changes: Vec<Change>,
    /// Bulk operations that were started.
    pub(crate) bulk: Vec<Gid>,
}

impl Answer {
    fn new(status: StatusCode, body: String) -> Self {
        Self { status, body, fault: None, changes: Vec::new(), bulk: Vec::new() }
    }

    fn fault(fault: FaultKind) -> Self {
        Self { fault: Some(fault), ..Self::new(StatusCode::OK, String::new()) }
    }

    fn error(message: &str, code: Option<&str>) -> Self {
        let mut error = json!({ "message": message });
        if let (Some(code), Some(map)) = (code, error.as_object_mut()) {
            map.insert("extensions".to_owned(), json!({ "code": code }));
        }
        Self::new(StatusCode::OK, json!({ "errors": [error] }).to_string())
    }

    fn unauthorized() -> Self {
        let text = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        Self::new(StatusCode::UNAUTHORIZED, json!({ "errors": text }).to_string())
    }
}

/// Refuses a request whose token is not known. What it asked for is written down all the same.
pub(crate) fn refuse(shop: &Shop, body: &[u8]) -> Answer {
    let request: Json = serde_json::from_slice(body).unwrap_or_default();
    if let Some(text) = request.get("query").and_then(Json::as_str) {
        shop.record.document(&sha256_hex(text.as_bytes()), text);
    }
    Answer::unauthorized()
}

/// Answers one request body.
pub(crate) fn answer(shop: &Arc<Shop>, body: &[u8]) -> Answer {
    let Ok(Json::Object(request)) = serde_json::from_slice::<Json>(body) else {
        return Answer::new(
            StatusCode::BAD_REQUEST,
            json!({ "errors": { "query": "Required parameter missing or invalid" } }).to_string(),
        );
    };
    let Some(text) = request.get("query").and_then(Json::as_str) else {
        return Answer::new(
            StatusCode::BAD_REQUEST,
            json!({ "errors": { "query": "Required parameter missing or invalid" } }).to_string(),
        );
    };
    let document = match parse(shop, text) {
        Ok(document) => document,
        Err(refusal) => return Answer::new(StatusCode::OK, refusal),
    };
    let variables = request.get("variables").cloned().unwrap_or(Json::Null);
    let operation_name = request.get("operationName").and_then(Json::as_str);
    run(shop, &document, &variables, operation_name)
}

/// Parses and validates a document, or finds it among those that were seen before.
pub(crate) fn parse(shop: &Shop, text: &str) -> Result<Arc<Valid<ExecutableDocument>>, String> {
    let name = sha256_hex(text.as_bytes());
    if let Some(document) = lock(&shop.documents).get(&name) {
        return Ok(Arc::clone(document));
    }
    shop.record.document(&name, text);
    let Some(schema) = schema::schema() else {
        return Err(json!({ "errors": [{ "message": "no schema" }] }).to_string());
    };
    let document = ExecutableDocument::parse_and_validate(schema, text, "request").map_err(|found| {
        let errors: Vec<Json> = found
            .errors
            .iter()
            .map(|error| {
                let place = error.line_column_range().map_or(Json::Null, |range| json!([{ "line": range.start.line, "column": range.start.column }]));
                json!({ "message": error.error.to_string(), "locations": place, "extensions": { "code": "undefinedField" } })
            })
            .collect();
        json!({ "errors": errors }).to_string()
    })?;
    let document = Arc::new(document);
    let mut documents = lock(&shop.documents);
    if documents.len() >= DOCUMENTS_MAX {
        documents.clear();
    }
    documents.insert(name, Arc::clone(&document));
    Ok(document)
}

/// Variables as the operation's types want them.
fn coerce(
    document: &ExecutableDocument,
    name: Option<&str>,
    given: &Json,
) -> Result<Map<String, Json>, String> {
    let schema = schema::schema().ok_or("no schema")?;
    let operation = document.operations.get(name).map_err(|error| error.message().to_string())?;
    let given = if given.is_null() { json!({}) } else { given.clone() };
    let given: apollo_compiler::response::JsonMap =
        serde_json::from_value(given).map_err(|_| "variables must be an object".to_owned())?;
    let coerced = apollo_compiler::request::coerce_variable_values(schema, operation, &given)
        .map_err(|error| error.message().to_string())?;
    match serde_json::to_value(&*coerced) {
        Ok(Json::Object(map)) => Ok(map),
        _ => Err("variables must be an object".to_owned()),
    }
}

fn run(
    shop: &Arc<Shop>,
    document: &Valid<ExecutableDocument>,
    variables: &Json,
    name: Option<&str>,
) -> Answer {
    let variables = match coerce(document, name, variables) {
        Ok(variables) => variables,
        Err(message) => return Answer::error(&message, Some("INVALID_VARIABLE")),
    };
    let Ok(operation) = document.operations.get(name) else {
        return Answer::error("No operation of that name.", None);
    };
    let viewer = shop.viewer();
    let request = Request { document, variables: &variables, viewer: &viewer };
    let root_type = match operation.operation_type {
        OperationType::Mutation => "Mutation",
        _ => "QueryRoot",
    };
    let root = Selection::new(request, vec![&operation.selection_set]);
    let fields = root.fields(root_type);
    for field in fields {
        let Some(definition) = schema::field(root_type, field.name) else { continue };
        for argument in &definition.arguments {
            let Some(value) = field.args.get(argument.name.as_str()) else { continue };
            match plan::check_inputs(&argument.ty, value) {
                Ok(()) => {}
                Err(InputRefusal::OneOf(name, given)) => {
                    let message =
                        format!("'{name}' requires exactly one argument, but {given} were provided.");
                    return Answer::error(&message, Some("invalidOneOfInputObject"));
                }
                Err(InputRefusal::TooLong(given)) => {
                    let most = super::INPUT_ARRAY_MAX;
                    let message = format!(
                        "The input array size of {given} is greater than the maximum allowed of {most}."
                    );
                    return Answer::error(&message, Some("MAX_INPUT_SIZE_EXCEEDED"));
                }
            }
        }
    }

    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    let kinds = [
        super::server::HTTP_FAULTS,
        &[
            FaultKind::Throttled,
            FaultKind::InternalError,
            FaultKind::LostAnswer,
            FaultKind::CutBody,
            FaultKind::MalformedJson,
        ],
    ]
    .concat();
    let fault = lock(&shop.faults).hit(&names, &kinds);
    if let Some(fault) = fault.filter(|fault| super::server::HTTP_FAULTS.contains(fault)) {
        return Answer::fault(fault);
    }

    let requested = plan::operation_cost(&root, root_type);
    if requested > shop.query_cost_max {
        let most = shop.query_cost_max;
        let error = json!({
            "message": format!("Query cost is {requested}, which exceeds the single query max cost limit ({most})."),
            "extensions": { "code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": most },
        });
        return Answer::new(StatusCode::OK, json!({ "errors": [error] }).to_string());
    }
    let now = shop.clock.monotonic();
    let taken = fault != Some(FaultKind::Throttled) && lock(&shop.bucket).take(requested, now);
    if !taken {
        shop.counters.throttled.fetch_add(1, Ordering::Relaxed);
        let status = lock(&shop.bucket).status(now);
        let body = json!({
            "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
            "extensions": { "cost": cost(requested, None, status) },
        });
        return Answer::new(StatusCode::OK, body.to_string());
    }
    if fault == Some(FaultKind::InternalError) {
        let error = json!({ "message": "Internal error. Looks like something went wrong on our end.", "extensions": { "code": "INTERNAL_SERVER_ERROR" } });
        return Answer::new(StatusCode::OK, json!({ "errors": [error] }).to_string());
    }

    let mut answer =
        if root_type == "Mutation" { write(shop, &viewer, &root) } else { read(shop, &viewer, &root) };
    let actual = answer.objects.min(requested).max(u64::from(requested > 0));
    let actual = if root_type == "Mutation" { requested } else { actual };
    lock(&shop.bucket).give_back(requested - actual);
    shop.counters.cost.fetch_add(actual, Ordering::Relaxed);
    let status = lock(&shop.bucket).status(shop.clock.monotonic());
    let mut extensions = json!({ "cost": cost(requested, Some(actual), status) });
    if let (false, Some(map)) = (answer.warnings.is_empty(), extensions.as_object_mut()) {
        map.insert("search".to_owned(), Json::Array(std::mem::take(&mut answer.warnings)));
    }
    let mut body = String::with_capacity(answer.data.len() + 256);
    body.push_str("{\"data\":");
    body.push_str(&answer.data);
    if !answer.errors.is_empty() {
        body.push_str(",\"errors\":");
        body.push_str(&Json::Array(answer.errors).to_string());
    }
    body.push_str(",\"extensions\":");
    body.push_str(&extensions.to_string());
    body.push('}');
    if fault == Some(FaultKind::MalformedJson) {
        body.truncate(body.len() / 2);
    }
    Answer { status: StatusCode::OK, body, fault, changes: answer.changes, bulk: answer.bulk }
}

fn cost(requested: u64, actual: Option<u64>, status: Status) -> Json {
    json!({
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": status.maximum,
            "currentlyAvailable": status.available,
            "restoreRate": status.restore,
        },
    })
}

struct Ran {
    data: String,
    errors: Vec<Json>,
    warnings: Vec<Json>,
    objects: u64,
    changes: Vec<Change>,
    bulk: Vec<Gid>,
}

fn read(shop: &Shop, viewer: &Viewer, root: &Selection<'_>) -> Ran {
    advance(shop);
    let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
    let ctx = context(shop, &store, viewer);
    let mut exec = Exec::new(&ctx);
    let data = exec.run(&Obj::default(), "QueryRoot", root);
    Ran {
        data,
        errors: exec.errors,
        warnings: exec.warnings,
        objects: exec.objects,
        changes: Vec::new(),
        bulk: Vec::new(),
    }
}

/// Ends jobs that are due, when there are any.
pub(crate) fn advance(shop: &Shop) {
    let now = shop.clock.monotonic();
    let due = {
        let store = shop.store.read().unwrap_or_else(PoisonError::into_inner);
        store.pending.iter().any(|job| job.due <= now)
    };
    if due {
        let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
        store.monotonic = now;
        store.now = shop.clock.now().as_second();
        store.advance();
    }
}

pub(crate) fn context<'a>(shop: &'a Shop, store: &'a Store, viewer: &'a Viewer) -> Ctx<'a> {
    Ctx {
        store,
        viewer,
        base_url: &shop.base_url,
        now: shop.clock.now().as_second(),
        monotonic: shop.clock.monotonic(),
    }
}

fn write(shop: &Arc<Shop>, viewer: &Viewer, root: &Selection<'_>) -> Ran {
    let mut store = shop.store.write().unwrap_or_else(PoisonError::into_inner);
    store.now = shop.clock.now().as_second();
    store.monotonic = shop.clock.monotonic();
    store.advance();
    let mut ran = Ran {
        data: "{".to_owned(),
        errors: Vec::new(),
        warnings: Vec::new(),
        objects: 0,
        changes: Vec::new(),
        bulk: Vec::new(),
    };
    for (index, field) in root.fields("Mutation").iter().enumerate() {
        shop.counters.mutations.fetch_add(1, Ordering::Relaxed);
        let call =
            Call { args: &field.args, shop, viewer, idempotency_key: field.idempotency_key.as_deref() };
        let payload = if field.access == super::viewer::Access::Granted {
            mutate::run(&mut store, field.name, &call)
        } else {
            Ok(Obj::default())
        };
        let ctx = context(shop, &store, viewer);
        let mut exec = Exec::new(&ctx);
        if index > 0 {
            ran.data.push(',');
        }
        exec.run_field(&mut ran.data, payload, field);
        ran.objects += exec.objects;
        ran.errors.append(&mut exec.errors);
    }
    ran.data.push('}');
    ran.changes = std::mem::take(&mut store.changes);
    ran.bulk = std::mem::take(&mut store.bulk_started);
    ran
}

/// Runs one line of a bulk mutation: the answer as JSON.
pub(crate) fn run_line(shop: &Arc<Shop>, document: &Valid<ExecutableDocument>, variables: &Json) -> Json {
    let variables = match coerce(document, None, variables) {
        Ok(variables) => variables,
        Err(message) => return json!({ "errors": [{ "message": message }] }),
    };
    let Ok(operation) = document.operations.get(None) else { return Json::Null };
    let viewer = shop.viewer();
    let root = Selection::new(
        Request { document, variables: &variables, viewer: &viewer },
        vec![&operation.selection_set],
    );
    let ran = write(shop, &viewer, &root);
    super::webhook::deliver(shop, ran.changes);
    let data: Json = serde_json::from_str(&ran.data).unwrap_or(Json::Null);
    if ran.errors.is_empty() {
        json!({ "data": data })
    } else {
        json!({ "data": data, "errors": ran.errors })
    }
}
