-- Ids are text in the tables that people and other programs name things by, and in the journal,
-- which outlives what it reports. Everything else points to a batch or an execution by its integer
-- key, whose order is the order of insertion, so that no listing depends on a clock.
-- Statuses are the names that the program prints; times are microseconds since 1970.
-- `spec`, `description`, `tags`, `error`, `usage`, `warnings`, `front` and `body` are JSON.
-- `input`, `output`, `expected`, `answers`, `state`, `interrupts`, `stdout`, `stderr`, `found`,
-- `files` and `given` are stored values (see `codec.rs`).

CREATE TABLE sessions (
    key             INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    host            TEXT NOT NULL,
    process         INTEGER NOT NULL,
    process_started INTEGER,
    started_at      INTEGER NOT NULL,
    heartbeat_at    INTEGER NOT NULL,
    ended_at        INTEGER
) STRICT;

CREATE INDEX sessions_open ON sessions (key) WHERE ended_at IS NULL;

-- `session` may name a session of another store's past, so it is no foreign key. `given` names the
-- snapshots of inputs that workers on other machines are given.
CREATE TABLE batches (
    key         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT,
    workflow    TEXT NOT NULL,
    reference   TEXT,
    status      TEXT NOT NULL,
    spec        TEXT NOT NULL,
    session     TEXT,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    given       BLOB
) STRICT;

-- How many executions of a batch stand where: kept up to date in the transaction that moves them,
-- so that listing batches never counts rows. Apart from `batches`, whose rows are wide.
CREATE TABLE batch_counts (
    batch       INTEGER PRIMARY KEY REFERENCES batches (key),
    queued      INTEGER NOT NULL DEFAULT 0,
    running     INTEGER NOT NULL DEFAULT 0,
    succeeded   INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0,
    timed_out   INTEGER NOT NULL DEFAULT 0,
    cancelled   INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,
    paused      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE variants (
    batch       INTEGER NOT NULL REFERENCES batches (key),
    position    INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (batch, position),
    UNIQUE (batch, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE cases (
    batch      INTEGER NOT NULL REFERENCES batches (key),
    position   INTEGER NOT NULL,
    id         TEXT NOT NULL,
    case_group TEXT,
    tags       TEXT NOT NULL,
    input      BLOB NOT NULL,
    expected   BLOB,
    answers    BLOB,
    workspace  TEXT,
    PRIMARY KEY (batch, position),
    UNIQUE (batch, id)
) STRICT;

-- A cell that was rolled back or resumed goes on in a second row, under its id with a `+` behind it:
-- its own row, which all about its batch is made of, stays what it was. The second row has no `batch`,
-- but an `origin`: the batch whose case and evaluators it has. `parent` names what an execution was
-- forked from, which may have given way to another attempt since: it is no foreign key. The threads
-- of an execution are numbered from 1; `lineages` is the last one's number.
CREATE TABLE executions (
    key           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    batch         INTEGER REFERENCES batches (key),
    workflow      TEXT NOT NULL,
    variant       TEXT NOT NULL,
    case_id       TEXT NOT NULL,
    repeat        INTEGER NOT NULL,
    variant_index INTEGER NOT NULL,
    case_index    INTEGER NOT NULL,
    seed          INTEGER NOT NULL,
    status        TEXT NOT NULL,
    outstanding   INTEGER NOT NULL CHECK (outstanding = (status IN ('queued', 'running'))),
    attempts      INTEGER NOT NULL,
    token         INTEGER NOT NULL,
    dead_letter   INTEGER NOT NULL,
    settled       INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    started_at    INTEGER,
    finished_at   INTEGER,
    duration_us   INTEGER,
    parent        TEXT,
    origin        INTEGER REFERENCES batches (key),
    lineages      INTEGER NOT NULL,
    from_head     INTEGER NOT NULL,
    input         BLOB,
    output        BLOB,
    state         BLOB,
    interrupts    BLOB,
    error         TEXT,
    usage         TEXT,
    warnings      TEXT NOT NULL,
    front         TEXT
) STRICT;

-- The cells of a batch in the order of its results; one execution for each.
CREATE UNIQUE INDEX executions_cell ON executions (batch, variant_index, case_index, repeat)
    WHERE batch IS NOT NULL;

-- Small indexes of what is looked for while most executions have succeeded. An update of a column that
-- an index's condition names writes its entry anew, be it the same. So what is outstanding is a column
-- of its own: an execution that starts changes no index. No condition has an `IN` of more than two,
-- which SQLite makes a table for in each update.
CREATE INDEX executions_outstanding ON executions (batch, variant_index, case_index, repeat)
    WHERE outstanding = 1;
CREATE INDEX executions_unsuccessful ON executions (batch, variant_index, case_index, repeat)
    WHERE outstanding = 0 AND status <> 'succeeded';
CREATE INDEX executions_unsettled ON executions (batch, variant_index, case_index, repeat)
    WHERE settled = 0 AND outstanding = 0;
CREATE INDEX executions_dead ON executions (batch, variant_index, case_index, repeat)
    WHERE dead_letter = 1;

-- Attempts have keys of their own so that what is written during a batch is appended in the order
-- of time: its executions are worked through in a shuffle, and their own keys would scatter it.
-- `rung`, `inputs` and `directory` say how the workspace was made, of what, and where; `found` and
-- `files` are snapshots of it, before and after.
CREATE TABLE attempts (
    key         INTEGER PRIMARY KEY,
    execution   INTEGER NOT NULL REFERENCES executions (key),
    number      INTEGER NOT NULL,
    token       INTEGER NOT NULL,
    worker      TEXT NOT NULL,
    status      TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    error       TEXT,
    stdout      BLOB,
    stderr      BLOB,
    rung        TEXT,
    inputs      TEXT,
    directory   TEXT,
    found       BLOB,
    files       BLOB,
    UNIQUE (execution, number)
) STRICT;

CREATE TABLE nodes (
    attempt     INTEGER NOT NULL REFERENCES attempts (key),
    position    INTEGER NOT NULL,
    node        TEXT NOT NULL,
    step        INTEGER NOT NULL,
    status      TEXT NOT NULL,
    calls       INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    input       BLOB,
    output      BLOB,
    error       TEXT,
    usage       TEXT,
    PRIMARY KEY (attempt, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE scores (
    execution INTEGER NOT NULL REFERENCES executions (key),
    source    TEXT NOT NULL,
    name      TEXT NOT NULL,
    position  INTEGER NOT NULL, -- its place in the order in which its source gave it
    value     REAL,
    direction TEXT NOT NULL,
    version   TEXT, -- of its source
    reason    TEXT,
    error     TEXT,
    PRIMARY KEY (execution, source, name)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a sequence number is never used twice, whatever is deleted later.
CREATE TABLE journal (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    session   TEXT NOT NULL,
    batch     TEXT,
    execution TEXT,
    kind      TEXT NOT NULL,
    body      TEXT NOT NULL
) STRICT;

CREATE INDEX journal_batch ON journal (batch) WHERE batch IS NOT NULL;
CREATE INDEX journal_execution ON journal (execution) WHERE execution IS NOT NULL;
CREATE INDEX journal_kind ON journal (kind);
CREATE INDEX journal_at ON journal (at);

-- Data of any size would spoil a tree that is ordered by random hashes: hence a key of their own.
-- `encoding` says what `data` is (`object.rs`): the bytes, compressed bytes, or a list of pieces of
-- other objects. `touched_at` is when, in seconds, somebody relied on the object being there before
-- anything named it; 0 when what named it came with it.
CREATE TABLE objects (
    key        INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    encoding   INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    data       BLOB NOT NULL
) STRICT;

-- Where the bytes of large objects are, if not here: see `outside.rs`.
CREATE TABLE object_directory (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    path TEXT NOT NULL,
    id   TEXT NOT NULL
) STRICT;

-- A LangGraph thread in one of its namespaces ('' or that of a subgraph).
CREATE TABLE lineages (
    key       INTEGER PRIMARY KEY,
    thread    TEXT NOT NULL,
    namespace TEXT NOT NULL,
    UNIQUE (thread, namespace)
) STRICT;

-- Ids are what LangGraph made; the order of insertion is that of `sequence`. `body` is a stored
-- value, `channels` are the workspace's snapshot, and names, versions and stored values (`codec.rs`).
CREATE TABLE checkpoints (
    sequence INTEGER PRIMARY KEY,
    lineage  INTEGER NOT NULL REFERENCES lineages (key),
    id       TEXT NOT NULL,
    parent   TEXT,
    run      TEXT,
    metadata TEXT NOT NULL,
    body     BLOB NOT NULL,
    channels BLOB NOT NULL,
    UNIQUE (lineage, id)
) STRICT;

CREATE INDEX checkpoints_run ON checkpoints (run) WHERE run IS NOT NULL;

-- Writes may come before their checkpoint, so that is no foreign key. A rowid table: to look into
-- the tree of another kind costs reading whole values.
CREATE TABLE writes (
    key        INTEGER PRIMARY KEY,
    lineage    INTEGER NOT NULL REFERENCES lineages (key),
    checkpoint TEXT NOT NULL,
    task       TEXT NOT NULL,
    position   INTEGER NOT NULL,
    path       TEXT NOT NULL,
    channel    TEXT NOT NULL,
    value      BLOB NOT NULL,
    UNIQUE (lineage, checkpoint, task, position)
) STRICT;

-- How often objects were collected: what a writer remembers of objects is good as long as this
-- stays the same. `dropped` counts references that were removed since.
CREATE TABLE collections (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    number  INTEGER NOT NULL,
    dropped INTEGER NOT NULL
) STRICT;

INSERT INTO collections VALUES (1, 0, 0);
