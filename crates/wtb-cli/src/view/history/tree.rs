//! Checkpoints in the order of their history: chains, which part where an execution was rolled back.

use std::collections::{HashMap, HashSet};

use super::Step;
use crate::text::plural;

/// A line of the tree.
pub(super) struct Line<'a> {
    /// What is drawn before it.
    pub(super) prefix: String,
    /// What is drawn before lines that belong to it.
    pub(super) below: String,
    pub(super) what: What<'a>,
}

/// What a line of the tree shows.
pub(super) enum What<'a> {
    Step(&'a Step),
    /// The beginning of a branch, by the lineages that went this way.
    Branch(String),
}

/// A way on from a checkpoint.
struct Branch<'a> {
    /// What subgraphs did on the way.
    inner: Vec<&'a Step>,
    next: Option<&'a Step>,
}

impl Branch<'_> {
    fn title(&self) -> String {
        let first = self.next.or_else(|| self.inner.first().copied());
        let lineages = first.map_or(&[][..], |step| step.lineages.as_slice());
        let numbers: Vec<_> = lineages.iter().map(ToString::to_string).collect();
        let word = plural(numbers.len() as u64, "lineage");
        let word = word.trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start();
        format!("{word} {}", numbers.join(", "))
    }

    fn takes(&self, step: &Step) -> bool {
        let own = self.next.or_else(|| self.inner.first().copied());
        own.is_some_and(|own| step.lineages.iter().any(|number| own.lineages.contains(number)))
    }
}

/// Lays checkpoints out.
pub(super) fn lines(steps: &[Step]) -> Vec<Line<'_>> {
    let tree = Tree::of(steps);
    let mut lines = Vec::new();
    tree.branches_of(None, "", &mut lines);
    lines
}

struct Tree<'a> {
    children: HashMap<Option<&'a str>, Vec<&'a Step>>,
    inner: HashMap<&'a str, Vec<&'a Step>>,
}

impl<'a> Tree<'a> {
    fn of(steps: &'a [Step]) -> Self {
        let ids: HashSet<_> = steps.iter().map(|step| step.id.as_str()).collect();
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        let mut inner: HashMap<_, Vec<_>> = HashMap::new();
        for step in steps {
            if step.path.is_empty() {
                let parent = step.parent.as_deref().filter(|id| ids.contains(id));
                children.entry(parent).or_default().push(step);
            } else {
                inner.entry(step.root.as_str()).or_default().push(step);
            }
        }
        Self { children, inner }
    }

    /// Lays out every way on from a checkpoint, or every beginning.
    fn branches_of(&self, from: Option<&Step>, prefix: &str, lines: &mut Vec<Line<'a>>) {
        let mut from = from.map(|step| step.id.clone());
        loop {
            let mut branches = self.branches(from.as_deref());
            if branches.len() > 1 {
                self.fan_out(&branches, prefix, lines);
                return;
            }
            let Some(only) = branches.pop() else { return };
            for step in only.inner.iter().chain(&only.next) {
                lines.push(plain(prefix, step));
            }
            // A chain may be long: it is walked, and not called.
            let Some(next) = only.next else { return };
            from = Some(next.id.clone());
        }
    }

    fn fan_out(&self, branches: &[Branch<'a>], prefix: &str, lines: &mut Vec<Line<'a>>) {
        for (index, branch) in branches.iter().enumerate() {
            let is_last = index + 1 == branches.len();
            let (knot, rail) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let below = format!("{prefix}{rail}");
            lines.push(Line {
                prefix: format!("{prefix}{knot}"),
                below: below.clone(),
                what: What::Branch(branch.title()),
            });
            for step in branch.inner.iter().chain(&branch.next) {
                lines.push(plain(&below, step));
            }
            if branch.next.is_some() {
                self.branches_of(branch.next, &below, lines);
            }
        }
    }

    fn branches(&self, from: Option<&str>) -> Vec<Branch<'a>> {
        let children = self.children.get(&from).map_or(&[][..], Vec::as_slice);
        let mut branches: Vec<_> =
            children.iter().map(|step| Branch { inner: Vec::new(), next: Some(*step) }).collect();
        let inner = from.and_then(|id| self.inner.get(id)).map_or(&[][..], Vec::as_slice);
        for step in inner {
            match branches.iter_mut().find(|branch| branch.takes(step)) {
                Some(branch) => branch.inner.push(*step),
                None => branches.push(Branch { inner: vec![*step], next: None }),
            }
        }
        branches
    }
}

fn plain<'a>(prefix: &str, step: &'a Step) -> Line<'a> {
    Line { prefix: prefix.to_owned(), below: prefix.to_owned(), what: What::Step(step) }
}
