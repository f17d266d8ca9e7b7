//! Variants side by side: as many tables as the terminal's width takes, and what they say in words.

mod blocks;
mod figures;
#[cfg(test)]
mod tests;
mod words;

use wtb_engine::comparison::{Comparison, VariantLine};

use crate::text::{Column, Style, Table, Tone};
pub(crate) use blocks::percent;
use blocks::{Block, blocks};

/// Marks those that may be best. A symbol, since colour alone says nothing to many.
const BEST: &str = "*";

/// Returns the comparison as tables with what they say, `limit` columns wide.
pub(crate) fn render(comparison: &Comparison, limit: usize, style: Style) -> String {
    let mut text = String::new();
    for blocks in packed(comparison, blocks(comparison), limit) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&table(comparison, &blocks).render(limit, style));
    }
    text.push_str(&words::effects(comparison, limit, style));
    text.push_str(&words::legend(comparison, limit, style));
    text.push_str(&words::best(comparison, limit, style));
    text.push_str(&words::advice(comparison, limit, style));
    text.push_str(&words::pareto(comparison, limit, style));
    for warning in &comparison.warnings {
        let warning =
            words::paragraph(warning, limit.saturating_sub("warning: ".len()), None, style);
        let (label, rest) = (style.paint(Tone::Warn, "warning:"), "         ");
        for (place, line) in warning.lines().enumerate() {
            let before = if place == 0 { format!("{label} ") } else { rest.to_owned() };
            text.push_str(&format!("{before}{line}\n"));
        }
    }
    text
}

/// Puts blocks side by side as long as they fit; what does not fit begins another table.
fn packed(comparison: &Comparison, blocks: Vec<Block>, limit: usize) -> Vec<Vec<Block>> {
    let mut tables: Vec<Vec<Block>> = Vec::new();
    for block in blocks {
        if let Some(last) = tables.last_mut() {
            last.push(block);
            if table(comparison, last).readable_width() <= limit {
                continue;
            }
            let block = last.pop();
            tables.push(block.into_iter().collect());
        } else {
            tables.push(vec![block]);
        }
    }
    tables
}

fn table(comparison: &Comparison, blocks: &[Block]) -> Table {
    let columns = || blocks.iter().flat_map(|block| &block.columns);
    let mut titles = vec![Column::left(""), Column::left("variant").shrinking()];
    titles.extend(columns().map(|(column, _)| column.clone()));
    let mut table = Table::new(titles);
    for (place, line) in comparison.variants.iter().enumerate() {
        let mut cells = name_cells(comparison, line).to_vec();
        cells.extend(columns().map(|(_, cells)| cells[place].clone()));
        table.row(cells, tone(comparison, line));
    }
    table
}

fn name_cells(comparison: &Comparison, line: &VariantLine) -> [String; 2] {
    let mark = if comparison.best_set.contains(&line.name) { BEST } else { "" };
    let is_baseline = comparison.baseline.as_ref() == Some(&line.name);
    let name = if is_baseline && line.name != "baseline" {
        format!("{} (baseline)", line.name)
    } else {
        line.name.clone()
    };
    [mark.to_owned(), name]
}

fn tone(comparison: &Comparison, line: &VariantLine) -> Option<Tone> {
    (comparison.best.as_ref() == Some(&line.name)).then_some(Tone::Good)
}
