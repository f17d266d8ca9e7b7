//! Reading TOML by its shape: a checked JSON value, or the first problem and where it is.

use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Number, Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::shape::{Key, Kind, Shape};
use crate::near::{nearest, suggestion};
use crate::text::parse_duration;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) at: Option<Range<usize>>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// A value, and how it is called in messages.
struct Item<'a> {
    value: &'a Spanned<DeValue<'a>>,
    path: String,
}

impl Item<'_> {
    fn kind(&self) -> Kind {
        match self.value.get_ref() {
            DeValue::String(_) => Kind::Text,
            DeValue::Integer(_) => Kind::Whole,
            DeValue::Float(_) => Kind::Number,
            DeValue::Boolean(_) => Kind::Boolean,
            DeValue::Datetime(_) => Kind::Date,
            DeValue::Array(_) => Kind::List,
            DeValue::Table(_) => Kind::Table,
        }
    }

    fn problem(&self, message: impl AsRef<str>) -> Problem {
        let message = format!("`{}` {}", self.path, message.as_ref());
        Problem { at: Some(self.value.span()), message, hint: None }
    }

    fn mismatch(&self, shape: &Shape) -> Problem {
        self.problem(format!("must be {}, not {}", shape.expected(), self.kind().name()))
    }

    fn text(&self) -> &str {
        self.value.get_ref().as_str().unwrap_or_default()
    }
}

/// Reads the table of a whole file; `directory` is where its paths start from.
pub(crate) fn read_file(
    table: &Spanned<DeTable<'_>>,
    keys: &[Key],
    directory: &Path,
) -> Result<Value, Problem> {
    let reader = Reader { directory };
    reader.record(table.get_ref(), keys, "", None)
}

struct Reader<'a> {
    directory: &'a Path,
}

impl Reader<'_> {
    fn read(&self, item: &Item<'_>, shape: &Shape) -> Result<Value, Problem> {
        if !shape.takes(item.kind()) {
            return Err(item.mismatch(shape));
        }
        match (shape, item.value.get_ref()) {
            (Shape::Either(shapes), _) => {
                let fitting = shapes.iter().find(|shape| shape.takes(item.kind()));
                fitting.map_or_else(|| Err(item.mismatch(shape)), |shape| self.read(item, shape))
            }
            (Shape::Record(keys), DeValue::Table(table)) => {
                self.record(table, keys, &item.path, Some(item))
            }
            (Shape::Map(inner), DeValue::Table(table)) => self.map(table, inner, &item.path),
            (Shape::List(inner), DeValue::Array(array)) => self.list(item, array, inner),
            (Shape::Labels, DeValue::Array(array)) => self.items(item, array, &Shape::Text),
            (Shape::Evaluator, _) => self.evaluator(item),
            (Shape::Anything, _) => self.anything(item),
            (Shape::Whole(least), _) => whole(item, shape, *least),
            (Shape::Amount, _) => amount(item, shape),
            (Shape::Duration, _) => duration(item),
            (Shape::FailFast, _) => fail_fast(item, shape),
            (Shape::Word(words), _) => word(item, words),
            (Shape::Reference, _) => reference(item, shape),
            (Shape::CasesSource, _) => self.cases_source(item, shape),
            (Shape::Text, _) if item.text().is_empty() => Err(item.problem("must not be empty")),
            (Shape::Text, _) => Ok(Value::from(item.text())),
            _ => Err(item.mismatch(shape)),
        }
    }

    fn record(
        &self,
        table: &DeTable<'_>,
        keys: &[Key],
        path: &str,
        item: Option<&Item<'_>>,
    ) -> Result<Value, Problem> {
        let mut read = Map::new();
        for (name, value) in table {
            let path = join(path, name.get_ref());
            let Some(key) = keys.iter().find(|key| key.name == name.get_ref()) else {
                let known: Vec<_> = keys.iter().map(|key| key.name).collect();
                return Err(Problem {
                    at: Some(name.span()),
                    message: format!("unknown key `{path}`"),
                    hint: Some(suggestion(name.get_ref(), &known)),
                });
            };
            read.insert(key.name.to_owned(), self.read(&Item { value, path }, &key.shape)?);
        }
        for key in keys.iter().filter(|key| key.required) {
            if !read.contains_key(key.name) {
                return Err(Problem {
                    at: item.map(|item| item.value.span()),
                    message: format!("the key `{}` is missing", join(path, key.name)),
                    hint: Some(key.meaning.to_owned()),
                });
            }
        }
        Ok(Value::Object(read))
    }

    fn map(&self, table: &DeTable<'_>, shape: &Shape, path: &str) -> Result<Value, Problem> {
        let mut read = Map::new();
        for (name, value) in table {
            let item = Item { value, path: join(path, name.get_ref()) };
            read.insert(name.get_ref().to_string(), self.read(&item, shape)?);
        }
        Ok(Value::Object(read))
    }

    fn list(
        &self,
        item: &Item<'_>,
        array: &[Spanned<DeValue<'_>>],
        shape: &Shape,
    ) -> Result<Value, Problem> {
        if array.is_empty() {
            return Err(item.problem("must not be an empty list"));
        }
        self.items(item, array, shape)
    }

    fn items(
        &self,
        item: &Item<'_>,
        array: &[Spanned<DeValue<'_>>],
        shape: &Shape,
    ) -> Result<Value, Problem> {
        let read = array.iter().enumerate().map(|(index, value)| {
            self.read(&Item { value, path: format!("{}[{index}]", item.path) }, shape)
        });
        read.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    /// `"name"` or `{ use = "name", argument = value }`, both as `{use, arguments}`.
    fn evaluator(&self, item: &Item<'_>) -> Result<Value, Problem> {
        let DeValue::Table(table) = item.value.get_ref() else {
            return match item.text() {
                "" => Err(item.problem("must not be empty")),
                name => Ok(json!({ "use": name, "arguments": {} })),
            };
        };
        let Value::Object(mut arguments) = self.map(table, &Shape::Anything, &item.path)? else {
            return Err(item.mismatch(&Shape::Evaluator));
        };
        match arguments.shift_remove("use") {
            Some(Value::String(name)) if !name.is_empty() => {
                Ok(json!({ "use": name, "arguments": arguments }))
            }
            Some(_) => Err(item.problem("must have a text as its `use`")),
            None => {
                let near = arguments.keys().find(|key| nearest(key, ["use"]).is_some());
                let mut problem = item.problem("needs the key `use`, the evaluator's name");
                problem.hint = near.map(|key| format!("did you mean `use` by `{key}`?"));
                Err(problem)
            }
        }
    }

    fn cases_source(&self, item: &Item<'_>, shape: &Shape) -> Result<Value, Problem> {
        let text = item.text();
        let is_file = Path::new(text).extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("jsonl") || extension.eq_ignore_ascii_case("csv")
        });
        if !is_file {
            let read = reference(item, shape)?;
            return Ok(json!({ "reference": read }));
        }
        let path = self.directory.join(text);
        if !path.is_file() {
            return Err(item.problem(format!("names a file that is not there: {}", path.display())));
        }
        Ok(json!({ "file": path }))
    }

    fn anything(&self, item: &Item<'_>) -> Result<Value, Problem> {
        match item.value.get_ref() {
            DeValue::String(text) => Ok(Value::from(text.as_ref())),
            DeValue::Boolean(flag) => Ok(Value::from(*flag)),
            DeValue::Integer(_) => integer(item)
                .map(Value::Number)
                .ok_or_else(|| item.problem("is a number too large to be held")),
            DeValue::Float(_) => number(item)
                .and_then(Number::from_f64)
                .map(Value::Number)
                .ok_or_else(|| item.problem("must be a finite number")),
            DeValue::Array(array) => self.items(item, array, &Shape::Anything),
            DeValue::Table(table) => self.map(table, &Shape::Anything, &item.path),
            DeValue::Datetime(_) => {
                let mut problem = item.mismatch(&Shape::Anything);
                problem.hint = Some("put it in quotes to pass it as a text".to_owned());
                Err(problem)
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn integer(item: &Item<'_>) -> Option<Number> {
    let integer = item.value.get_ref().as_integer()?;
    let (digits, radix) = (integer.as_str(), integer.radix());
    let unsigned = u64::from_str_radix(digits, radix).ok().map(Number::from);
    unsigned.or_else(|| i64::from_str_radix(digits, radix).ok().map(Number::from))
}

fn number(item: &Item<'_>) -> Option<f64> {
    match item.value.get_ref() {
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => integer(item)?.as_f64(),
    }
}

fn whole(item: &Item<'_>, shape: &Shape, least: u64) -> Result<Value, Problem> {
    let value = integer(item).and_then(|number| number.as_u64());
    match value.filter(|value| *value >= least && u32::try_from(*value).is_ok()) {
        Some(value) => Ok(Value::from(value)),
        None => Err(item.problem(format!("must be {} below 2^32", shape.expected()))),
    }
}

fn amount(item: &Item<'_>, shape: &Shape) -> Result<Value, Problem> {
    let found = number(item).filter(|amount| amount.is_finite() && *amount >= 0.0);
    found.map(Value::from).ok_or_else(|| item.problem(format!("must be {}", shape.expected())))
}

fn duration(item: &Item<'_>) -> Result<Value, Problem> {
    let text = match item.kind() {
        Kind::Text => item.text().to_owned(),
        _ => number(item).map_or_else(String::new, |seconds| seconds.to_string()),
    };
    parse_duration(&text)
        .map(Value::from)
        .map_err(|reason| item.problem(format!("is wrong: {reason}")))
}

fn fail_fast(item: &Item<'_>, shape: &Shape) -> Result<Value, Problem> {
    match item.value.get_ref() {
        DeValue::Boolean(true) => Ok(Value::from(1)),
        DeValue::Boolean(false) => Ok(Value::Null),
        DeValue::Integer(_) => whole(item, &Shape::Whole(1), 1),
        _ => number(item)
            .filter(|share| *share > 0.0 && *share < 1.0)
            .map(Value::from)
            .ok_or_else(|| item.problem(format!("must be {}", shape.expected()))),
    }
}

fn word(item: &Item<'_>, words: &[&str]) -> Result<Value, Problem> {
    if words.contains(&item.text()) {
        return Ok(Value::from(item.text()));
    }
    let mut problem = item.problem(format!("does not know `{}`", item.text()));
    problem.hint = Some(suggestion(item.text(), words));
    Err(problem)
}

fn reference(item: &Item<'_>, shape: &Shape) -> Result<Value, Problem> {
    let is_path = |text: &str| {
        !text.is_empty() && text.split('.').all(|part| !part.is_empty() && is_name(part))
    };
    match item.text().split_once(':') {
        Some((module, attribute)) if is_path(module) && is_path(attribute) => {
            Ok(Value::from(item.text()))
        }
        _ => Err(item.problem(format!("must be {}, not `{}`", shape.expected(), item.text()))),
    }
}

/// Whether Python would take it for a name.
fn is_name(text: &str) -> bool {
    text.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
        && !text.starts_with(|letter: char| letter.is_ascii_digit())
}
