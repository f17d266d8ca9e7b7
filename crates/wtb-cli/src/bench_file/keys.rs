//! The keys of a bench file.

use super::shape::{Key, Shape};

/// The runners that a bench file and the command line can name.
pub(crate) const RUNNERS: &[&str] = &["inline", "thread", "process", "ray"];

/// The ways to make workspaces, best first.
const RUNGS: &[&str] = &["overlay", "reflink", "hardlink", "copy"];

/// When a bench file and the command line can have the state stored.
pub(crate) const CHECKPOINTS: &[&str] = &["step", "exit", "off"];

const fn key(name: &'static str, shape: Shape, meaning: &'static str) -> Key {
    Key { name, shape, required: false, meaning }
}

const fn required(name: &'static str, shape: Shape, meaning: &'static str) -> Key {
    Key { name, shape, required: true, meaning }
}

/// The keys of the file itself.
pub(crate) const BENCH: &[Key] = &[
    key(
        "name",
        Shape::Text,
        "What the batch is called. Default: the name of the bench file's directory.",
    ),
    required(
        "workflow",
        Shape::Reference,
        "The workflow as `module:attribute`: a `wtb.Workflow`, a LangGraph graph or a factory. The bench file's directory is searched first.",
    ),
    required(
        "cases",
        Shape::Either(&[Shape::CasesSource, Shape::List(&Shape::Record(CASE))]),
        "The test cases: a JSON Lines or CSV file (relative to the bench file), a reference to a list or a function that returns one, or a list of tables.",
    ),
    key(
        "variants",
        Shape::List(&Shape::Record(VARIANT)),
        "The variants to compare. Default, without `grid`: the baseline alone.",
    ),
    key(
        "grid",
        Shape::Record(GRID),
        "Axes whose every combination is a variant, besides those of `variants`; the last axis changes fastest.",
    ),
    key(
        "evaluators",
        Shape::List(&Shape::Evaluator),
        "What scores an execution: built-in evaluators by name, your own by reference, or a table with `use` and arguments. Default: the metrics that nodes log.",
    ),
    key(
        "metric",
        Shape::Text,
        "The primary metric. Default: the first evaluator's, else the first one that the workflow logged.",
    ),
    key("repeats", Shape::Whole(1), "How often each variant runs each case. Default: 1."),
    key(
        "runner",
        Shape::Word(RUNNERS),
        "Where attempts run: `inline` (one after the other, in the main thread), `thread`, `process` (each in a process of its own), or `ray` (in processes on the machines of a Ray cluster). Default: `thread`.",
    ),
    key(
        "process",
        Shape::Record(PROCESS),
        "How the processes of the runners `process` and `ray` are made.",
    ),
    key("ray", Shape::Record(RAY), "How the runner `ray` uses its cluster."),
    key(
        "max_workers",
        Shape::Whole(1),
        "How many attempts run at once. Default: the runner's own.",
    ),
    key("timeout", Shape::Duration, "How long one attempt may take. Default: without limit."),
    key("retries", Shape::Whole(0), "How many further attempts a failed one is given. Default: 0."),
    key("seed", Shape::Whole(0), "Seeds the order of cases and every execution. Default: 0."),
    key(
        "fail_fast",
        Shape::FailFast,
        "When to give the batch up: `true` at the first error, a count of errors, or a share of ended executions. Default: never.",
    ),
    key(
        "error",
        Shape::Word(&["zero", "exclude", "fail"]),
        "How an execution that ended with an error counts in a mean: as 0, not at all, or by taking the variant's mean away. Default: `zero`.",
    ),
    key("limit", Shape::Whole(1), "Run only this many of the cases, from the first. Default: all."),
    key(
        "window",
        Shape::Whole(1),
        "How many attempts may run or await their scores at once, before no more are handed out. Default: the engine's own.",
    ),
    key(
        "checkpoints",
        Shape::Word(CHECKPOINTS),
        "When the state is stored, to go back to and to go on from: after each `step`, at the `exit` of an attempt, or never (`off`). Default: `step`.",
    ),
    key(
        "breakpoints",
        Shape::Labels,
        "Nodes before which executions are paused; `wtb resume` goes on with one. Default: none.",
    ),
    key(
        "on_interrupt",
        Shape::Reference,
        "What answers questions (LangGraph: interrupts) that a case does not answer: `module:function`. Default: they await an answer by `wtb resume`.",
    ),
    key(
        "workspace",
        Shape::Either(&[Shape::Text, Shape::Record(WORKSPACE)]),
        "The directory of inputs (relative to the bench file) of which each execution gets a private copy to work on, or a table that says more. Default: none.",
    ),
    key(
        "store",
        Shape::Text,
        "The store: a directory (relative to the bench file) or an address. Default: `.wtb` in the working directory.",
    ),
    key(
        "object_store",
        Shape::Text,
        "A directory (relative to the bench file) for the bytes of large values and files, which all machines have under the same path. The store remembers it. Default: what the store says, which is its database at first.",
    ),
];

const PROCESS: &[Key] = &[
    key(
        "isolation",
        Shape::Word(&["fresh", "warm"]),
        "A process for each attempt (`fresh`), or for each worker, which then makes many attempts (`warm`). Default: `fresh`.",
    ),
    key(
        "memory",
        Shape::Either(&[Shape::Text, Shape::Whole(1)]),
        "Memory that an attempt's processes may use together: a number of bytes, or a text such as `2 GiB`. Default: without limit.",
    ),
    key(
        "cpu_time",
        Shape::Duration,
        "CPU time that each process of an attempt may use. Default: without limit.",
    ),
    key("nice", Shape::Whole(0), "Added to the niceness of the processes, up to 19. Default: 0."),
    key(
        "grace",
        Shape::Duration,
        "How long a process that is asked to end may take before it is killed, up to 20 s. Default: 2 s.",
    ),
    key("environment", Shape::Map(&Shape::Text), "Environment variables of the processes."),
    key(
        "directory",
        Shape::Text,
        "The processes' working directory. Default: that of the command.",
    ),
    key("preload", Shape::Labels, "Further modules that are imported once for all processes."),
    key(
        "command",
        Shape::List(&Shape::Text),
        "A program that makes the attempts, with its arguments, in the place of Python.",
    ),
];

const RAY: &[Key] = &[
    key(
        "ray_address",
        Shape::Text,
        "Where the cluster is, for example `ray-head:6379`; `local` starts one on this machine for the batch. Default: `auto`.",
    ),
    key("ray_namespace", Shape::Text, "The cluster's namespace. Default: `wtb`."),
    key(
        "num_cpus_per_task",
        Shape::Amount,
        "CPUs that Ray sets aside for each of an actor's processes. Default: 1.",
    ),
    key("memory_per_task_gb", Shape::Amount, "GiB of memory, likewise. Default: 2."),
    key(
        "resources_per_task",
        Shape::Map(&Shape::Amount),
        "Custom resources of the cluster, likewise. Default: none.",
    ),
    key(
        "tasks_per_actor",
        Shape::Whole(1),
        "How many attempts an actor makes at once. Default: 1.",
    ),
    key("min_actors", Shape::Whole(0), "How many actors are there at least. Default: 1."),
    key("max_actors", Shape::Whole(1), "How many actors are there at most. Default: 10."),
    key(
        "max_pending_tasks",
        Shape::Whole(1),
        "How many attempts are handed out at once, over all actors. Default: 100.",
    ),
    key(
        "max_retries",
        Shape::Whole(0),
        "How often an execution is tried again whose attempt was lost with its process or actor. Default: 3.",
    ),
    key(
        "actor_max_restarts",
        Shape::Whole(0),
        "How many actors of a batch may be lost and replaced. Default: 3.",
    ),
    key(
        "actor_creation_timeout",
        Shape::Duration,
        "How long an actor may take until it is ready. Default: 60 s.",
    ),
    key(
        "result_timeout",
        Shape::Duration,
        "How long an actor may be silent before it is given up. Default: 4 s.",
    ),
    key(
        "idle_timeout",
        Shape::Duration,
        "How long an actor beyond `min_actors` may have nothing to do. Default: 10 s.",
    ),
    key(
        "object_store_memory_gb",
        Shape::Amount,
        "GiB that a cluster which is started here has for objects. Default: Ray's own choice.",
    ),
    key(
        "num_cpus",
        Shape::Whole(1),
        "CPUs that a cluster which is started here has. Default: those of the machine.",
    ),
    key(
        "runtime_env",
        Shape::Map(&Shape::Anything),
        "The environment that Ray makes for the actors. Default: none.",
    ),
];

const WORKSPACE: &[Key] = &[
    key("inputs", Shape::Text, "The directory of inputs, relative to the bench file."),
    key(
        "column",
        Shape::Text,
        "The column of the file of cases that names each case's own directory of inputs, relative to that file.",
    ),
    key(
        "rung",
        Shape::Word(RUNGS),
        "How workspaces are made. Default: the first of these that works where they are made, but for `hardlink`.",
    ),
    key(
        "keep",
        Shape::Word(&["failed", "all", "none"]),
        "Which workspaces stay when their attempts have ended: those of attempts that `failed` or timed out, `all`, or `none`. Default: `failed`.",
    ),
];

const CASE: &[Key] = &[
    required("input", Shape::Anything, "The initial state."),
    key("expected", Shape::Anything, "What evaluators compare the output with."),
    key("id", Shape::Text, "Its id, unique among the cases. Default: derived from its content."),
    key("tags", Shape::Labels, "Free labels."),
    key("group", Shape::Text, "The group it belongs to, for cases that are not independent."),
    key(
        "answers",
        Shape::Either(&[Shape::List(&Shape::Anything), Shape::Map(&Shape::Anything)]),
        "Answers to the questions that its executions ask: a list, in the order in which is asked, or a table from question to answer.",
    ),
    key(
        "workspace",
        Shape::Text,
        "The directory of inputs that its executions work on, relative to the bench file.",
    ),
];

const VARIANT: &[Key] = &[
    key("name", Shape::Text, "Its name. Default: its `node=implementation` pairs."),
    key(
        "nodes",
        Shape::Map(&Shape::Text),
        "Node to implementation: a registered name, `module:function`, or `baseline`.",
    ),
    key("config", Shape::Map(&Shape::Anything), "Entries of LangGraph's config."),
    key("context", Shape::Map(&Shape::Anything), "Entries of LangGraph's runtime context."),
    key("params", Shape::Map(&Shape::Anything), "Arguments of the graph's factory."),
    key("graph", Shape::Reference, "A whole other graph in the place of the workflow's own."),
    key(
        "environment",
        Shape::Map(&Shape::Anything),
        "What it needs of where it runs, as Ray's `runtime_env`. The Ray runner gives it all, the process runner `env_vars`.",
    ),
];

const GRID: &[Key] = &[
    key("nodes", Shape::Map(&Shape::List(&Shape::Text)), "Node to its implementations."),
    key("config", AXES, "Entry of LangGraph's config to its values."),
    key("context", AXES, "Entry of LangGraph's runtime context to its values."),
    key("params", AXES, "Argument of the graph's factory to its values."),
];

const AXES: Shape = Shape::Map(&Shape::List(&Shape::Anything));
