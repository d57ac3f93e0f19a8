-- Which internal users may use XMPP federation. The global policy has a row only while it differs from that out of the box.
CREATE TABLE access_policy (
    id TEXT PRIMARY KEY,
    -- global, site:DOMAIN or user:NAME
    identity TEXT NOT NULL UNIQUE,
    enable_federation_access BOOLEAN NOT NULL,
    enable_xmpp_access BOOLEAN NOT NULL,
    -- A JSON array of primary domains; one of a partner that is gone stays.
    partners TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE access_assignment (
    address TEXT PRIMARY KEY,
    domain TEXT NOT NULL,
    policy_id TEXT NOT NULL REFERENCES access_policy (id)
);
CREATE INDEX access_assignment_domain ON access_assignment (domain);
CREATE INDEX access_assignment_policy ON access_assignment (policy_id);
