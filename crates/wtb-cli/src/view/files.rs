//! Files of executions, and what became of them, as Python found it out.

use serde::Deserialize;

use crate::text::{Column, Style, Table, Tone, bytes, cut, plural};

/// So many differing lines of a file are shown.
const LINES_MAX: usize = 40;

/// What `wtb files` shows.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Files {
    /// What there is.
    Entries { files: Vec<Entry> },
    /// What has changed.
    Changes { changes: Vec<FileChange> },
}

/// A file, a directory or a symbolic link.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entry {
    path: String,
    kind: String,
    mode: String,
    size: Option<u64>,
    hash: Option<String>,
    target: Option<String>,
}

/// What became of a path.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FileChange {
    path: String,
    /// `added`, `removed` or `changed`.
    change: String,
    before: Option<Entry>,
    after: Option<Entry>,
    /// The differing lines of a text.
    lines: Option<Vec<String>>,
}

/// What `wtb restore` has done.
#[derive(Debug, Deserialize)]
pub(crate) struct Restored {
    directory: String,
    files: u64,
    bytes: u64,
}

/// How many characters of a hash are shown.
const HASH_SHOWN: usize = 12;

pub(crate) fn render(files: &Files, limit: usize, style: Style) -> String {
    match files {
        Files::Entries { files } => entries(files).render(limit, style),
        Files::Changes { changes: none } if none.is_empty() => "no file has changed\n".to_owned(),
        Files::Changes { changes: some } => changes(some, limit, style),
    }
}

pub(crate) fn render_restored(restored: &Restored) -> String {
    let Restored { directory, files, bytes: size } = restored;
    format!("restored {} ({}) into {directory}\n", plural(*files, "file"), bytes(*size))
}

fn entries(files: &[Entry]) -> Table {
    let mut table = Table::new(vec![
        Column::left("mode"),
        Column::right("size"),
        Column::left("content"),
        Column::left("path").shrinking(),
    ]);
    for entry in files {
        let hash = entry.hash.as_ref().map(|hash| hash.chars().take(HASH_SHOWN).collect());
        let path = match (&entry.target, entry.kind.as_str()) {
            (Some(target), _) => format!("{} -> {target}", entry.path),
            (None, "directory") => format!("{}/", entry.path),
            _ => entry.path.clone(),
        };
        let size = entry.size.map_or_else(String::new, bytes);
        table.row(vec![entry.mode.clone(), size, hash.unwrap_or_default(), path], None);
    }
    table
}

/// Returns changes: a line for each path, and below it what differs in a text.
pub(crate) fn changes(changes: &[FileChange], limit: usize, style: Style) -> String {
    let mut text = String::new();
    for change in changes {
        let (sign, tone) = match change.change.as_str() {
            "added" => ('+', Tone::Good),
            "removed" => ('-', Tone::Bad),
            _ => ('~', Tone::Strong),
        };
        let line = format!("  {sign} {}{}", change.path, told(change));
        text.push_str(&format!("{}\n", style.paint(tone, &cut(&line, limit))));
        if change.change == "changed" {
            text.push_str(&lines(change.lines.as_deref().unwrap_or_default(), limit, style));
        }
    }
    text
}

/// Says what else there is to say of a change: sizes, permissions, targets.
fn told(change: &FileChange) -> String {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let mut parts = Vec::new();
    match (before.and_then(|one| one.size), after.and_then(|one| one.size)) {
        (Some(old), Some(new)) if old != new => {
            parts.push(format!("{} -> {}", bytes(old), bytes(new)));
        }
        (Some(size), None) | (None, Some(size)) => parts.push(bytes(size)),
        _ => {}
    }
    if let (Some(before), Some(after)) = (before, after) {
        if before.kind != after.kind {
            parts.push(format!("{} -> {}", before.kind, after.kind));
        } else if before.mode != after.mode {
            parts.push(format!("mode {} -> {}", before.mode, after.mode));
        }
        if before.target != after.target
            && let Some(target) = &after.target
        {
            parts.push(format!("now -> {target}"));
        }
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn lines(lines: &[String], limit: usize, style: Style) -> String {
    let mut text = String::new();
    for line in lines.iter().take(LINES_MAX) {
        let tone = match line.chars().next() {
            Some('-') => Tone::Bad,
            Some('+') => Tone::Good,
            _ => Tone::Faint,
        };
        let shown = cut(line, limit.saturating_sub(6));
        text.push_str(&format!("      {}\n", style.paint(tone, &shown)));
    }
    if lines.len() > LINES_MAX {
        let more = plural((lines.len() - LINES_MAX) as u64, "line");
        text.push_str(&format!("      [... {more} more; `--json` has all ...]\n"));
    }
    text
}

/// The files that were written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Written {
    written: Vec<WrittenFile>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct WrittenFile {
    path: String,
    bytes: u64,
}

/// Returns a line for each file that was written.
pub(crate) fn render_written(found: &Written) -> String {
    let line = |file: &WrittenFile| format!("wrote {} ({})\n", file.path, bytes(file.bytes));
    found.written.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rendered(document: Value) -> String {
        render(&serde_json::from_value(document).unwrap(), 80, Style::plain())
    }

    fn file(path: &str, mode: &str, size: u64) -> Value {
        json!({"path": path, "kind": "file", "mode": mode, "size": size,
               "hash": "0123456789abcdef", "target": null})
    }

    #[test]
    fn files_are_listed() {
        let text = rendered(json!({"files": [
            {"path": "data", "kind": "directory", "mode": "0755", "size": null, "hash": null,
             "target": null},
            file("data/a.csv", "0644", 2048),
            {"path": "latest", "kind": "symlink", "mode": "0777", "size": null, "hash": null,
             "target": "data/a.csv"},
        ]}));
        insta::assert_snapshot!(text, @r"
        mode        size  content       path
        0755                            data/
        0644  2048 bytes  0123456789ab  data/a.csv
        0777                            latest -> data/a.csv
        ");
    }

    #[test]
    fn changes_say_what_became_of_each_path() {
        let text = rendered(json!({"changes": [
            {"path": "a.txt", "change": "changed", "before": file("a.txt", "0644", 10),
             "after": file("a.txt", "0644", 12), "lines": ["@@ -1 +1 @@", "-old", "+new"]},
            {"path": "b.bin", "change": "added", "before": null,
             "after": file("b.bin", "0644", 2048), "lines": null},
            {"path": "c.sh", "change": "changed", "before": file("c.sh", "0644", 10),
             "after": file("c.sh", "0755", 10), "lines": []},
            {"path": "d.txt", "change": "removed", "before": file("d.txt", "0644", 10),
             "after": null, "lines": ["-x"]},
        ]}));
        insta::assert_snapshot!(text, @r"
        ~ a.txt (10 bytes -> 12 bytes)
            @@ -1 +1 @@
            -old
            +new
        + b.bin (2048 bytes)
        ~ c.sh (mode 0644 -> 0755)
        - d.txt (10 bytes)
        ");
        assert_eq!(rendered(json!({"changes": []})), "no file has changed\n");
    }
}
