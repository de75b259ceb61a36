//! JSON whose texts stay in the bytes that they were read from.
//!
//! It says the same as a [`Value`] of the same bytes: fields keep their order, and of two fields of one name the
//! first has the place and the last the value. (`$serde_json::private::RawValue` is a name as any other here.) Reading
//! and changing it allocates little, and no field is hashed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Number, Value};

/// Objects with more fields than this are searched with an index for names that occur twice.
const FEW: usize = 32;

/// A JSON value that borrows its texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as serde_json has it.
    Number(Number),
    /// A text. It is borrowed where nothing in it was escaped.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Tree<'a>>),
    /// An object.
    Object(Fields<'a>),
}

/// The fields of an object, in their order; no two have the same name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, Tree<'a>)>);

/// A step in a pointer, taken in any JSON.
pub trait Walk: Sized {
    /// The field of that name, if it is an object with that field.
    fn field(&self, name: &str) -> Option<&Self>;
    /// The elements, if it is an array.
    fn elements(&self) -> Option<&[Self]>;
}

impl Walk for Value {
    fn field(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    fn elements(&self) -> Option<&[Self]> {
        self.as_array().map(Vec::as_slice)
    }
}

impl Walk for Tree<'_> {
    fn field(&self, name: &str) -> Option<&Self> {
        self.fields()?.get(name)
    }

    fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }
}

impl<'a> Tree<'a> {
    /// Reads JSON.
    ///
    /// # Errors
    /// When the bytes are not one JSON value in UTF-8.
    pub fn read(bytes: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// What the pointer (RFC 6901) names.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        segments(pointer).try_fold(self, |at, segment| match at {
            Self::List(elements) => elements.get(segment.parse::<usize>().ok()?),
            other => other.field(&segment),
        })
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.text().map(|text| &**text)
    }

    /// The text as it is kept.
    #[must_use]
    pub fn text(&self) -> Option<&Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The fields, if it is an object.
    #[must_use]
    pub fn fields(&self) -> Option<&Fields<'a>> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The same with texts of its own.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.as_ref().to_owned()),
            Self::List(elements) => Value::Array(elements.iter().map(Self::to_value).collect()),
            Self::Object(fields) => Value::Object(
                fields.iter().map(|(name, value)| (name.to_owned(), value.to_value())).collect(),
            ),
        }
    }
}

impl<'a> Fields<'a> {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tree<'a>> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The value of a field, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Tree<'a>> {
        self.0.iter_mut().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The list at a field, which is added where there is no such field; `None` where it holds something else.
    pub fn list(&mut self, name: Cow<'a, str>) -> Option<&mut Vec<Tree<'a>>> {
        let at = self.0.iter().position(|(own, _)| *own == name).unwrap_or_else(|| {
            self.0.push((name, Tree::List(Vec::new())));
            self.0.len() - 1
        });
        match self.0.get_mut(at) {
            Some((_, Tree::List(elements))) => Some(elements),
            _ => None,
        }
    }

    /// Gives a field a value: in its place, or behind all others where it is new.
    pub fn insert(&mut self, name: Cow<'a, str>, value: Tree<'a>) {
        match self.get_mut(&name) {
            Some(own) => *own = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes a field away; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Tree<'a>> {
        let at = self.0.iter().position(|(own, _)| own == name)?;
        Some(self.0.remove(at).1)
    }

    /// Keeps only fields of these names.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tree<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Of fields with the same name, only the place of the first and the value of the last stay.
    fn settle(&mut self) {
        let mut twice = Vec::new();
        if self.0.len() <= FEW {
            for (at, (name, _)) in self.0.iter().enumerate() {
                let before = self.0.iter().take(at).position(|(own, _)| own == name);
                twice.extend(before.map(|first| (first, at)));
            }
        } else {
            let mut known = HashMap::with_capacity(self.0.len());
            for (at, (name, _)) in self.0.iter().enumerate() {
                let first = *known.entry(&**name).or_insert(at);
                if first != at {
                    twice.push((first, at));
                }
            }
        }
        if twice.is_empty() {
            return;
        }
        for (first, at) in &twice {
            self.0.swap(*first, *at);
        }
        let mut at = 0;
        let mut gone = twice.iter().map(|(_, at)| *at).peekable();
        self.0.retain(|_| {
            let keep = gone.next_if_eq(&at).is_none();
            at += 1;
            keep
        });
    }
}

impl<'a> FromIterator<(Cow<'a, str>, Tree<'a>)> for Fields<'a> {
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, Tree<'a>)>>(fields: I) -> Self {
        let mut own = Self(fields.into_iter().collect());
        own.settle();
        own
    }
}

impl<'a> From<&'a Value> for Tree<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.into()),
            Value::Array(elements) => Self::List(elements.iter().map(Self::from).collect()),
            // A map has no name twice.
            Value::Object(fields) => Self::Object(Fields(
                fields.iter().map(|(name, value)| (name.into(), Self::from(value))).collect(),
            )),
        }
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(elements) => elements.serialize(serializer),
            Self::Object(fields) => fields.serialize(serializer),
        }
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tree<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Self::Value, E> {
        Ok(Tree::Bool(bool))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        // JSON has no other numbers than finite ones.
        Ok(Number::from_f64(number).map_or(Tree::Null, Tree::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Tree::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Tree::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Tree::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Tree::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(Name(name)) = access.next_key()? {
            fields.0.push((name, access.next_value()?));
        }
        fields.settle();
        Ok(Tree::Object(fields))
    }
}

/// The name of a field. A `Cow` of its own would never borrow.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> de::Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// The steps of a pointer.
pub(crate) fn segments(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    pointer.split('/').skip(1).map(|segment| {
        if segment.contains('~') {
            Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
        } else {
            Cow::Borrowed(segment)
        }
    })
}

/// All that `pointer` names; `*` stands for every element of an array.
#[must_use]
pub fn select<'a, T: Walk>(value: &'a T, pointer: &str) -> Vec<&'a T> {
    let mut found = vec![value];
    for segment in segments(pointer) {
        found = (found.into_iter())
            .flat_map(|value| match value.elements() {
                Some(elements) if segment == "*" => elements.iter().collect(),
                Some(elements) => {
                    segment.parse().ok().and_then(|at: usize| elements.get(at)).into_iter().collect()
                }
                None => value.field(&segment).into_iter().collect::<Vec<_>>(),
            })
            .collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                prop::collection::vec(("[a-c\"\\\\é]{0,2}", inner), 0..40)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_tree_says_what_a_value_says(value in values()) {
            let text = value.to_string();
            // What is written may differ from what is read of it: by the last bit of a float, for one.
            let value: Value = serde_json::from_str(&text).unwrap();
            let tree = Tree::read(text.as_bytes()).unwrap();
            prop_assert_eq!(&tree.to_value(), &value);
            prop_assert_eq!(&Tree::from(&value), &tree);
            prop_assert_eq!(serde_json::to_string(&tree).unwrap(), value.to_string());
        }

        #[test]
        fn of_fields_of_one_name_the_last_counts(fields in prop::collection::vec(("[a-e]{1,2}", any::<u8>()), 0..80)) {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let text = format!("{{{}}}", fields.join(","));
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&Tree::read(text.as_bytes()).unwrap()).unwrap(), value.to_string());
        }
    }

    #[test]
    fn texts_are_borrowed_unless_they_were_escaped() {
        let tree = Tree::read(br#"{"a":"plain","b":"two\nlines"}"#).unwrap();
        let borrowed = |name| matches!(tree.field(name), Some(Tree::Text(Cow::Borrowed(_))));
        assert_eq!((borrowed("a"), borrowed("b")), (true, false));
        assert_eq!(tree.pointer("/b").and_then(Tree::as_str), Some("two\nlines"));
        for wrong in [&b"{"[..], b"[1,]", b"1 2", b"\"\xff\"", b""] {
            assert!(Tree::read(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn fields_are_changed_in_their_places() {
        let mut tree = Tree::read(br#"{"a":1,"b":2,"c":[3]}"#).unwrap();
        let Tree::Object(fields) = &mut tree else { panic!("it is an object") };
        fields.insert("b".into(), Tree::Null);
        assert_eq!(fields.remove("a"), Some(Tree::Number(1.into())));
        assert_eq!(fields.remove("a"), None);
        fields.list("c".into()).unwrap().push(Tree::Bool(true));
        fields.list("d".into()).unwrap().push(Tree::Bool(false));
        assert!(fields.list("b".into()).is_none(), "what is no list stays");
        assert_eq!(tree.to_value(), json!({"b": null, "c": [3, true], "d": [false]}));
        let Tree::Object(fields) = &mut tree else { panic!("it is an object") };
        fields.retain(|name| name != "c");
        assert_eq!(serde_json::to_string(&tree).unwrap(), r#"{"b":null,"d":[false]}"#);
    }

    #[test]
    fn a_pointer_finds_every_element() {
        let value = json!({"v": [{"m": [{"id": 1}, {"id": 2}]}, {"m": [{"id": 3}]}], "a/b": 4});
        assert_eq!(select(&value, "/v/*/m/*/id"), [&json!(1), &json!(2), &json!(3)]);
        assert_eq!(select(&value, "/v/1/m/0/id"), [&json!(3)]);
        assert_eq!(select(&value, "/a~1b"), [&json!(4)]);
        assert_eq!(select(&value, ""), [&value]);
        assert!(select(&value, "/v/7").is_empty());
        assert!(select(&value, "/no/*").is_empty());
        let tree = Tree::from(&value);
        for pointer in ["/v/*/m/*/id", "/v/1/m/0/id", "/a~1b", "", "/v/7", "/no/*"] {
            let of_tree: Vec<Value> = select(&tree, pointer).into_iter().map(Tree::to_value).collect();
            assert_eq!(of_tree.iter().collect::<Vec<_>>(), select(&value, pointer), "{pointer}");
            if !pointer.contains('*') {
                assert_eq!(tree.pointer(pointer).map(Tree::to_value).as_ref(), value.pointer(pointer));
            }
        }
    }
}
