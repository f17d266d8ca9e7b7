//! Help texts, mistakes on the command line, and what is generated from the definitions.

use std::path::Path;

use crate::calling::{Caller, wtb};

fn here() -> &'static Path {
    Path::new("/nowhere")
}

#[test]
fn the_short_help_lists_the_verbs() {
    let called = wtb(here(), "--help");
    assert_eq!(called.code(), 0);
    insta::assert_snapshot!(called.stdout, @r"
    Compare the variants of an agentic workflow on your own cases.

    Runs a workflow over variants x cases x repeats, keeps every execution, and says
    which variant is best.

    Usage: wtb [OPTIONS] <COMMAND>

    Commands:
      init         Write a small working project to start from
      run          Run a batch: every variant on every case
      resume       Go on with an unfinished batch, or with an execution
      list         List batches or executions, newest first
      show         Show a batch with its comparison, or an execution with its nodes
      compare      Compare the variants of one batch or of several
      score        Score a batch anew, without running anything
      gate         Judge a batch against a baseline, for CI: pass, regression or
                   inconclusive
      plan         Tell how many cases and repeats a gate needs, before anything
                   runs
      report       Write a batch as one HTML page, to look at and to send
      export       Write a batch as tables, JUnit XML, Markdown, or as the baseline
                   of a gate
      diff         Show how two executions differ
      checkpoints  Show the history of an execution, step by step
      rollback     Put an execution back to a checkpoint of its history
      fork         Make a new execution that begins at a checkpoint of another one
      files        List the files of an execution, or what has changed in them
      restore      Write the files of an execution into a directory
      events       Print the audit trail: what happened, when and to what
      gc           Remove stored values that nothing names any more, and workspaces
                   that are left over
      doctor       Tell what this machine has for running batches, with advice
      migrate      Upgrade a store that an older version of this program made

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Global options:
          --store <URL>
              The store: a directory, a database file or an address. Default: `.wtb`
              [env: WTB_STORE]

          --json
              Print one JSON document in the place of tables

          --color <WHEN>
              When to use colour; `NO_COLOR` is respected. Default: auto [env:
              WTB_COLOR]

              Possible values:
              - auto:   On a terminal, unless `NO_COLOR` is set
              - always: Always
              - never:  Never

      -q, --quiet
              Print data and errors only

      -v, --verbose
              Print tracebacks, node values, all output, every failure

    Start with `wtb init`, then `wtb run`.
    ");
}

#[test]
fn the_help_of_run_names_every_setting_and_its_variable() {
    insta::assert_snapshot!(wtb(here(), "run -h").stdout, @r"
    Run a batch: every variant on every case

    Usage: wtb run [OPTIONS] [BENCH]

    Arguments:
      [BENCH]  The bench file [default: bench.toml]

    Options:
      -h, --help  Print help (see more with '--help')

    Selection:
          --variant <NAME>  Run only this variant; may be given several times
          --case <ID>       Run only this case; may be given several times
          --limit <N>       Run only this many of the cases, from the first [env:
                            WTB_LIMIT]

    Settings:
          --name <NAME>
              What to call the batch
          --repeats <N>
              How often each variant runs each case [env: WTB_REPEATS]
          --until-settled <REPEATS>
              Go on until each variant can be told from the baseline: first with the
              cases that `--limit` left out, then with up to this many repeats.
              Intervals stay valid over all looks
          --runner <RUNNER>
              Where attempts run [env: WTB_RUNNER] [possible values: inline, thread,
              process, ray]
      -j, --max-workers <N>
              How many attempts run at once [env: WTB_MAX_WORKERS]
          --timeout <DURATION>
              How long one attempt may take: seconds, `90s`, `2m`, `1h30m` [env:
              WTB_TIMEOUT]
          --retries <N>
              How many further attempts a failed one is given [env: WTB_RETRIES]
          --seed <N>
              Seeds the order of cases and every execution [env: WTB_SEED]
          --fail-fast <N>
              Give up after this many errors, or this share of them (`0.2`) [env:
              WTB_FAIL_FAST]
          --checkpoints <WHEN>
              When the state is stored, to go back to: after each step, when an
              attempt ends, or never. Default: step [env: WTB_CHECKPOINTS] [possible
              values: step, exit, off]
          --object-store <DIR>
              A directory for the bytes of large values and files, which all
              machines have under the same path. The store remembers it [env:
              WTB_OBJECT_STORE]

    Outcome:
          --metric <NAME>     The primary metric [env: WTB_METRIC]
          --max-failures <N>  How many executions may fail before the exit code is
                              100. Default: 0 [env: WTB_MAX_FAILURES]
          --progress <HOW>    How progress is shown: a bar on a terminal and lines
                              elsewhere, lines, or nothing. Default: auto [env:
                              WTB_PROGRESS] [possible values: auto, plain, none]

    Global options:
          --store <URL>   The store: a directory, a database file or an address.
                          Default: `.wtb` [env: WTB_STORE]
          --json          Print one JSON document in the place of tables
          --color <WHEN>  When to use colour; `NO_COLOR` is respected. Default: auto
                          [env: WTB_COLOR] [possible values: auto, always, never]
      -q, --quiet         Print data and errors only
      -v, --verbose       Print tracebacks, node values, all output, every failure
    ");
}

#[test]
fn mistakes_are_told_on_stderr_with_code_2() {
    let called = wtb(here(), "run --repeat 3");
    assert_eq!(called.code(), 2);
    assert_eq!(called.stdout, "");
    insta::assert_snapshot!(called.stderr, @r"
    error: unexpected argument '--repeat' found

      tip: a similar argument exists: '--repeats'

    Usage: wtb run --repeats <N> [BENCH]

    For more information, try '--help'.
    ");
    assert_eq!(wtb(here(), "").code(), 2);
    assert_eq!(wtb(here(), "lst").code(), 2);
    assert!(wtb(here(), "lst").stderr.contains("'list'"));
}

#[test]
fn the_version_is_data() {
    let called = wtb(here(), "--version");
    assert_eq!((called.code(), called.stdout.as_str()), (0, "wtb 0.1.0\n"));
}

#[test]
fn help_has_no_colour_without_a_terminal() {
    assert!(!wtb(here(), "--help").stdout.contains('\u{1b}'));
    let terminal = Caller { is_terminal: true, ..Caller::new(here()) };
    assert!(terminal.call("--help").stdout.contains('\u{1b}'));
    let silenced = Caller { variables: &[("NO_COLOR", "1")], ..terminal };
    assert!(!silenced.call("--help").stdout.contains('\u{1b}'));
}

#[test]
fn the_reference_describes_every_visible_verb_and_exit_code() {
    let text = wtb(here(), "reference").stdout;
    for verb in [
        "init",
        "run",
        "resume",
        "list",
        "show",
        "compare",
        "diff",
        "checkpoints",
        "rollback",
        "fork",
        "events",
    ] {
        assert!(text.contains(&format!("## `wtb {verb}")), "{verb} is missing:\n{text}");
    }
    for code in ["| 0 |", "| 1 |", "| 2 |", "| 4 |", "| 100 |", "| 130 |"] {
        assert!(text.contains(code), "{code}");
    }
    assert!(!text.contains("wtb schema"), "hidden verbs stay hidden");
}

/// `wtb reference > docs/cli.md` and `wtb schema > docs/bench.schema.json` write them anew.
#[test]
fn the_committed_documents_are_what_the_command_prints() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (verb, file) in [("reference", "cli.md"), ("schema", "bench.schema.json")] {
        let committed = std::fs::read_to_string(docs.join(file)).unwrap();
        assert!(committed == wtb(here(), verb).stdout, "run `wtb {verb} > docs/{file}`");
    }
}
