//! Files: their bytes are uploaded anew from what was stored, under a new address.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Form, same};
use super::place;
use super::product::file_name;
use super::step::{Call, Step, Wait, variables};
use super::upload;

static CREATE: Call = Call::new("fileCreate", include_str!("../documents/write/fileCreate.graphql"), 10)
    .waiting_for(Wait::Files);
static UPDATE: Call = Call::new("fileUpdate", include_str!("../documents/write/fileUpdate.graphql"), 10)
    .waiting_for(Wait::Files);

/// How one type of file is uploaded.
struct Shape {
    of: &'static str,
    content: &'static str,
    resource: &'static str,
    /// Where its address stands.
    address: &'static str,
}

static SHAPES: &[Shape] = &[
    Shape { of: "MediaImage", content: "IMAGE", resource: "IMAGE", address: "image/url" },
    Shape { of: "GenericFile", content: "FILE", resource: "FILE", address: "url" },
    Shape { of: "Video", content: "VIDEO", resource: "VIDEO", address: "originalSource/url" },
    Shape { of: "Model3d", content: "MODEL_3D", resource: "MODEL_3D", address: "originalSource/url" },
    Shape { of: "ExternalVideo", content: "EXTERNAL_VIDEO", resource: "", address: "originUrl" },
];

/// The file's name, as far as it can be told.
pub(super) fn name(file: &Value) -> Option<&str> {
    place::text(file, "filename").or_else(|| {
        let shape = SHAPES.iter().find(|shape| Some(shape.of) == place::text(file, "__typename"))?;
        place::text(file, shape.address).and_then(file_name)
    })
}

/// Draws up a file.
pub(super) fn draft(draft: &mut Draft<'_>) {
    let (wanted, live) = (draft.wanted, draft.live);
    let kind = place::text(wanted, "__typename").unwrap_or_default();
    let Some(shape) = SHAPES.iter().find(|shape| shape.of == kind) else {
        draft.refusal = Some(format!("Files of the type `{kind}` cannot be uploaded."));
        return;
    };
    let source = || match shape.resource {
        "" => place::at(wanted, shape.address).cloned().unwrap_or_default(),
        resource => upload::file(shape.address, resource, wanted),
    };
    let mut input = draft.fields(&[same("alt", Form::Text)], "", wanted, live);
    let Some(live) = live else {
        input.insert("contentType".to_owned(), Value::from(shape.content));
        input.insert("originalSource".to_owned(), source());
        if !shape.resource.is_empty()
            && let Some(name) = name(wanted)
        {
            input.insert("filename".to_owned(), Value::from(name));
        }
        draft.step(Step::birth(&CREATE, "files", variables([("files", json!([input]))])));
        draft.losses.push("The file comes back with a new id and under a new address: texts that hold the former one must be changed.".to_owned());
        return;
    };
    let (from, to) = (looks(live), looks(wanted));
    if !to.is_null()
        && from != to
        && draft.change(format!("/{}", shape.address), &address(live, shape), &address(wanted, shape))
    {
        input.insert("originalSource".to_owned(), source());
    }
    if !input.is_empty() {
        input.insert("id".to_owned(), draft.me());
        draft.call(&UPDATE, "the file", variables([("files", json!([input]))]));
    }
}

fn address(file: &Value, shape: &Shape) -> Value {
    place::at(file, shape.address).cloned().unwrap_or_default()
}

/// What tells one content from another without its bytes: an address changes whenever a file is uploaded anew.
/// Null where nothing tells.
fn looks(file: &Value) -> Value {
    let looks: Map<String, Value> = ["image/thumbhash", "image/width", "image/height", "originalFileSize"]
        .iter()
        .filter_map(|name| {
            Some(((*name).to_owned(), place::at(file, name).filter(|value| !value.is_null())?.clone()))
        })
        .collect();
    if looks.is_empty() { Value::Null } else { Value::Object(looks) }
}
