-- What is done again and again, when it is due next, and how it ended. `platform` is the connection's: one question finds what
-- is due for the worker of a platform.
CREATE TABLE schedule (
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    every_s BIGINT NOT NULL,
    offset_s BIGINT NOT NULL,
    orders TEXT COLLATE "C" NOT NULL,
    paused BIGINT NOT NULL,
    due_at_ms BIGINT NOT NULL,
    taken_by TEXT COLLATE "C",
    started_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (tenant, connection, task),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
);

CREATE INDEX schedule_by_due ON schedule (platform, due_at_ms);

ALTER TABLE schedule ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_tenant ON schedule USING (tenant = current_setting('caretaker.tenant', true)
    AND coalesce(current_setting('caretaker.platform', true), '') IN ('', platform));

-- Whoever looks for what is due looks at all tenants' rows. Each is changed for its tenant alone.
CREATE POLICY of_roster ON schedule FOR SELECT USING (current_setting('caretaker.tenant', true) = '*'
    AND coalesce(current_setting('caretaker.platform', true), '') IN ('', platform));

GRANT SELECT, INSERT, DELETE,
    UPDATE (every_s, offset_s, orders, paused, due_at_ms, taken_by, started_at_ms, ended_at_ms, outcome, failures)
    ON schedule TO PUBLIC;
