//! What the platform's own descriptions say of each operation: names, types and limits.
//!
//! `facts.txt` is made by `scripts/bigcommerce-facts`. Columns are separated by tabs:
//!
//! - `file NAME SHA256`: a description that was read.
//! - `shape @N OBJECT`: an object that several lines mean by `@N`.
//! - `METHOD PATH FILE QUERY BODIES ANSWERS`: one operation. `QUERY` is a list of `name=TYPE`, or `name!TYPE` where it
//!   must be given; `BODIES` of `json=TYPE` and `form=TYPE`; `ANSWERS` of `STATUS` or `STATUS=TYPE`.
//!
//! `TYPE` is one or more of these, joined by `/`, with `?` at its end where null is a value: `s` text, `s255` of at most
//! 255 characters, `s(a|b)` one of these words, `i` an integer, `n` a number, either with `<9` for the largest, `b` true
//! or false, `f` a file, `[TYPE]` a list, `[TYPE;9]` of at most 9, `{name:TYPE,name!TYPE,name:-,*}` an object (`!`: must
//! be given, `-`: cannot be given, `*`: others may be there too), `@N` a shape, `*` anything.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The text of the table.
const TEXT: &str = include_str!("facts.txt");
/// What is corrected in it.
const CORRECTIONS: &str = include_str!("corrections.txt");

/// The table, read.
#[derive(Debug)]
pub struct Facts {
    /// Descriptions that were read: name, SHA-256 in hexadecimal digits.
    pub files: Vec<(&'static str, &'static str)>,
    /// All operations, in the order of their paths.
    pub operations: Vec<Operation>,
    /// Lines that could not be read. There are none.
    pub unread: Vec<&'static str>,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The path below a store, with its version and names of parameters: `/v3/catalog/products/{product_id}`.
    pub path: &'static str,
    /// The description that it is from.
    pub file: &'static str,
    /// Query parameters.
    pub query: Vec<Field>,
    /// The body, where it may be JSON.
    pub json: Option<Fact>,
    /// The body, where it may be a form with files.
    pub form: Option<Fact>,
    /// Statuses, with the body of those that have one. `default` is 0.
    pub answers: Vec<(u16, Option<Fact>)>,
}

/// A named value.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether a request must give it.
    pub required: bool,
    /// Whether no request may give it.
    pub read_only: bool,
    /// What it is.
    pub fact: Fact,
}

/// What a value is. Several parts may be set: a number, or a text.
#[derive(Debug, Clone, Default)]
pub struct Fact {
    /// Anything.
    pub any: bool,
    /// Null is a value.
    pub null: bool,
    /// A text, its longest length in characters, and its words where no others are.
    pub text: Option<Text>,
    /// An integer, and the largest.
    pub integer: Option<Number>,
    /// A number, and the largest.
    pub number: Option<Number>,
    /// True or false.
    pub boolean: bool,
    /// Bytes of a file.
    pub file: bool,
    /// A list, and how many it may hold.
    pub list: Option<(Box<Fact>, Option<usize>)>,
    /// An object.
    pub object: Option<Arc<Object>>,
}

/// See [`Fact::text`].
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// Longest, in characters.
    pub length_max: Option<usize>,
    /// The words that it may be.
    pub words: Vec<String>,
}

/// See [`Fact::number`].
#[derive(Debug, Clone, Default)]
pub struct Number {
    /// The largest.
    pub maximum: Option<f64>,
    /// The numbers that it may be, as they are written.
    pub words: Vec<String>,
}

/// See [`Fact::object`].
#[derive(Debug, Clone, Default)]
pub struct Object {
    /// The fields.
    pub fields: Vec<Field>,
    /// Whether others may be there too.
    pub open: bool,
}

impl Object {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The table.
pub fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    FACTS.get_or_init(|| {
        let mut facts = read(TEXT);
        for line in CORRECTIONS.lines().filter(|line| !line.starts_with('#')) {
            if correct(&mut facts, line).is_none() {
                facts.unread.push(line);
            }
        }
        facts
    })
}

impl Facts {
    /// The operation that a request means and the values of its path's parameters. A word of a path goes before a
    /// parameter.
    ///
    /// # Errors
    /// The methods that the path has; none, when there is no such path.
    pub fn find(&self, method: &str, path: &str) -> Result<(&Operation, Vec<String>), Vec<&'static str>> {
        let given: Vec<&str> = path.split('/').collect();
        let mut best: Option<(&Operation, Vec<bool>)> = None;
        let mut methods = Vec::new();
        for operation in &self.operations {
            let Some(words) = fit(operation.path, &given) else { continue };
            methods.push((operation.method, words.clone()));
            if operation.method == method && best.as_ref().is_none_or(|(_, found)| words > *found) {
                best = Some((operation, words));
            }
        }
        let nearest = methods.iter().map(|(_, words)| words.clone()).max();
        // `/metafields` of all products is no product: a path that fits better hides one that only has the method.
        match best.filter(|(_, words)| nearest.is_none_or(|nearest| *words >= nearest)) {
            Some((operation, words)) => {
                let values =
                    given.iter().zip(words).filter(|(_, word)| !word).map(|(given, _)| decode(given));
                Ok((operation, values.collect()))
            }
            None => Err(methods.into_iter().map(|(method, _)| method).collect()),
        }
    }

    /// The operation of exactly that method and path.
    #[must_use]
    pub fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.method == method && operation.path == path)
    }
}

impl Operation {
    /// The query parameter of that name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Field> {
        self.query.iter().find(|field| field.name == name)
    }

    /// The first status of success.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answers
            .iter()
            .map(|(status, _)| *status)
            .find(|status| (200..300).contains(status) && *status != 207)
            .unwrap_or(200)
    }

    /// Whether that status is described.
    #[must_use]
    pub fn answers(&self, status: u16) -> bool {
        self.answers.iter().any(|(known, _)| *known == status)
    }

    /// The body of a success.
    #[must_use]
    pub fn answer(&self) -> Option<&Fact> {
        let status = self.status();
        self.answers.iter().find(|(known, _)| *known == status).and_then(|(_, fact)| fact.as_ref())
    }
}

/// Which parts of a path are words of the template; nothing when it does not fit.
fn fit(template: &str, given: &[&str]) -> Option<Vec<bool>> {
    let mut words = Vec::with_capacity(given.len());
    let mut parts = template.split('/');
    for given in given {
        let part = parts.next()?;
        let word = !part.starts_with('{');
        if (word && part != *given) || (!word && given.is_empty()) {
            return None;
        }
        words.push(word);
    }
    parts.next().is_none().then_some(words)
}

/// A part of an address without its percent signs.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(text: &'static str) -> Facts {
    let mut facts = Facts { files: Vec::new(), operations: Vec::new(), unread: Vec::new() };
    let mut shapes = HashMap::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let known = match columns.as_slice() {
            ["file", name, digest] => {
                facts.files.push((name, digest));
                Some(())
            }
            ["shape", name, shape] => {
                Reader { rest: shape, shapes: &shapes }.all().and_then(|fact| fact.object).map(|object| {
                    shapes.insert(*name, object);
                })
            }
            [method, path, file, query, bodies, answers] => {
                operation(&shapes, [method, path, file], query, bodies, answers)
                    .map(|operation| facts.operations.push(operation))
            }
            _ => None,
        };
        if known.is_none() {
            facts.unread.push(line);
        }
    }
    facts
}

/// Puts one correction in.
fn correct(facts: &mut Facts, line: &'static str) -> Option<()> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let [method, path, place, object, field, _] = columns.as_slice() else { return None };
    let operation =
        facts.operations.iter_mut().find(|known| known.method == *method && known.path == *path)?;
    let mut reader = Reader { rest: field, shapes: &HashMap::new() };
    let field = reader.field(":")?;
    let fields = if *place == "query" {
        &mut operation.query
    } else {
        let mut fact = if *place == "form" { operation.form.as_mut()? } else { operation.json.as_mut()? };
        for step in object.split('.').filter(|step| !step.is_empty()) {
            fact = if step == "[]" {
                &mut *fact.list.as_mut()?.0
            } else {
                let object = Arc::make_mut(fact.object.as_mut()?);
                &mut object.fields.iter_mut().find(|known| known.name == step)?.fact
            };
        }
        &mut Arc::make_mut(fact.object.as_mut()?).fields
    };
    fields.retain(|known| known.name != field.name);
    fields.push(field);
    Some(())
}

fn operation(
    shapes: &HashMap<&'static str, Arc<Object>>,
    [method, path, file]: [&'static str; 3],
    query: &'static str,
    bodies: &'static str,
    answers: &'static str,
) -> Option<Operation> {
    let mut made = Operation { method, path, file, query: vec![], json: None, form: None, answers: vec![] };
    let mut reader = Reader { rest: query, shapes };
    while !reader.rest.is_empty() {
        made.query.push(reader.field("=")?);
        if !reader.rest.is_empty() {
            reader.take(",")?;
        }
    }
    for body in bodies.split(' ').filter(|body| !body.is_empty()) {
        let (kind, fact) = body.split_once('=')?;
        let fact = Reader { rest: fact, shapes }.all()?;
        match kind {
            "json" => made.json = Some(fact),
            "form" => made.form = Some(fact),
            _ => {}
        }
    }
    for answer in answers.split(' ').filter(|answer| !answer.is_empty()) {
        let (status, fact) = match answer.split_once('=') {
            Some((status, fact)) => (status, Some(Reader { rest: fact, shapes }.all()?)),
            None => (answer, None),
        };
        made.answers.push((if status == "default" { 0 } else { status.parse().ok()? }, fact));
    }
    Some(made)
}

struct Reader<'a> {
    rest: &'static str,
    shapes: &'a HashMap<&'static str, Arc<Object>>,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn all(mut self) -> Option<Fact> {
        let fact = self.fact()?;
        self.rest.is_empty().then_some(fact)
    }

    fn field(&mut self, between: &str) -> Option<Field> {
        let name = self.name()?;
        let required = self.take("!").is_some();
        if !required {
            self.take(between)?;
        }
        let read_only = self.take("-").is_some();
        let fact = if read_only { Fact::default() } else { self.fact()? };
        Some(Field { name, required, read_only, fact })
    }

    /// A name or word: as it is, or in quotes. The colon in the names of filters (`id:in`) belongs to them.
    fn name(&mut self) -> Option<String> {
        if self.rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
            let name = values.next()?.ok()?;
            self.rest = self.rest.get(values.byte_offset()..)?;
            return Some(name);
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_./+-".contains(letter);
        let mut end = self.rest.find(|letter| !plain(letter)).unwrap_or(self.rest.len());
        if let Some(filter) = self.rest.get(end..).and_then(|rest| rest.strip_prefix(':')) {
            let more = filter.find(|letter| !plain(letter)).unwrap_or(filter.len());
            if more > 0 && filter.get(more..).is_some_and(|rest| rest.starts_with(['=', '!'])) {
                end += 1 + more;
            }
        }
        let (name, rest) = self.rest.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
        self.rest = rest;
        Some(name.to_owned())
    }

    fn digits(&mut self) -> Option<f64> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (digits, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        digits.parse().ok()
    }

    fn words(&mut self) -> Option<Vec<String>> {
        let mut words = Vec::new();
        if self.take("(").is_some() {
            loop {
                words.push(self.word()?);
                if self.take(")").is_some() {
                    break;
                }
                self.take("|")?;
            }
        }
        Some(words)
    }

    fn word(&mut self) -> Option<String> {
        if self.rest.starts_with('"') {
            return self.name();
        }
        let end = self.rest.find(['|', ')'])?;
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(word.to_owned())
    }

    fn fact(&mut self) -> Option<Fact> {
        let mut fact = Fact::default();
        loop {
            self.one(&mut fact)?;
            if self.take("/").is_none() {
                break;
            }
        }
        fact.null = self.take("?").is_some();
        Some(fact)
    }

    fn number(&mut self) -> Option<Number> {
        let maximum = if self.take("<").is_some() { Some(self.digits()?) } else { None };
        Some(Number { maximum, words: self.words()? })
    }

    fn one(&mut self, fact: &mut Fact) -> Option<()> {
        let letter = self.rest.chars().next()?;
        if letter == '@' {
            let end = self.rest.get(1..)?.find(|letter: char| !letter.is_ascii_digit());
            let (name, rest) = self.rest.split_at_checked(end.map_or(self.rest.len(), |end| end + 1))?;
            fact.object = Some(Arc::clone(self.shapes.get(name)?));
            self.rest = rest;
            return Some(());
        }
        self.rest = self.rest.get(letter.len_utf8()..)?;
        match letter {
            '*' => fact.any = true,
            'b' => fact.boolean = true,
            'f' => fact.file = true,
            'i' => fact.integer = Some(self.number()?),
            'n' => fact.number = Some(self.number()?),
            's' => {
                let length_max = if self.rest.starts_with(|letter: char| letter.is_ascii_digit()) {
                    let end = self.rest.find(|letter: char| !letter.is_ascii_digit());
                    let (digits, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
                    self.rest = rest;
                    Some(digits.parse().ok()?)
                } else {
                    None
                };
                fact.text = Some(Text { length_max, words: self.words()? });
            }
            '[' => {
                let item = self.fact()?;
                let most = if self.take(";").is_some() {
                    let end = self.rest.find(']')?;
                    let (digits, rest) = self.rest.split_at_checked(end)?;
                    self.rest = rest;
                    Some(digits.parse().ok()?)
                } else {
                    None
                };
                self.take("]")?;
                fact.list = Some((Box::new(item), most));
            }
            '{' => {
                let mut object = Object::default();
                while self.take("}").is_none() {
                    if self.take("*").is_some() {
                        object.open = true;
                    } else {
                        object.fields.push(self.field(":")?);
                    }
                    if self.take(",").is_none() {
                        self.take("}")?;
                        break;
                    }
                }
                fact.object = Some(Arc::new(object));
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let facts = facts();
        assert_eq!(facts.unread, Vec::<&str>::new());
        assert!(facts.operations.len() > 500, "{}", facts.operations.len());
        let product = facts.operation("POST", "/v3/catalog/products").expect("products");
        let object = product.json.as_ref().and_then(|body| body.object.as_ref()).expect("an object");
        let name = object.field("name").expect("a name");
        assert!(name.required && name.fact.text.as_ref().is_some_and(|text| text.length_max == Some(250)));
        assert!(product.answers(409) && product.status() == 200);
    }

    #[test]
    fn a_word_goes_before_a_parameter() {
        let path = |method, path| facts().find(method, path).map(|(found, values)| (found.path, values));
        assert_eq!(
            path("GET", "/v3/catalog/products/metafields").map(|found| found.0),
            Ok("/v3/catalog/products/metafields")
        );
        assert_eq!(
            path("GET", "/v3/catalog/products/12/images/7"),
            Ok((
                "/v3/catalog/products/{product_id}/images/{image_id}",
                vec!["12".to_owned(), "7".to_owned()]
            ))
        );
        assert_eq!(path("GET", "/v3/catalog/nothing"), Err(vec![]));
        assert!(path("DELETE", "/v3/channels/1").is_err_and(|methods| methods.contains(&"PUT")));
    }
}
