-- What is done again and again, when it is due next, and how it ended. `platform` is the connection's: one question finds what
-- is due for the worker of a platform.
CREATE TABLE schedule (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    task TEXT NOT NULL,
    platform TEXT NOT NULL,
    every_s INTEGER NOT NULL,
    offset_s INTEGER NOT NULL,
    orders TEXT NOT NULL,
    paused INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    taken_by TEXT,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (tenant, connection, task),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedule_by_due ON schedule (platform, due_at_ms);
