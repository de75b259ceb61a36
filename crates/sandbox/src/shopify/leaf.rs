//! Scalars and words, written as JSON.

use std::fmt::Write as _;

use apollo_compiler::schema::ExtendedType;

use super::schema;
use super::value::{Val, decimal, rfc3339};

/// Appends a scalar or a word as its declared type is written.
pub(crate) fn leaf(base_url: &str, out: &mut String, value: &Val, type_name: &str) {
    match value {
        Val::Null => out.push_str("null"),
        Val::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Val::Int(number) => match type_name {
            "UnsignedInt64" | "Money" | "Decimal" | "String" | "ID" => {
                let _ = write!(out, "\"{number}\"");
            }
            _ => {
                let _ = write!(out, "{number}");
            }
        },
        Val::Float(number) if matches!(type_name, "Money" | "Decimal") => {
            let _ = write!(out, "\"{number}\"");
        }
        Val::Float(number) => {
            // A whole number keeps its point: `1.0`.
            let _ = write!(out, "{number:?}");
        }
        Val::Lit(text) => leaf_text(base_url, out, text, type_name),
        Val::Str(text) => leaf_text(base_url, out, text, type_name),
        Val::Time(seconds) => push_text(out, &rfc3339(*seconds)),
        Val::Cents(cents) => push_text(out, &decimal(*cents)),
        Val::Id(gid) | Val::Ref(gid) => push_text(out, &gid.to_string()),
        Val::List(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                leaf(base_url, out, item, type_name);
            }
            out.push(']');
        }
        Val::Obj(obj) => out.push_str(&obj.to_json().to_string()),
    }
}

fn leaf_text(base_url: &str, out: &mut String, text: &str, type_name: &str) {
    match type_name {
        // Addresses of our own are kept without the host.
        "URL" if text.starts_with('/') => push_text(out, &format!("{}{text}", base_url)),
        // A JSON scalar is kept as its text.
        "JSON" => out.push_str(text),
        _ => push_text(out, text),
    }
}

/// Whether a type is a scalar or an enum.
pub(crate) fn is_leaf(type_name: &str) -> bool {
    matches!(schema::definition(type_name), Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_)) | None)
}

/// What a leaf that must not be null shows when nothing was ever set.
pub(crate) fn default_leaf(type_name: &'static str) -> Val {
    match type_name {
        "Boolean" => Val::Bool(false),
        "Int" | "UnsignedInt64" => Val::Int(0),
        "Float" => Val::Float(0.0),
        "Money" | "Decimal" => Val::Cents(0),
        "DateTime" => Val::Time(0),
        "JSON" => Val::Lit("null"),
        name => Val::Lit(schema::first_word(name).unwrap_or("")),
    }
}

/// Appends a JSON string.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=31 => "",
            _ => continue,
        };
        out.push_str(text.get(start..at).unwrap_or_default());
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        start = at + 1;
    }
    out.push_str(text.get(start..).unwrap_or_default());
    out.push('"');
}
