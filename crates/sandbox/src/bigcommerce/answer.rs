//! What the store answers, and how it refuses.

use serde_json::{Value as Json, json};

/// An answer before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Body,
}

/// See [`Answer::body`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    None,
    Json(Json),
}

impl Answer {
    pub(crate) fn json(status: u16, body: Json) -> Self {
        Self { status, body: Body::Json(body) }
    }

    /// The envelope of V3.
    pub(crate) fn envelope(status: u16, data: Json, meta: Json) -> Self {
        Self::json(status, [("data".to_owned(), data), ("meta".to_owned(), meta)].into_iter().collect())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, body: Body::None }
    }

    /// An answer of V3 that says no more than what it is about.
    pub(crate) fn data(data: Json) -> Self {
        Self::envelope(200, data, json!({}))
    }
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) title: String,
    /// Field and message.
    pub(crate) errors: Vec<(String, String)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, title: impl Into<String>) -> Self {
        Self { status, title: title.into(), errors: Vec::new() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "The requested resource was not found.")
    }

    /// Status 422 with one field.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![(field.into(), message.into())])
    }

    pub(crate) fn fields(errors: Vec<(String, String)>) -> Self {
        let title = errors.first().map(|(_, message)| message.clone()).unwrap_or_default();
        Self { status: 422, title, errors }
    }

    /// Status 409.
    pub(crate) fn conflict(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 409, ..Self::field(field, message) }
    }

    /// The same, said of one item of a batch.
    pub(crate) fn at(mut self, turn: usize) -> Self {
        for (field, _) in &mut self.errors {
            *field = format!("{turn}.{field}");
        }
        self
    }

    /// What is sent. V2 says everything that is wrong with a request in one way.
    pub(crate) fn answer(&self, version: u8) -> Answer {
        // What is refused at the door is refused in one way.
        if version == 2 && !matches!(self.status, 401 | 403 | 405 | 429) {
            let status = if matches!(self.status, 422 | 413) { 400 } else { self.status };
            let messages: Vec<Json> = if self.errors.is_empty() {
                vec![json!({ "status": status, "message": self.title })]
            } else {
                self.errors
                    .iter()
                    .map(|(field, message)| {
                        let message = if field.is_empty() {
                            message.clone()
                        } else {
                            format!("The field '{field}' {message}.")
                        };
                        json!({ "status": status, "message": message })
                    })
                    .collect()
            };
            return Answer::json(status, Json::Array(messages));
        }
        let errors: serde_json::Map<String, Json> = self
            .errors
            .iter()
            .map(|(field, message)| (field.clone(), Json::from(message.as_str())))
            .collect();
        let mut body = json!({ "status": self.status, "title": self.title, "type": TYPE });
        if let Some(body) = body.as_object_mut().filter(|_| self.status == 422 || !errors.is_empty()) {
            body.insert("errors".to_owned(), Json::Object(errors));
        }
        Answer::json(self.status, body)
    }
}

/// Where the platform describes its statuses.
const TYPE: &str = "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes";
