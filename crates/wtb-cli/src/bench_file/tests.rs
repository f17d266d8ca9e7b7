//! Bench files, right and wrong.

use super::*;
use crate::text::Style;
use serde_json::json;

fn location() -> Location {
    Location { shown: "bench.toml".to_owned(), path: PathBuf::from("/nowhere/bench.toml") }
}

fn read(text: &str) -> BenchFile {
    parse(text, &location()).unwrap()
}

fn error_of(text: &str) -> String {
    parse(text, &location()).unwrap_err().render(Style::plain())
}

const EVERY_KEY: &str = r#"
name = "every key"
workflow = "app.graph:build"
cases = [{ input = { q = 1 }, expected = "x", id = "one", tags = ["a"], group = "g", answers = ["yes"], workspace = "own" }]
variants = [{ name = "v", nodes = { a = "b" }, config = { k = 1 }, context = { l = 0.5 }, params = { m = true }, graph = "x:y", environment = { env_vars = { A = "1" } } }]
evaluators = ["exact_match", { use = "app:score", field = "answer", weights = [1, 2] }]
metric = "exact_match"
repeats = 3
runner = "thread"
max_workers = 8
timeout = "1h30m"
retries = 2
seed = 0xff
fail_fast = 0.5
error = "exclude"
limit = 10
window = 100
checkpoints = "exit"
breakpoints = ["train"]
on_interrupt = "app:answer"
store = "results"
object_store = "objects"

[process]
isolation = "warm"
memory = "2 GiB"
cpu_time = "1m30s"
nice = 5
grace = 0.5
environment = { OMP_NUM_THREADS = "1" }
directory = "work"
preload = ["sklearn.svm"]
command = ["perl", "worker.pl"]

[ray]
ray_address = "local"
ray_namespace = "team"
num_cpus_per_task = 0.5
memory_per_task_gb = 4
resources_per_task = { gpu = 1 }
tasks_per_actor = 4
min_actors = 0
max_actors = 20
max_pending_tasks = 200
max_retries = 1
actor_max_restarts = 9
actor_creation_timeout = "2m"
result_timeout = 8
idle_timeout = "30s"
object_store_memory_gb = 0.5
num_cpus = 2
runtime_env = { env_vars = { A = "b" } }

[workspace]
inputs = "inputs"
column = "files"
rung = "copy"
keep = "all"

[grid]
nodes = { retrieve = ["dense", "app:sparse"] }
config = { k = [1, 2] }
context = { model = ["small"] }
params = { depth = [1] }
"#;

#[test]
fn every_key_of_the_table_is_read() {
    let file = read(EVERY_KEY);
    assert_eq!(file.timeout, Some(5400.0));
    assert_eq!(file.seed, Some(255));
    assert_eq!(file.fail_fast, Some(json!(0.5)));
    assert_eq!(file.process["cpu_time"], json!(90.0));
    assert_eq!(file.process["environment"], json!({"OMP_NUM_THREADS": "1"}));
    assert_eq!(file.ray["num_cpus_per_task"], json!(0.5));
    assert_eq!(file.ray["memory_per_task_gb"], json!(4.0));
    assert_eq!(file.ray["actor_creation_timeout"], json!(120.0));
    assert_eq!(file.ray["runtime_env"], json!({"env_vars": {"A": "b"}}));
    assert_eq!(file.object_store.as_deref(), Some(Path::new("objects")));
    assert_eq!(file.cases[0]["tags"], json!(["a"]));
    let workspace = file.workspace.unwrap().at(Path::new("/bench"));
    assert_eq!(workspace.inputs.as_deref(), Some("/bench/inputs"));
    assert_eq!((workspace.rung.as_deref(), workspace.keep.as_deref()), (Some("copy"), Some("all")));
    let short =
        read("workflow = \"a:b\"\ncases = \"a:c\"\nworkspace = \"/in\"\n").workspace.unwrap();
    assert_eq!(short.at(Path::new("/bench")).inputs.as_deref(), Some("/in"));
    assert_eq!(file.evaluators[0].name, "exact_match");
    assert_eq!(file.evaluators[1].arguments["weights"], json!([1, 2]));
    assert_eq!(file.grid.unwrap().nodes["retrieve"], json!(["dense", "app:sparse"]));
    for key in keys::BENCH {
        let is_there = EVERY_KEY.lines().any(|line| {
            line.starts_with(&format!("{} =", key.name)) || line == format!("[{}]", key.name)
        });
        assert!(is_there, "this test lacks the key `{}`", key.name);
    }
}

#[test]
fn axes_keep_the_order_of_the_file() {
    let file = read(
        "workflow = 'a:b'\ncases = 'a:cases'\n[grid.nodes]\nzeta = ['x']\nalpha = ['y']\nmid = ['z']\n",
    );
    let grid = file.grid.unwrap();
    assert_eq!(grid.nodes.keys().collect::<Vec<_>>(), ["zeta", "alpha", "mid"]);
}

#[test]
fn an_unknown_key_is_shown_with_what_was_probably_meant() {
    insta::assert_snapshot!(
        error_of("workflow = \"a:b\"\ncases = \"a:cases\"\nevaluator = [\"exact_match\"]\n"),
        @r#"
    error: bench.toml:3:1: unknown key `evaluator`
      |
    3 | evaluator = ["exact_match"]
      | ^^^^^^^^^

    hint: did you mean `evaluators`? Known here: `name`, `workflow`, `cases`, `variants`, `grid`, `evaluators`, `metric`, `repeats`, `runner`, `process`, `ray`, `max_workers`, `timeout`, `retries`, `seed`, `fail_fast`, `error`, `limit`, `window`, `checkpoints`, `breakpoints`, `on_interrupt`, `workspace`, `store`, `object_store`
    "#
    );
}

#[test]
fn an_unknown_key_in_a_table_in_a_list_is_named_by_its_path() {
    insta::assert_snapshot!(
        error_of("workflow = \"a:b\"\ncases = \"a:c\"\n\n[[variants]]\nname = \"x\"\nnode = { a = \"b\" }\n"),
        @r#"
    error: bench.toml:6:1: unknown key `variants[0].node`
      |
    6 | node = { a = "b" }
      | ^^^^

    hint: did you mean `nodes`? Known here: `name`, `nodes`, `config`, `context`, `params`, `graph`, `environment`
    "#
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_told_what_is_expected() {
    insta::assert_snapshot!(
        error_of("workflow = \"a:b\"\ncases = \"a:c\"\nrepeats = \"3\"\n"),
        @r#"
    error: bench.toml:3:11: `repeats` must be a whole number of at least 1, not a text
      |
    3 | repeats = "3"
      |           ^^^
    "#
    );
}

#[test]
fn bad_toml_is_shown_where_it_breaks() {
    let error = error_of("workflow = \"a:b\"\ncases = [\n");
    assert!(error.starts_with("error: bench.toml:"), "{error}");
    let error = error_of("workflow = \"a:b\"\nworkflow = \"c:d\"\n");
    assert!(error.contains("bench.toml:2:1: duplicate key"), "{error}");
}

#[test]
fn what_cannot_work_is_refused_with_its_reason() {
    let head = "workflow = 'a:b'\ncases = 'a:c'\n";
    for (line, reason) in [
        ("runner = 'threads'", "did you mean `thread`?"),
        ("repeats = 0", "`repeats` must be a whole number of at least 1 below 2^32"),
        ("seed = -1", "`seed` must be a whole number below 2^32"),
        ("timeout = '5 parsecs'", "`5 parsecs` is not a duration"),
        ("timeout = 0", "must be longer than zero"),
        ("fail_fast = 1.5", "must be true, a count of errors, or a share of them below 1.0"),
        ("variants = []", "`variants` must not be an empty list"),
        ("grid = { nodes = { a = [] } }", "`grid.nodes.a` must not be an empty list"),
        ("evaluators = [{ uses = 'x' }]", "did you mean `use` by `uses`?"),
        (
            "variants = [{ context = { day = 2024-01-01 } }]",
            "must be a value that JSON can hold, not a date or time",
        ),
        ("variants = [{ context = { t = nan } }]", "must be a finite number"),
        ("variants = [{ nodes = { a = 1 } }]", "`variants[0].nodes.a` must be a text"),
        ("name = ''", "`name` must not be empty"),
        ("checkpoints = 'steps'", "did you mean `step`?"),
        ("breakpoints = 'train'", "`breakpoints` must be a list of texts"),
        ("on_interrupt = 'answer'", "a reference `module:attribute`, not `answer`"),
    ] {
        let error = error_of(&format!("{head}{line}\n"));
        assert!(error.contains(reason), "{line}: {error}");
    }
    assert!(error_of("cases = 'a:c'\n").contains("the key `workflow` is missing"));
    assert!(
        error_of("workflow = 'graph'\ncases = 'a:c'").contains("`module:attribute`, not `graph`")
    );
    let no_file = error_of("workflow = 'a:b'\ncases = 'cases.jsonl'");
    assert!(no_file.contains("a file that is not there: /nowhere/cases.jsonl"), "{no_file}");
    assert!(error_of("workflow = 'a:b'\ncases = 'cases.json'").contains("`*.jsonl` or `*.csv`"));
    assert!(
        error_of("workflow = 'a:b'\ncases = [{ id = 'x' }]")
            .contains("`cases[0].input` is missing")
    );
}

#[test]
fn answers_are_a_list_or_a_table() {
    let read_answers = |answers: &str| {
        let cases = format!("cases = [{{ input = {{}}, answers = {answers} }}]");
        read(&format!("workflow = 'a:b'\n{cases}\n")).cases[0]["answers"].clone()
    };
    assert_eq!(read_answers("['yes', { ok = true }]"), json!(["yes", {"ok": true}]));
    assert_eq!(read_answers("{ 'Sure?' = 'yes' }"), json!({"Sure?": "yes"}));
    let error = error_of("workflow = 'a:b'\ncases = [{ input = {}, answers = 'yes' }]\n");
    assert!(error.contains("`cases[0].answers` must be a list, or a table"), "{error}");
}

#[test]
fn fail_fast_is_a_count_a_share_or_nothing() {
    let of = |value: &str| {
        read(&format!("workflow = 'a:b'\ncases = 'a:c'\nfail_fast = {value}\n")).fail_fast
    };
    assert_eq!(of("true"), Some(json!(1)));
    assert_eq!(of("5"), Some(json!(5)));
    assert_eq!(of("0.25"), Some(json!(0.25)));
    assert_eq!(of("false"), None);
}

#[test]
fn the_schema_knows_exactly_the_keys_of_the_reader() {
    let schema = bench_schema();
    let properties = schema["properties"].as_object().unwrap();
    let file: toml::Table = toml::from_str(EVERY_KEY).unwrap();
    let mut described: Vec<_> = properties.keys().collect();
    let mut written: Vec<_> = file.keys().collect();
    described.sort();
    written.sort();
    assert_eq!(described, written);
    assert_eq!(schema["required"], json!(["workflow", "cases"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    let variant = &properties["variants"]["items"]["properties"];
    assert_eq!(variant["graph"]["type"], "string");
    for (name, property) in properties {
        assert!(property["description"].is_string(), "`{name}` is not described");
    }
}
