-- What a component proves to know (XEP-0114), for domains that a component serves. Apart, so that no list reads it.
CREATE TABLE component_secret (
    domain_id TEXT PRIMARY KEY REFERENCES internal_domain (id) ON DELETE CASCADE,
    secret TEXT NOT NULL
);
