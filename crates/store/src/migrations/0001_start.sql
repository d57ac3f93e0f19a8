-- Types that SQLite and PostgreSQL share: TEXT ids (UUIDv7), BIGINT epoch milliseconds, TEXT JSON, BOOLEAN.
-- Domains are stored as A-labels, addresses in the normalised form of XMPP.

CREATE TABLE head (
    single BIGINT PRIMARY KEY CHECK (single = 1),
    revision BIGINT NOT NULL,
    edge_revision BIGINT NOT NULL,
    user_revision BIGINT NOT NULL,
    contact_revision BIGINT NOT NULL,
    audit_number BIGINT NOT NULL,
    audit_hash TEXT NOT NULL
);

INSERT INTO head (single, revision, edge_revision, user_revision, contact_revision, audit_number, audit_hash)
VALUES (1, 0, 0, 0, 0, 0, '');

CREATE TABLE partner (
    id TEXT PRIMARY KEY,
    primary_domain TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    partner_type TEXT NOT NULL,
    tls TEXT NOT NULL,
    sasl TEXT NOT NULL,
    dialback BOOLEAN NOT NULL,
    connection_limit BIGINT,
    keep_alive BOOLEAN NOT NULL,
    proxy_fqdn TEXT,
    trust_roots TEXT NOT NULL,
    pins TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Primary and additional domains alike: a domain is on at most one partner. Position 0 is the primary domain.
CREATE TABLE partner_domain (
    domain TEXT PRIMARY KEY,
    partner_id TEXT NOT NULL REFERENCES partner (id) ON DELETE CASCADE,
    position BIGINT NOT NULL
);
CREATE INDEX partner_domain_partner ON partner_domain (partner_id, position);

CREATE TABLE internal_domain (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    backends TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Only what differs from the defaults of the program.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE registrar_user (
    id TEXT PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    domain TEXT NOT NULL,
    display_name TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX registrar_user_domain ON registrar_user (domain);

CREATE TABLE credential (
    user_id TEXT NOT NULL REFERENCES registrar_user (id) ON DELETE CASCADE,
    algorithm TEXT NOT NULL,
    realm TEXT NOT NULL,
    ha1 TEXT NOT NULL,
    PRIMARY KEY (user_id, algorithm, realm)
);

-- Never deleted: an ended contact keeps its row without flags, so that readers can follow by revision.
CREATE TABLE contact (
    id TEXT PRIMARY KEY,
    internal TEXT NOT NULL,
    partner TEXT NOT NULL,
    partner_domain TEXT NOT NULL,
    added BOOLEAN NOT NULL,
    written BOOLEAN NOT NULL,
    authorised BOOLEAN NOT NULL,
    blocked BOOLEAN NOT NULL,
    invited_by TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (internal, partner)
);
CREATE INDEX contact_revision ON contact (revision);
CREATE INDEX contact_partner_domain ON contact (partner_domain);

CREATE TABLE invitation (
    id TEXT PRIMARY KEY,
    internal TEXT NOT NULL,
    partner TEXT NOT NULL,
    partner_id TEXT NOT NULL REFERENCES partner (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    UNIQUE (internal, partner)
);
CREATE INDEX invitation_partner_id ON invitation (partner_id);
CREATE INDEX invitation_created_at ON invitation (created_at);

CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT,
    after TEXT,
    hash TEXT NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, number);
