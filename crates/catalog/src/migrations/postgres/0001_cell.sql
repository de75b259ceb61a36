-- What a cell knows. No column holds a personal field, a title or an address: platform ids stand as they are,
-- credentials are sealed by the vault.
--
-- Each transaction says whose rows it may see: `caretaker.tenant` names a tenant, or is `*`, which no tenant is called,
-- for the cell itself. One that has said nothing sees nothing, nor does it write. `caretaker.platform` limits it
-- further, to connections of one platform, where it is set. Row security is forced, so that it binds the owner too,
-- and its policies name no role: what they grant, they grant to whoever may use the schema.
--
-- Texts are compared byte by byte, as SQLite does, whatever the database's language.

CREATE TABLE tenant (
    tenant TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE connection (
    tenant TEXT COLLATE "C" NOT NULL REFERENCES tenant (tenant),
    connection TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    region TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    settings TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, connection)
);

CREATE TABLE credential (
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    stored_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, connection, name),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
);

-- The newest commit of each connection. It is advanced by compare-and-swap only.
CREATE TABLE head (
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    commit_name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, connection),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
);

-- Who writes to a connection. The row stays when the lease ends, so that generations only ever rise.
CREATE TABLE lease (
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    holder TEXT COLLATE "C",
    generation BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, connection),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
);

CREATE TABLE restore (
    tenant TEXT COLLATE "C" NOT NULL,
    restore TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    plan_digest TEXT COLLATE "C" NOT NULL,
    undo_of TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    changed_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, restore),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection),
    FOREIGN KEY (tenant, undo_of) REFERENCES restore (tenant, restore)
);

CREATE INDEX restore_by_connection ON restore (tenant, connection, created_at);

-- What a restore is about to do, has done, or cannot know whether it did.
CREATE TABLE restore_step (
    tenant TEXT COLLATE "C" NOT NULL,
    restore TEXT COLLATE "C" NOT NULL,
    step TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    changed_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, restore, step),
    FOREIGN KEY (tenant, restore) REFERENCES restore (tenant, restore)
);

-- Which item came back under which id. Kept for ever: nothing deletes from it.
CREATE TABLE id_ledger (
    entry BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    old_id TEXT COLLATE "C" NOT NULL,
    new_id TEXT COLLATE "C" NOT NULL,
    restore TEXT COLLATE "C" NOT NULL,
    recorded_at TEXT COLLATE "C" NOT NULL,
    UNIQUE (tenant, connection, target, kind, old_id, restore),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
);

-- Whose rows a transaction sees.

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE connection ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE credential ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE head ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE lease ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE restore ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE restore_step ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE id_ledger ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON tenant
    USING (current_setting('caretaker.tenant', true) IN ('*', tenant))
    WITH CHECK (tenant = current_setting('caretaker.tenant', true));

CREATE POLICY of_tenant ON connection USING (tenant = current_setting('caretaker.tenant', true)
    AND coalesce(current_setting('caretaker.platform', true), '') IN ('', platform));

-- The rest belongs to a connection, and is seen where that is: policies hold inside of policies too.
CREATE POLICY of_tenant ON credential USING (tenant = current_setting('caretaker.tenant', true)
    AND (coalesce(current_setting('caretaker.platform', true), '') = '' OR EXISTS (SELECT FROM connection c
    WHERE c.tenant = credential.tenant AND c.connection = credential.connection)));

CREATE POLICY of_tenant ON head USING (tenant = current_setting('caretaker.tenant', true)
    AND (coalesce(current_setting('caretaker.platform', true), '') = '' OR EXISTS (SELECT FROM connection c
    WHERE c.tenant = head.tenant AND c.connection = head.connection)));

CREATE POLICY of_tenant ON lease USING (tenant = current_setting('caretaker.tenant', true)
    AND (coalesce(current_setting('caretaker.platform', true), '') = '' OR EXISTS (SELECT FROM connection c
    WHERE c.tenant = lease.tenant AND c.connection = lease.connection)));

CREATE POLICY of_tenant ON restore USING (tenant = current_setting('caretaker.tenant', true)
    AND (coalesce(current_setting('caretaker.platform', true), '') = '' OR EXISTS (SELECT FROM connection c
    WHERE c.tenant = restore.tenant AND c.connection = restore.connection)));

CREATE POLICY of_tenant ON restore_step USING (tenant = current_setting('caretaker.tenant', true)
    AND (coalesce(current_setting('caretaker.platform', true), '') = '' OR EXISTS (SELECT FROM restore r
    WHERE r.tenant = restore_step.tenant AND r.restore = restore_step.restore)));

CREATE POLICY of_tenant ON id_ledger USING (tenant = current_setting('caretaker.tenant', true)
    AND (coalesce(current_setting('caretaker.platform', true), '') = '' OR EXISTS (SELECT FROM connection c
    WHERE c.tenant = id_ledger.tenant AND c.connection = id_ledger.connection)));

-- What may be done with which table: what the queries do, and no more.

GRANT SELECT, INSERT ON tenant TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (url, settings) ON connection TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (sealed, stored_at) ON credential TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (number, generation, commit_name) ON head TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (holder, generation, expires_at_ms) ON lease TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (state, changed_at) ON restore TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (state, changed_at) ON restore_step TO PUBLIC;
GRANT SELECT, INSERT, UPDATE (new_id, recorded_at) ON id_ledger TO PUBLIC;
