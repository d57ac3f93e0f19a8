-- Ways to SIP deployments, and the XMPP servers of our own side. Lists are JSON arrays of their text forms.
CREATE TABLE trunk (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    targets TEXT NOT NULL,
    transport TEXT NOT NULL,
    peer_names TEXT NOT NULL,
    trust_roots TEXT NOT NULL,
    sources TEXT NOT NULL,
    congestion_safe BOOLEAN NOT NULL,
    dialect TEXT NOT NULL,
    session_mode TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE inner_server (
    domain_id TEXT PRIMARY KEY REFERENCES internal_domain (id) ON DELETE CASCADE,
    targets TEXT NOT NULL,
    sources TEXT NOT NULL,
    tls TEXT NOT NULL,
    sasl TEXT NOT NULL,
    dialback BOOLEAN NOT NULL,
    trust_roots TEXT NOT NULL,
    pins TEXT NOT NULL
);

-- Which of its domain's backends serves an address; without a row the first one does.
CREATE TABLE user_backend (
    address TEXT PRIMARY KEY,
    domain TEXT NOT NULL,
    backend TEXT NOT NULL
);
CREATE INDEX user_backend_domain ON user_backend (domain);
