//! Many rows in one statement: each column is an array, and `unnest` makes rows of them again.
//!
//! A row that cannot be made is the fault of the unit that brought it.

use crate::connection::Connection;
use crate::errors::Failure;
use crate::sql::Value;
use wtb_store::StoreError;

/// How many rows one statement writes at the most: what it takes stays far below the gigabyte that
/// the server allows for a message.
pub(crate) const ROWS_MAX: usize = 4_096;

/// The type of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Int,
    Float,
    Bool,
    Text,
    Bytes,
}

impl Kind {
    const fn sql(self) -> &'static str {
        match self {
            Self::Int => "bigint",
            Self::Float => "double precision",
            Self::Bool => "boolean",
            Self::Text => "text",
            Self::Bytes => "bytea",
        }
    }

    fn array(self) -> Value {
        match self {
            Self::Int => Value::Ints(Vec::new()),
            Self::Float => Value::Floats(Vec::new()),
            Self::Bool => Value::Bools(Vec::new()),
            Self::Text => Value::Texts(Vec::new()),
            Self::Bytes => Value::Blobs(Vec::new()),
        }
    }
}

/// A table and those of its columns that are written. Names and types are literals of this program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<const N: usize> {
    /// The table's name.
    pub(crate) name: &'static str,
    /// What one of its rows is called in errors.
    pub(crate) what: &'static str,
    /// The columns.
    pub(crate) columns: [(&'static str, Kind); N],
}

impl<const N: usize> Table<N> {
    /// Inserts rows in their order, with what follows the rows in the statement (such as what to do
    /// about conflicts).
    pub(crate) fn insert(
        &self,
        connection: &mut Connection,
        rows: impl IntoIterator<Item = Result<[Value; N], StoreError>>,
        then: &str,
    ) -> Result<(), Failure> {
        let names = self.names().join(", ");
        let unnest = self.unnest();
        // The order matters where keys are made by the database.
        let sql = format!(
            "INSERT INTO @.{} ({names}) SELECT {names} FROM {unnest} WITH ORDINALITY \
             AS u ({names}, ordinal) ORDER BY ordinal {then}",
            self.name
        );
        self.run(connection, &sql, rows)
    }

    /// Updates rows by the first `keys` columns; the others are set by `set`, where `u` is the new
    /// row and `t` the old one, or simply replaced where `set` is empty.
    pub(crate) fn update(
        &self,
        connection: &mut Connection,
        rows: impl IntoIterator<Item = Result<[Value; N], StoreError>>,
        keys: usize,
        set: &str,
    ) -> Result<(), Failure> {
        let names = self.names();
        let (keys, others) = names.split_at(keys.min(N));
        let replaced: Vec<_> = others.iter().map(|name| format!("{name} = u.{name}")).collect();
        let set = if set.is_empty() { replaced.join(", ") } else { set.to_owned() };
        let sql = format!(
            "UPDATE @.{} t SET {set} FROM {} AS u ({}) WHERE {}",
            self.name,
            self.unnest(),
            names.join(", "),
            equal(keys)
        );
        self.run(connection, &sql, rows)
    }

    /// Deletes the rows that have these values in all columns.
    pub(crate) fn delete(
        &self,
        connection: &mut Connection,
        rows: impl IntoIterator<Item = Result<[Value; N], StoreError>>,
    ) -> Result<(), Failure> {
        let names = self.names();
        let sql = format!(
            "DELETE FROM @.{} t USING {} AS u ({}) WHERE {}",
            self.name,
            self.unnest(),
            names.join(", "),
            equal(&names)
        );
        self.run(connection, &sql, rows)
    }

    fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _)| *name).collect()
    }

    fn unnest(&self) -> String {
        let arrays: Vec<_> = (1..)
            .zip(&self.columns)
            .map(|(number, (_, kind))| format!("${number}::{}[]", kind.sql()))
            .collect();
        format!("unnest({})", arrays.join(", "))
    }

    fn run(
        &self,
        connection: &mut Connection,
        sql: &str,
        rows: impl IntoIterator<Item = Result<[Value; N], StoreError>>,
    ) -> Result<(), Failure> {
        let doing = format!("writing {}", self.what);
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut arrays = self.columns.map(|(_, kind)| kind.array());
            for row in rows.by_ref().take(ROWS_MAX) {
                for (array, value) in arrays.iter_mut().zip(row.map_err(Failure::Data)?) {
                    push(array, value).map_err(|()| self.misfit())?;
                }
            }
            connection.execute(sql, &arrays, &doing)?;
        }
        Ok(())
    }

    /// A value of another type than its column's is a mistake of this program.
    fn misfit(&self) -> Failure {
        Failure::Data(StoreError::Backend {
            doing: format!("writing {}", self.what),
            reason: format!("a value does not fit its column of `{}`", self.name),
        })
    }
}

/// Joins lists of columns, at compile time. `N` must be their number.
pub(crate) const fn columns<const N: usize>(
    lists: &[&[(&'static str, Kind)]],
) -> [(&'static str, Kind); N] {
    let mut joined = [("", Kind::Int); N];
    let (mut list, mut next) = (0, 0);
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            joined[next] = lists[list][index];
            (index, next) = (index + 1, next + 1);
        }
        list += 1;
    }
    assert!(next == N, "the lists have another length");
    joined
}

/// Makes a row of cells. That their number is not `N` is a mistake of this program.
pub(crate) fn cells<const N: usize>(
    cells: impl IntoIterator<Item = Value>,
) -> Result<[Value; N], StoreError> {
    let cells: Vec<Value> = cells.into_iter().collect();
    cells.try_into().map_err(|cells: Vec<Value>| StoreError::Backend {
        doing: "writing a row".to_owned(),
        reason: format!("it has {} columns, not {N}", cells.len()),
    })
}

fn equal(names: &[&str]) -> String {
    let pairs: Vec<_> = names.iter().map(|name| format!("t.{name} = u.{name}")).collect();
    pairs.join(" AND ")
}

/// Columns of rows outside a statement on one table.
#[derive(Debug)]
pub(crate) struct Arrays<const N: usize>([Value; N]);

impl<const N: usize> Arrays<N> {
    /// No rows, of columns of these types.
    pub(crate) fn new(kinds: [Kind; N]) -> Self {
        Self(kinds.map(Kind::array))
    }

    /// Adds a row. That a value is of another type is a mistake of this program.
    pub(crate) fn push(&mut self, row: [Value; N]) -> Option<()> {
        self.0.iter_mut().zip(row).try_for_each(|(array, value)| push(array, value)).ok()
    }

    /// The columns.
    pub(crate) fn into_values(self) -> [Value; N] {
        self.0
    }
}

fn push(array: &mut Value, value: Value) -> Result<(), ()> {
    match (array, value) {
        (Value::Ints(array), Value::Int(value)) => array.push(value),
        (Value::Floats(array), Value::Float(value)) => array.push(value),
        (Value::Bools(array), Value::Bool(value)) => array.push(value),
        (Value::Texts(array), Value::Text(value)) => array.push(value),
        (Value::Blobs(array), Value::Bytes(value)) => array.push(value),
        _ => return Err(()),
    }
    Ok(())
}
