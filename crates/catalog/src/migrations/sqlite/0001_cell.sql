-- What a cell knows. No column holds a personal field, a title or an address: platform ids stand as they are,
-- credentials are sealed by the vault.

CREATE TABLE tenant (
    tenant TEXT NOT NULL PRIMARY KEY,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connection (
    tenant TEXT NOT NULL REFERENCES tenant (tenant),
    connection TEXT NOT NULL,
    platform TEXT NOT NULL,
    region TEXT NOT NULL,
    url TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant, connection)
) STRICT, WITHOUT ROWID;

CREATE TABLE credential (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    stored_at TEXT NOT NULL,
    PRIMARY KEY (tenant, connection, name),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
) STRICT, WITHOUT ROWID;

-- The newest commit of each connection. It is advanced by compare-and-swap only.
CREATE TABLE head (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    number INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    commit_name TEXT NOT NULL,
    PRIMARY KEY (tenant, connection),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
) STRICT, WITHOUT ROWID;

-- Who writes to a connection. The row stays when the lease ends, so that generations only ever rise.
CREATE TABLE lease (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    holder TEXT,
    generation INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, connection),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
) STRICT, WITHOUT ROWID;

CREATE TABLE restore (
    tenant TEXT NOT NULL,
    restore TEXT NOT NULL,
    connection TEXT NOT NULL,
    target TEXT NOT NULL,
    plan_digest TEXT NOT NULL,
    undo_of TEXT,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (tenant, restore),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection),
    FOREIGN KEY (tenant, undo_of) REFERENCES restore (tenant, restore)
) STRICT, WITHOUT ROWID;

CREATE INDEX restore_by_connection ON restore (tenant, connection, created_at);

-- What a restore is about to do, has done, or cannot know whether it did.
CREATE TABLE restore_step (
    tenant TEXT NOT NULL,
    restore TEXT NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (tenant, restore, step),
    FOREIGN KEY (tenant, restore) REFERENCES restore (tenant, restore)
) STRICT, WITHOUT ROWID;

-- Which item came back under which id. Kept for ever: nothing deletes from it.
CREATE TABLE id_ledger (
    entry INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    old_id TEXT NOT NULL,
    new_id TEXT NOT NULL,
    restore TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    UNIQUE (tenant, connection, target, kind, old_id, restore),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
) STRICT;
