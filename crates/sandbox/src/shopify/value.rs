//! What a store is made of: ids, values, objects.
//!
//! An object is a short list of (GraphQL field name, value). Fields that hold their default are left out, numbers,
//! times and money are kept as numbers, and words from a fixed list are not copied: a hundred thousand products with
//! their variants fit into a few hundred megabytes.

use std::fmt;

use serde_json::Value as Json;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// What an id names; the word between the last two slashes of a `gid://`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub(crate) enum Kind { $($kind),* }

        impl Kind {
            pub(crate) const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind)),* }
            }

            pub(crate) fn named(name: &str) -> Option<Kind> {
                match name { $(stringify!($kind) => Some(Kind::$kind),)* _ => None }
            }
        }
    };
}

kinds! {
    Product, ProductVariant, ProductOption, ProductOptionValue, InventoryItem, InventoryLevel, Location, Collection,
    CollectionConditionsSource, CollectionSubCollectionsSource, CollectionSourceCondition, Metafield,
    MetafieldDefinition, StandardMetafieldDefinitionTemplate, MetaobjectDefinition, Metaobject, MediaImage, Video, Model3d, ExternalVideo, GenericFile,
    ImageSource, Publication, Channel, AppCatalog, Page, Blog, Article, Comment, Menu, MenuItem, UrlRedirect, Customer,
    MailingAddress, Order, LineItem, Refund, RefundLineItem, Fulfillment, FulfillmentLineItem, FulfillmentOrder,
    FulfillmentOrderLineItem, FulfillmentEvent, OrderTransaction, ShippingLine, DraftOrder, DraftOrderLineItem,
    DiscountCodeNode, DiscountAutomaticNode, DiscountRedeemCode, DiscountRedeemCodeBulkCreation, Shop, ShopPolicy,
    ShopLocale, BasicEvent, AppInstallation, App, BulkOperation, WebhookSubscription, Job, TaxonomyCategory, Domain,
    ShopAddress, ProductSetOperation, ProductDeleteOperation, CalculatedOrder, OrderAdjustment, AdditionalFee, Duty,
    TransactionFee, Segment, ScriptTag, GiftCard, Market,
    MarketRegionCountry, MarketRegionSubdivision, MarketWebPresence, PriceList, QuantityPriceBreak, MarketCatalog,
}

/// An id: a kind and a number below 2^56.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gid(u64);

impl Gid {
    pub(crate) const fn new(kind: Kind, number: u64) -> Self {
        Self(((kind as u64) << 56) | (number & 0x00ff_ffff_ffff_ffff))
    }

    pub(crate) fn kind(self) -> Kind {
        let index = usize::try_from(self.0 >> 56).unwrap_or(0);
        Kind::ALL.get(index).copied().unwrap_or(Kind::Product)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0 & 0x00ff_ffff_ffff_ffff
    }

    /// Reads `gid://shopify/Kind/number`, with or without a query part.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("gid://shopify/")?;
        let (kind, number) = rest.split_once('/')?;
        let number = number.split_once('?').map_or(number, |(number, _)| number);
        let kind = match kind {
            "DiscountNode" => Kind::DiscountCodeNode,
            kind => Kind::named(kind)?,
        };
        let number =
            if kind == Kind::TaxonomyCategory { code_number(number)? } else { number.parse().ok()? };
        Some(Self::new(kind, number))
    }
}

/// The letters of which a category's code is made.
const CODE: &[u8] = b"-abcdefghijklmnopqrstuvwxyz0123456789";

/// A category's code, such as `fr-1`, as a number.
fn code_number(code: &str) -> Option<u64> {
    if code.len() > 10 {
        return None;
    }
    code.bytes().try_fold(0_u64, |number, letter| {
        let digit = CODE.iter().position(|known| *known == letter)?;
        Some(number * 38 + digit as u64 + 1)
    })
}

fn number_code(mut number: u64) -> String {
    let mut letters = Vec::new();
    while number > 0 {
        let at = usize::try_from((number % 38).saturating_sub(1)).unwrap_or(0);
        letters.push(CODE.get(at).copied().unwrap_or(b'-'));
        number /= 38;
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::TaxonomyCategory => {
                write!(f, "gid://shopify/TaxonomyCategory/{}", number_code(self.number()))
            }
            kind => write!(f, "gid://shopify/{}/{}", kind.name(), self.number()),
        }
    }
}

impl fmt::Debug for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A word of ours.
    Lit(&'static str),
    /// A text of the store's owner.
    Str(Box<str>),
    /// Seconds since 1970, UTC.
    Time(i64),
    /// Money in hundredths of the shop's currency.
    Cents(i64),
    /// An id that is shown as text.
    Id(Gid),
    /// An object that lives in a table of its own.
    Ref(Gid),
    List(Vec<Val>),
    Obj(Box<Obj>),
}

impl Val {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Str(text.as_ref().into())
    }

    pub(crate) fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::text(text.as_ref())).collect())
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Lit(text) => Some(text),
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_gid(&self) -> Option<Gid> {
        match self {
            Self::Id(gid) | Self::Ref(gid) => Some(*gid),
            _ => None,
        }
    }

    pub(crate) fn as_obj(&self) -> Option<&Obj> {
        match self {
            Self::Obj(obj) => Some(obj),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> &[Val] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) | Self::Time(number) | Self::Cents(number) => Some(*number),
            _ => None,
        }
    }

    /// JSON as it arrives in a mutation; objects keep their keys when the schema knows them.
    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or(0.0)), Self::Int)
            }
            Json::String(text) => Self::text(text),
            Json::Array(list) => Self::List(list.iter().map(Self::from_json).collect()),
            Json::Object(map) => {
                let mut obj = Obj::default();
                for (key, value) in map {
                    if let Some(name) = super::schema::intern(key) {
                        obj.set(name, Self::from_json(value));
                    }
                }
                Self::Obj(Box::new(obj))
            }
        }
    }

    fn shrink(&mut self) {
        match self {
            Self::List(list) => {
                list.shrink_to_fit();
                list.iter_mut().for_each(Self::shrink);
            }
            Self::Obj(obj) => obj.shrink(),
            _ => {}
        }
    }

    /// The value for a dump or a webhook: ids as text, money with two decimals, times in RFC 3339.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(number) => Json::from(*number),
            Self::Float(number) => Json::from(*number),
            Self::Lit(text) => Json::from(*text),
            Self::Str(text) => Json::from(text.as_ref()),
            Self::Time(seconds) => Json::from(rfc3339(*seconds)),
            Self::Cents(cents) => Json::from(decimal(*cents)),
            Self::Id(gid) | Self::Ref(gid) => Json::from(gid.to_string()),
            Self::List(list) => Json::Array(list.iter().map(Self::to_json).collect()),
            Self::Obj(obj) => obj.to_json(),
        }
    }
}

macro_rules! from {
    ($($from:ty => $make:expr;)*) => {$(
        impl From<$from> for Val {
            fn from(value: $from) -> Self {
                let make: fn($from) -> Val = $make;
                make(value)
            }
        }
    )*};
}

from! {
    bool => Val::Bool;
    i64 => Val::Int;
    i32 => |value| Val::Int(i64::from(value));
    usize => |value| Val::Int(i64::try_from(value).unwrap_or(i64::MAX));
    f64 => Val::Float;
    &'static str => Val::Lit;
    String => Val::text;
    Gid => Val::Ref;
    Vec<Val> => Val::List;
    Vec<Gid> => |list| Val::List(list.into_iter().map(Val::Ref).collect());
    Obj => |obj| Val::Obj(Box::new(obj));
}

impl<T: Into<Val>> From<Option<T>> for Val {
    fn from(value: Option<T>) -> Self {
        value.map_or(Val::Null, Into::into)
    }
}

/// Fields by name, in the order in which they were set.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Obj(Vec<(&'static str, Val)>);

impl Obj {
    pub(crate) fn get(&self, name: &str) -> Option<&Val> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Val> {
        self.0.iter_mut().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// Sets a field; `Null` removes it.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Val>) {
        match value.into() {
            Val::Null => {
                self.take(name);
            }
            value => match self.get_mut(name) {
                Some(old) => *old = value,
                None => self.0.push((name, value)),
            },
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Val>) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Val> {
        let at = self.0.iter().position(|(field, _)| *field == name)?;
        Some(self.0.remove(at).1)
    }

    pub(crate) fn str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Val::as_str)
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Val::as_int)
    }

    pub(crate) fn gid(&self, name: &str) -> Option<Gid> {
        self.get(name).and_then(Val::as_gid)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Val::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn list(&self, name: &str) -> &[Val] {
        self.get(name).map_or(&[], Val::as_list)
    }

    pub(crate) fn obj(&self, name: &str) -> Option<&Obj> {
        self.get(name).and_then(Val::as_obj)
    }

    /// Edits the list under `name`, which is empty when there is none.
    pub(crate) fn edit_list<R>(&mut self, name: &'static str, edit: impl FnOnce(&mut Vec<Val>) -> R) -> R {
        let mut list = match self.get_mut(name) {
            Some(Val::List(list)) => std::mem::take(list),
            _ => Vec::new(),
        };
        let result = edit(&mut list);
        self.set(name, list);
        result
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &Val)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// Gives back memory that was set aside for growth, here and below.
    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
        self.0.iter_mut().for_each(|(_, value)| value.shrink());
    }

    pub(crate) fn to_json(&self) -> Json {
        Json::Object(self.fields().map(|(name, value)| (name.to_owned(), value.to_json())).collect())
    }
}

/// Writes an object: `obj! { "title": title, "position": 1 }`.
macro_rules! obj {
    ($($name:literal : $value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "an object may have no field")]
        let mut made = $crate::shopify::value::Obj::default();
        $(made.set($name, $value);)*
        made
    }};
}
pub(crate) use obj;

/// `2026-10-01T12:00:00Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// Reads RFC 3339, or a bare date as midnight UTC.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_second());
    }
    format!("{text}T00:00:00Z").parse::<jiff::Timestamp>().ok().map(|time| time.as_second())
}

/// Hundredths as `12.34`.
pub(crate) fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// Reads `12`, `12.3`, `12.34` (a string or a number) as hundredths; more decimals are rounded.
pub(crate) fn parse_decimal(json: &Json) -> Option<i64> {
    let text = match json {
        Json::String(text) => text.trim().to_owned(),
        Json::Number(number) => number.to_string(),
        _ => return None,
    };
    let value: f64 = text.parse().ok()?;
    let cents = (value * 100.0).round();
    if !cents.is_finite() || cents.abs() > 9.0e15 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the size was checked")]
    Some(cents as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_read_back() {
        let gid = Gid::new(Kind::Metaobject, 7_100_000_032_768);
        assert_eq!(gid.to_string(), "gid://shopify/Metaobject/7100000032768");
        assert_eq!(Gid::parse(&gid.to_string()), Some(gid));
        assert_eq!(
            Gid::parse("gid://shopify/InventoryLevel/5?inventory_item_id=6"),
            Some(Gid::new(Kind::InventoryLevel, 5))
        );
        assert_eq!(Gid::parse("gid://shopify/Nothing/5"), None);
        let category = "gid://shopify/TaxonomyCategory/fr-1-20";
        assert_eq!(Gid::parse(category).map(|gid| gid.to_string()).as_deref(), Some(category));
        for seconds in [0, 951_782_400, 1_761_955_199, 4_102_444_800] {
            assert_eq!(parse_time(&rfc3339(seconds)), Some(seconds), "{}", rfc3339(seconds));
        }
        assert_eq!(rfc3339(1_761_955_199), "2025-10-31T23:59:59Z");
    }

    #[test]
    fn a_value_takes_three_words() {
        assert_eq!(size_of::<Val>(), 24);
    }

    #[test]
    fn money_keeps_two_decimals() {
        assert_eq!(decimal(1_205), "12.05");
        assert_eq!(decimal(-5), "-0.05");
        assert_eq!(parse_decimal(&Json::from("12.05")), Some(1_205));
        assert_eq!(parse_decimal(&Json::from(3)), Some(300));
        assert_eq!(parse_decimal(&Json::from("twelve")), None);
    }
}
