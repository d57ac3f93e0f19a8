-- The link that makes the first administrator: of its secret only a hash, and until when it works. It works once.
CREATE TABLE setup_link (
    secret_sha256 TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
