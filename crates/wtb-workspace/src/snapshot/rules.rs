//! Which files are left out of snapshots.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::{TreePath, WorkspaceError};

/// The file with rules, in the directory that workspaces are made of.
pub const RULES_FILE: &str = ".wtbignore";

/// What is left out by default: caches that programs make again by themselves. A rule that begins with
/// `!` in [`RULES_FILE`] takes one back. `.git` is not among them, since a repository that a node works
/// in is part of what it has done.
pub const IGNORED_BY_DEFAULT: &[&str] =
    &["__pycache__/", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/"];

/// Rules in the syntax of `.gitignore`: those by default, and behind them those of [`RULES_FILE`].
///
/// # Examples
///
/// ```
/// use wtb_workspace::Rules;
///
/// let rules = Rules::parse("*.tmp\n!keep.tmp\n")?;
/// assert_eq!(rules.rule_for(b"a/b.tmp", false).as_deref(), Some("*.tmp"));
/// assert_eq!(rules.rule_for(b"a/keep.tmp", false), None);
/// assert_eq!(rules.rule_for(b"__pycache__", true).as_deref(), Some("__pycache__/"));
/// # Ok::<(), wtb_workspace::WorkspaceError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rules {
    matcher: Gitignore,
    /// Whether all rules are about directories: then nobody needs to ask about a file.
    only_directories: bool,
}

impl Rules {
    /// Reads the rules of a directory; without a file of them they are those by default.
    pub fn of(directory: &Path) -> Result<Self, WorkspaceError> {
        let path = directory.join(RULES_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::build(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::parse(""),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                let reason = "it is not UTF-8".to_owned();
                Err(WorkspaceError::Rules { path, reason })
            }
            Err(source) => Err(WorkspaceError::io("read", &path)(source)),
        }
    }

    /// Parses rules that follow those by default.
    pub fn parse(text: &str) -> Result<Self, WorkspaceError> {
        Self::build(text, Path::new(RULES_FILE))
    }

    fn build(text: &str, path: &Path) -> Result<Self, WorkspaceError> {
        let fails = |error: ignore::Error| WorkspaceError::Rules {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let mut builder = GitignoreBuilder::new("");
        for line in IGNORED_BY_DEFAULT.iter().copied().chain(text.lines()) {
            builder.add_line(None, line).map_err(fails)?;
        }
        let is_rule = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let only_directories =
            text.lines().map(str::trim_end).filter(is_rule).all(|line| line.ends_with('/'));
        let matcher = builder.build().map_err(fails)?;
        Ok(Self { matcher, only_directories })
    }

    /// Returns the rule that leaves a path out, if one does. Of a path whose directory was left out
    /// nobody asks.
    pub fn rule_for(&self, path: &[u8], is_directory: bool) -> Option<String> {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        if self.only_directories && !is_directory {
            return None;
        }
        match self.matcher.matched(path, is_directory) {
            ignore::Match::Ignore(rule) => Some(rule.original().to_owned()),
            ignore::Match::None | ignore::Match::Whitelist(_) => None,
        }
    }
}

/// Why something is not in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A rule says so.
    Rule(String),
    /// It is neither file nor directory nor symbolic link, but for example a `socket`.
    Special(&'static str),
    /// It cannot be read, for the reason given.
    Unreadable(String),
    /// It is a directory below more others than are looked into.
    Deep,
}

/// How many paths are listed of what was left out.
const LISTED_MAX: usize = 1_000;

/// What was left out of a snapshot. A directory that is left out counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// How many by rules.
    pub by_rules: u64,
    /// How many since they are sockets and the like.
    pub special: u64,
    /// How many that cannot be read, or lie too deep.
    pub unreadable: u64,
    /// The first thousand of them, and why.
    pub listed: Vec<(TreePath, Reason)>,
}

impl LeftOut {
    pub(crate) fn add(&mut self, path: TreePath, reason: Reason) {
        match reason {
            Reason::Rule(_) => self.by_rules += 1,
            Reason::Special(_) => self.special += 1,
            Reason::Unreadable(_) | Reason::Deep => self.unreadable += 1,
        }
        if self.listed.len() < LISTED_MAX {
            self.listed.push((path, reason));
        }
    }

    /// How many there are in all.
    pub fn count(&self) -> u64 {
        self.by_rules + self.special + self.unreadable
    }
}
