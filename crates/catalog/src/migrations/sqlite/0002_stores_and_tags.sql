-- The ways into the cell's own stores, as the vault sealed them. They are the cell's, not a tenant's.
CREATE TABLE store_credential (
    store TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL,
    stored_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- By which words connections are taken together.
CREATE TABLE connection_tag (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (tenant, connection, tag),
    FOREIGN KEY (tenant, connection) REFERENCES connection (tenant, connection)
) STRICT, WITHOUT ROWID;
