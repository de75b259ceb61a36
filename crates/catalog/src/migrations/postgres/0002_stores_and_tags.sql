-- The ways into the cell's own stores, as the vault sealed them. They are the cell's, not a tenant's.
CREATE TABLE store_credential (
    store TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL,
    stored_at TEXT COLLATE "C" NOT NULL
);

-- By which words connections are taken together.
CREATE TABLE connection_tag (
    tenant TEXT COLLATE "C" NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, connection, tag),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
);

ALTER TABLE store_credential ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE connection_tag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY of_cell ON store_credential USING (current_setting('caretaker.tenant', true) = '*');

CREATE POLICY of_tenant ON connection_tag USING (tenant = current_setting('caretaker.tenant', true)
    AND (coalesce(current_setting('caretaker.platform', true), '') = '' OR EXISTS (SELECT FROM connection c
    WHERE c.tenant = connection_tag.tenant AND c.connection = connection_tag.connection)));

GRANT SELECT, INSERT, UPDATE (sealed, stored_at) ON store_credential TO PUBLIC;
GRANT SELECT, INSERT, DELETE ON connection_tag TO PUBLIC;
