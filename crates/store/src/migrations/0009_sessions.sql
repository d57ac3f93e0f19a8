-- Who is signed in to the control panel: of the secret in the cookie only a hash. A session ends with its administrator, and
-- counts no more once that one has changed (generation).
CREATE TABLE panel_session (
    secret_sha256 TEXT PRIMARY KEY,
    administrator_id TEXT NOT NULL REFERENCES administrator (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    origin TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX panel_session_seen ON panel_session (seen_at);
