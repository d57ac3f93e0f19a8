-- Who may log in to the control panel.
CREATE TABLE administrator (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    -- What the panel has made of the password; shown to nobody.
    password TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    -- Counts changes of what a session rests on: a session of an earlier number has ended.
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
