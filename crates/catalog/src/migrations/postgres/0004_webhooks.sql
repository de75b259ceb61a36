-- What platforms tell by themselves. `whole_at_ms` is when all of a schedule is due; `due_at_ms` is earlier where something was told.
-- Of what is there nothing was told yet: whenever it is due next, all of it is.
ALTER TABLE schedule ADD COLUMN whole_at_ms BIGINT NOT NULL DEFAULT 0;

-- Where a connection's platform tells: `address` is the last step of the path, which nobody else knows.
CREATE TABLE webhook (
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL UNIQUE,
    url TEXT COLLATE "C" NOT NULL,
    asked_at_ms BIGINT NOT NULL,
    failed TEXT COLLATE "C" NOT NULL,
    heard_at_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, connection),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
);

-- What was told: what it is about, and nothing of what is in it. `done_at_ms` is 0 until the store was read after it.
CREATE TABLE hint (
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    kinds TEXT COLLATE "C" NOT NULL,
    items TEXT COLLATE "C" NOT NULL,
    told_at_ms BIGINT NOT NULL,
    received_at_ms BIGINT NOT NULL,
    done_at_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, connection, event),
    FOREIGN KEY (tenant, connection) REFERENCES webhook (tenant, connection) ON DELETE CASCADE
);

ALTER TABLE webhook ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE hint ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON webhook USING (tenant = current_setting('caretaker.tenant', true)
    AND coalesce(current_setting('caretaker.platform', true), '') IN ('', platform));

-- Whoever is told something finds by the address whose it is.
CREATE POLICY of_endpoint ON webhook FOR SELECT USING (current_setting('caretaker.tenant', true) = '*'
    AND coalesce(current_setting('caretaker.platform', true), '') IN ('', platform));

CREATE POLICY of_tenant ON hint USING (tenant = current_setting('caretaker.tenant', true)
    AND EXISTS (SELECT 1 FROM webhook w WHERE w.tenant = hint.tenant AND w.connection = hint.connection));

GRANT SELECT, INSERT, DELETE, UPDATE (address, url, asked_at_ms, failed, heard_at_ms) ON webhook TO PUBLIC;
GRANT SELECT, INSERT, DELETE, UPDATE (done_at_ms) ON hint TO PUBLIC;
GRANT UPDATE (whole_at_ms) ON schedule TO PUBLIC;
