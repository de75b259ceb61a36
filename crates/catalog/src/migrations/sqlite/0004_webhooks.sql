-- What platforms tell by themselves. `whole_at_ms` is when all of a schedule is due; `due_at_ms` is earlier where something was told.
-- Of what is there nothing was told yet: whenever it is due next, all of it is.
ALTER TABLE schedule ADD COLUMN whole_at_ms INTEGER NOT NULL DEFAULT 0;

-- Where a connection's platform tells: `address` is the last step of the path, which nobody else knows.
CREATE TABLE webhook (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    platform TEXT NOT NULL,
    address TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    asked_at_ms INTEGER NOT NULL,
    failed TEXT NOT NULL,
    heard_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, connection),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
) STRICT, WITHOUT ROWID;

-- What was told: what it is about, and nothing of what is in it. `done_at_ms` is 0 until the store was read after it.
CREATE TABLE hint (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    event TEXT NOT NULL,
    topic TEXT NOT NULL,
    kinds TEXT NOT NULL,
    items TEXT NOT NULL,
    told_at_ms INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL,
    done_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, connection, event),
    FOREIGN KEY (tenant, connection) REFERENCES webhook (tenant, connection) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
