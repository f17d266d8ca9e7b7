//! What a value in a bench file may look like: the one description from which the reader, its
//! error texts and the published JSON Schema are all made.

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its value may look like.
    pub(crate) shape: Shape,
    /// Whether it has to be there.
    pub(crate) required: bool,
    /// What it means, in a sentence for people.
    pub(crate) meaning: &'static str,
}

/// What a value may look like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Any value that JSON can hold.
    Anything,
    /// A text that is not empty.
    Text,
    /// `module:attribute`.
    Reference,
    /// A whole number, not below the given one.
    Whole(u64),
    /// A number, not below 0.
    Amount,
    /// A number of seconds, or a text such as `1h30m`.
    Duration,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// `true` for the first error, a count of errors, or a share of them.
    FailFast,
    /// A file of cases, or the reference of something that returns them.
    CasesSource,
    /// The name or reference of an evaluator, or a table with `use` and its arguments.
    Evaluator,
    /// A table with these keys and no others.
    Record(&'static [Key]),
    /// A table with keys of the user's choice.
    Map(&'static Shape),
    /// A list that is not empty.
    List(&'static Shape),
    /// A list that may be empty.
    Labels,
    /// The first of these whose kind of value it is.
    Either(&'static [Shape]),
}

/// The kinds of values that TOML tells apart, as error texts call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    Number,
    Boolean,
    Date,
    List,
    Table,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date or time",
            Self::List => "a list",
            Self::Table => "a table",
        }
    }
}

impl Shape {
    /// Whether a value of this kind can have this shape at all.
    pub(crate) fn takes(&self, kind: Kind) -> bool {
        match self {
            Self::Anything => kind != Kind::Date,
            Self::Text | Self::Reference | Self::Word(_) | Self::CasesSource => kind == Kind::Text,
            Self::Whole(_) => kind == Kind::Whole,
            Self::Amount => matches!(kind, Kind::Whole | Kind::Number),
            Self::Duration => matches!(kind, Kind::Text | Kind::Whole | Kind::Number),
            Self::FailFast => matches!(kind, Kind::Boolean | Kind::Whole | Kind::Number),
            Self::Evaluator => matches!(kind, Kind::Text | Kind::Table),
            Self::Record(_) | Self::Map(_) => kind == Kind::Table,
            Self::List(_) | Self::Labels => kind == Kind::List,
            Self::Either(shapes) => shapes.iter().any(|shape| shape.takes(kind)),
        }
    }

    /// Says what is expected, to follow "must be".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Anything => "a value that JSON can hold".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Reference => "a reference `module:attribute`".to_owned(),
            Self::Whole(0) => "a whole number".to_owned(),
            Self::Whole(least) => format!("a whole number of at least {least}"),
            Self::Amount => "a number from 0 on".to_owned(),
            Self::Duration => "a number of seconds, or a text such as `90s` or `1h30m`".to_owned(),
            Self::Word(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::FailFast => "true, a count of errors, or a share of them below 1.0".to_owned(),
            Self::CasesSource => {
                "a file `*.jsonl` or `*.csv`, or a reference `module:attribute`".to_owned()
            }
            Self::Evaluator => {
                "an evaluator's name, a reference `module:attribute`, or a table with `use`"
                    .to_owned()
            }
            Self::Record(_) | Self::Map(_) => "a table".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Labels => "a list of texts".to_owned(),
            Self::Either(shapes) => {
                let each: Vec<_> = shapes.iter().map(Self::expected).collect();
                each.join(", or ")
            }
        }
    }
}
