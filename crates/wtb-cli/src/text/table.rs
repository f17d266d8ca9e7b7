//! Tables for a terminal: aligned columns; what does not fit is wrapped, never cut.

use super::tame::on_one_line;
use super::{Style, Tone, width};

const GAP: &str = "  ";
/// A column that may shrink keeps at least this many columns of the terminal.
const SHRUNK_MIN: usize = 12;
/// Down to this many columns, a shrunk column is still easy to read.
const SHRUNK_WELL: usize = 24;

/// On which side a column's cells are flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    title: String,
    align: Align,
    shrinks: bool,
}

impl Column {
    /// A column of text.
    pub(crate) fn left(title: impl Into<String>) -> Self {
        let title = on_one_line(title.into());
        Self { title, align: Align::Left, shrinks: false }
    }

    /// A column of figures.
    pub(crate) fn right(title: impl Into<String>) -> Self {
        let title = on_one_line(title.into());
        Self { title, align: Align::Right, shrinks: false }
    }

    /// Lets the column be wrapped where the table is wider than the terminal.
    pub(crate) fn shrinking(mut self) -> Self {
        self.shrinks = true;
        self
    }
}

/// A row, and the lines below it that keep to no column. A heading is a row without cells.
struct Row {
    cells: Vec<String>,
    tone: Option<Tone>,
    notes: Vec<String>,
}

/// Rows under headings.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Appends a row of as many cells as there are columns, painted as a whole.
    pub(crate) fn row(&mut self, cells: Vec<String>, tone: Option<Tone>) {
        let cells = cells.into_iter().map(on_one_line).collect();
        self.rows.push(Row { cells, tone, notes: Vec::new() });
    }

    /// Puts a line below the row that was appended last.
    pub(crate) fn note(&mut self, line: String) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(line);
        }
    }

    /// Appends a line that keeps to no column.
    pub(crate) fn heading(&mut self, line: String) {
        self.rows.push(Row { cells: Vec::new(), tone: None, notes: vec![line] });
    }

    /// How many columns of the terminal the table takes at the least to be easy to read.
    pub(crate) fn readable_width(&self) -> usize {
        let widths = self.natural_widths();
        let shrunk = widths
            .iter()
            .zip(&self.columns)
            .map(|(width, column)| if column.shrinks { *width.min(&SHRUNK_WELL) } else { *width });
        total(&shrunk.collect::<Vec<_>>())
    }

    /// Returns the table, wrapped into `limit` columns where its columns allow it.
    pub(crate) fn render(&self, limit: usize, style: Style) -> String {
        let widths = self.fit(limit);
        let titles: Vec<_> = self.columns.iter().map(|column| column.title.clone()).collect();
        let mut text = String::new();
        self.render_row(&titles, &widths, Some(Tone::Strong), style, &mut text);
        for row in &self.rows {
            self.render_row(&row.cells, &widths, row.tone, style, &mut text);
            for line in &row.notes {
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        text
    }

    fn natural_widths(&self) -> Vec<usize> {
        let of_column = |index: usize| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
            cells.map(|cell| width(cell)).max().unwrap_or(0).max(width(&self.columns[index].title))
        };
        (0..self.columns.len()).map(of_column).collect()
    }

    /// Takes what is too much from the widest column that may shrink, until it fits.
    fn fit(&self, limit: usize) -> Vec<usize> {
        let mut widths = self.natural_widths();
        while total(&widths) > limit {
            let widest = (0..widths.len())
                .filter(|index| self.columns[*index].shrinks && widths[*index] > SHRUNK_MIN)
                .max_by_key(|index| widths[*index]);
            match widest {
                Some(index) => widths[index] -= 1,
                None => break,
            }
        }
        widths
    }

    fn render_row(
        &self,
        cells: &[String],
        widths: &[usize],
        tone: Option<Tone>,
        style: Style,
        text: &mut String,
    ) {
        let wrapped: Vec<_> =
            cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
        for index in 0..wrapped.iter().map(Vec::len).max().unwrap_or(0) {
            let parts: Vec<_> = wrapped
                .iter()
                .zip(widths)
                .zip(&self.columns)
                .map(|((lines, width), column)| {
                    pad(lines.get(index).map_or("", String::as_str), *width, column.align)
                })
                .collect();
            let joined = parts.join(GAP);
            let line = joined.trim_end();
            text.push_str(&tone.map_or_else(|| line.to_owned(), |tone| style.paint(tone, line)));
            text.push('\n');
        }
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

fn pad(text: &str, to: usize, align: Align) -> String {
    let blanks = " ".repeat(to.saturating_sub(width(text)));
    match align {
        Align::Left => format!("{text}{blanks}"),
        Align::Right => format!("{blanks}{text}"),
    }
}

/// Breaks a text into lines, after a blank, a comma or an underscore where there is one.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in text.split_inclusive([' ', ',', '_']) {
        if width(&line) + width(piece.trim_end()) > limit && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        for letter in piece.chars() {
            if width(&line) + width(letter.encode_utf8(&mut [0; 4])) > limit && letter != ' ' {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            line.push(letter);
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = vec![Column::left("variant").shrinking(), Column::right("mean")];
        let mut table = Table::new(columns);
        table.row(vec!["retrieve=dense,answer=short".to_owned(), "0.5".to_owned()], None);
        table.row(vec!["naïve".to_owned(), "12.25".to_owned()], None);
        table
    }

    #[test]
    fn columns_are_aligned() {
        insta::assert_snapshot!(table().render(80, Style::plain()), @r"
        variant                       mean
        retrieve=dense,answer=short    0.5
        naïve                        12.25
        ");
    }

    #[test]
    fn a_long_cell_is_wrapped_at_a_comma_and_nothing_is_lost() {
        insta::assert_snapshot!(table().render(26, Style::plain()), @r"
        variant               mean
        retrieve=dense,        0.5
        answer=short
        naïve                12.25
        ");
    }

    #[test]
    fn lines_between_rows_keep_to_no_column() {
        let mut table = table();
        table.note("  = shorter than the other one".to_owned());
        table.heading("the rest".to_owned());
        table.row(vec!["c".to_owned(), "1".to_owned()], None);
        insta::assert_snapshot!(table.render(80, Style::plain()), @r"
        variant                       mean
        retrieve=dense,answer=short    0.5
        naïve                        12.25
          = shorter than the other one
        the rest
        c                                1
        ");
    }

    #[test]
    fn a_word_without_a_break_is_broken_anywhere() {
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
