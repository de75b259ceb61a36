//! The search language of list queries: `updated_at:>='2026-11-01T00:00:00Z' AND status:active -tag:old`.
//!
//! Terms are joined by AND when nothing stands between them. A field that the kind does not have is left out of the
//! search, with a warning in the answer, as the platform does.

use super::schema;
use super::value::{Gid, Kind, Obj, Val, parse_time};

/// How deep parentheses and negations may be nested; what stands below is left out.
const DEPTH_MAX: usize = 32;

/// A parsed search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Query {
    All,
    And(Vec<Query>),
    Or(Vec<Query>),
    Not(Box<Query>),
    Field { name: String, compare: Compare, value: String },
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// Parses a search; what cannot be understood searches for its text.
pub(crate) fn parse(text: &str) -> Query {
    let tokens = tokens(text);
    let mut at = 0;
    let query = any(&tokens, &mut at, 0);
    if tokens.is_empty() { Query::All } else { query }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Minus,
    Word(String),
    Quoted(String),
    Field(String, Compare, String),
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied();
    let mut tokens = Vec::new();
    let mut at = 0;
    let quoted = |at: &mut usize| -> Option<String> {
        let quote = peek(*at).filter(|c| *c == '\'' || *c == '"')?;
        *at += 1;
        let mut value = String::new();
        while let Some(c) = peek(*at) {
            *at += 1;
            if c == quote {
                break;
            }
            if c == '\\'
                && let Some(escaped) = peek(*at)
            {
                value.push(escaped);
                *at += 1;
            } else {
                value.push(c);
            }
        }
        Some(value)
    };
    while let Some(c) = peek(at) {
        match c {
            _ if c.is_whitespace() => at += 1,
            '(' => {
                tokens.push(Token::Open);
                at += 1;
            }
            ')' => {
                tokens.push(Token::Close);
                at += 1;
            }
            '-' => {
                tokens.push(Token::Minus);
                at += 1;
            }
            '\'' | '"' => tokens.push(Token::Quoted(quoted(&mut at).unwrap_or_default())),
            _ => {
                let mut word = String::new();
                while let Some(c) = peek(at).filter(|c| !c.is_whitespace() && !"()'\":".contains(*c)) {
                    word.push(c);
                    at += 1;
                }
                if peek(at) != Some(':') {
                    if word.is_empty() {
                        at += 1;
                    } else {
                        tokens.push(Token::Word(word));
                    }
                    continue;
                }
                at += 1;
                let compare = match (peek(at), peek(at + 1)) {
                    (Some('>'), Some('=')) => Compare::MoreOrEqual,
                    (Some('<'), Some('=')) => Compare::LessOrEqual,
                    (Some('>'), _) => Compare::More,
                    (Some('<'), _) => Compare::Less,
                    _ => Compare::Equal,
                };
                at += match compare {
                    Compare::Equal => 0,
                    Compare::Less | Compare::More => 1,
                    Compare::LessOrEqual | Compare::MoreOrEqual => 2,
                };
                let value = match quoted(&mut at) {
                    Some(value) => value,
                    None => {
                        let mut value = String::new();
                        while let Some(c) = peek(at).filter(|c| !c.is_whitespace() && *c != ')' && *c != '(')
                        {
                            value.push(c);
                            at += 1;
                        }
                        value
                    }
                };
                tokens.push(Token::Field(word, compare, value));
            }
        }
    }
    tokens
}

/// `depth` is how many parentheses and negations stand around.
fn any(tokens: &[Token], at: &mut usize, depth: usize) -> Query {
    let mut options = vec![every(tokens, at, depth)];
    while matches!(tokens.get(*at), Some(Token::Word(word)) if word == "OR") {
        *at += 1;
        options.push(every(tokens, at, depth));
    }
    if options.len() == 1 { options.pop().unwrap_or(Query::All) } else { Query::Or(options) }
}

fn every(tokens: &[Token], at: &mut usize, depth: usize) -> Query {
    let mut parts = Vec::new();
    while let Some(token) = tokens.get(*at) {
        match token {
            Token::Close => break,
            Token::Word(word) if word == "OR" => break,
            Token::Word(word) if word == "AND" => *at += 1,
            _ => parts.push(one(tokens, at, depth)),
        }
    }
    match parts.len() {
        0 => Query::All,
        1 => parts.pop().unwrap_or(Query::All),
        _ => Query::And(parts),
    }
}

fn one(tokens: &[Token], at: &mut usize, depth: usize) -> Query {
    if depth > DEPTH_MAX {
        *at = tokens.len();
        return Query::All;
    }
    let token = tokens.get(*at).cloned();
    *at += 1;
    match token {
        Some(Token::Minus) => Query::Not(Box::new(one(tokens, at, depth + 1))),
        Some(Token::Word(word)) if word == "NOT" => Query::Not(Box::new(one(tokens, at, depth + 1))),
        Some(Token::Open) => {
            let inner = any(tokens, at, depth + 1);
            if tokens.get(*at) == Some(&Token::Close) {
                *at += 1;
            }
            inner
        }
        Some(Token::Field(name, compare, value)) => Query::Field { name, compare, value },
        Some(Token::Word(text) | Token::Quoted(text)) => Query::Text(text),
        Some(Token::Close) | None => Query::All,
    }
}

/// Where the value of a search field stands when it is not the field of the same name.
const ALIASES: &[(Option<Kind>, &str, &str)] = &[
    (None, "tag", "tags"),
    (None, "tag_not", "tags"),
    (Some(Kind::Order), "financial_status", "displayFinancialStatus"),
    (Some(Kind::Order), "fulfillment_status", "displayFulfillmentStatus"),
    (Some(Kind::Order), "customer_id", "customer"),
    (Some(Kind::DraftOrder), "customer_id", "customer"),
    (Some(Kind::Article), "blog_id", "blog"),
    (Some(Kind::Comment), "article_id", "article"),
    (Some(Kind::ProductVariant), "product_id", "product"),
    (Some(Kind::Page), "published_status", "isPublished"),
    (Some(Kind::Article), "published_status", "isPublished"),
    (Some(Kind::MediaImage), "media_type", "mediaContentType"),
    (Some(Kind::MediaImage), "status", "fileStatus"),
    (Some(Kind::BulkOperation), "operation_type", "type"),
    (Some(Kind::MetafieldDefinition), "created_at", "createdAt"),
    (Some(Kind::MetafieldDefinition), "updated_at", "updatedAt"),
    (Some(Kind::Location), "active", "isActive"),
];

/// The state's field that a search field looks at; `None` when the kind has no such field.
fn target(kind: Kind, name: &str) -> Option<&'static str> {
    if let Some((_, _, field)) =
        ALIASES.iter().find(|(of, alias, _)| *alias == name && of.is_none_or(|of| of == kind))
    {
        return Some(field);
    }
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            camel.extend(c.to_uppercase());
            upper = false;
        } else {
            camel.push(c);
        }
    }
    let type_name = match kind {
        Kind::DiscountCodeNode => "DiscountCodeBasic",
        Kind::DiscountAutomaticNode => "DiscountAutomaticBasic",
        kind => kind.name(),
    };
    schema::field(type_name, &camel).map(|field| field.name.as_str()).and_then(schema::intern)
}

impl Query {
    /// The search fields that this kind does not have.
    pub(crate) fn unknown_fields(&self, kind: Kind) -> Vec<String> {
        match self {
            Self::All | Self::Text(_) => Vec::new(),
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().flat_map(|part| part.unknown_fields(kind)).collect()
            }
            Self::Not(part) => part.unknown_fields(kind),
            Self::Field { name, .. } => {
                let known = name == "id" || target(kind, name).is_some();
                if known { Vec::new() } else { vec![name.clone()] }
            }
        }
    }

    /// The lowest value that a number or time field may have, when the search says so at its top.
    pub(crate) fn lower_bound(&self, field: &str, now: i64) -> Option<i64> {
        match self {
            Self::And(parts) => parts.iter().filter_map(|part| part.lower_bound(field, now)).max(),
            Self::Field { name, compare: Compare::More | Compare::MoreOrEqual, value } if name == field => {
                if field == "id" {
                    value.parse().ok()
                } else {
                    time_value(value, now)
                }
            }
            _ => None,
        }
    }

    /// Whether an object is found.
    pub(crate) fn matches(&self, gid: Gid, obj: &Obj, now: i64) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|part| part.matches(gid, obj, now)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(gid, obj, now)),
            Self::Not(part) => !part.matches(gid, obj, now),
            Self::Text(text) => text_matches(obj, text),
            Self::Field { name, compare, value } => {
                if name == "id" {
                    let wanted = Gid::parse(value).map(Gid::number).or_else(|| value.parse().ok());
                    return wanted.is_some_and(|wanted| holds(*compare, &gid.number(), &wanted));
                }
                let Some(field) = target(gid.kind(), name) else { return true };
                let value_of =
                    obj.get(field).or_else(|| obj.obj("discount").and_then(|inner| inner.get(field)));
                let found = value_of.is_some_and(|found| value_matches(found, *compare, value, now));
                if name.ends_with("_not") { !found } else { found }
            }
        }
    }
}

fn holds<T: PartialOrd + ?Sized>(compare: Compare, found: &T, wanted: &T) -> bool {
    match compare {
        Compare::Equal => found == wanted,
        Compare::Less => found < wanted,
        Compare::LessOrEqual => found <= wanted,
        Compare::More => found > wanted,
        Compare::MoreOrEqual => found >= wanted,
    }
}

fn time_value(text: &str, now: i64) -> Option<i64> {
    if text == "now" { Some(now) } else { parse_time(text) }
}

fn value_matches(found: &Val, compare: Compare, wanted: &str, now: i64) -> bool {
    match found {
        Val::Time(found) => time_value(wanted, now).is_some_and(|wanted| holds(compare, found, &wanted)),
        Val::Int(found) => wanted.parse().is_ok_and(|wanted: i64| holds(compare, found, &wanted)),
        Val::Cents(found) => {
            super::value::parse_decimal(&wanted.into()).is_some_and(|wanted| holds(compare, found, &wanted))
        }
        Val::Bool(found) => {
            let yes = matches!(wanted, "true" | "published" | "1");
            *found == yes
        }
        Val::Ref(gid) | Val::Id(gid) => {
            let wanted = Gid::parse(wanted).map(Gid::number).or_else(|| wanted.parse().ok());
            wanted == Some(gid.number())
        }
        Val::List(list) => list.iter().any(|item| value_matches(item, compare, wanted, now)),
        Val::Lit(_) | Val::Str(_) => {
            let found = found.as_str().unwrap_or_default();
            let (found, wanted) = (found.to_lowercase(), wanted.to_lowercase());
            match wanted.strip_suffix('*') {
                Some(prefix) => found.starts_with(prefix),
                None => wanted.split(',').any(|wanted| holds(compare, found.as_str(), wanted.trim())),
            }
        }
        Val::Null | Val::Float(_) | Val::Obj(_) => false,
    }
}

fn text_matches(obj: &Obj, text: &str) -> bool {
    let text = text.trim_end_matches('*').to_lowercase();
    ["title", "name", "email", "handle", "sku", "vendor", "firstName", "lastName", "path", "displayName"]
        .iter()
        .filter_map(|field| obj.str(field))
        .any(|value| value.to_lowercase().contains(&text))
}

#[cfg(test)]
mod tests {
    use super::super::value::obj;
    use super::*;

    #[test]
    fn a_search_finds_what_it_says() {
        schema::load().expect("the schema parses");
        let gid = Gid::new(Kind::Product, 10);
        let product = obj! {
            "title": "Oak chair", "vendor": "Norrholm", "status": "ACTIVE",
            "tags": Val::texts(["wood", "sale"]), "updatedAt": Val::Time(1_761_955_200),
        };
        let check = |query: &str, expected: bool| {
            assert_eq!(parse(query).matches(gid, &product, 0), expected, "{query}: {:?}", parse(query));
        };
        check("", true);
        check("updated_at:>='2025-11-01T00:00:00Z'", true);
        check("updated_at:>2025-11-01T00:00:00Z", false);
        check("updated_at:<'2025-11-01' OR vendor:norrholm", true);
        check("status:active AND -tag:wood", false);
        check("status:active tag:sale", true);
        check("NOT (vendor:Other OR tag:wood)", false);
        check("id:>=10 id:<11", true);
        check("id:>10", false);
        check("title:oak*", true);
        check("chair", true);
        check("table", false);
        check("nonsense_field:1", true);
        assert_eq!(parse("nonsense_field:1").unknown_fields(Kind::Product), ["nonsense_field"]);
        assert_eq!(parse("a:1 updated_at:>=2025-11-01").lower_bound("updated_at", 0), Some(1_761_955_200));
    }
}
