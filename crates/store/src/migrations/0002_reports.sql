-- What connection attempts have told. Bounded: see report.rs.
CREATE TABLE report (
    id TEXT PRIMARY KEY,
    -- Primary domain of the partner; empty for all who are none.
    partner TEXT NOT NULL,
    direction TEXT NOT NULL,
    purpose TEXT NOT NULL,
    result TEXT NOT NULL,
    story TEXT NOT NULL
);
CREATE INDEX report_partner ON report (partner, id);

-- The last attempt, success and failure of each domain pair and direction, which outlive the reports themselves.
CREATE TABLE report_last (
    partner TEXT NOT NULL,
    direction TEXT NOT NULL,
    local_domain TEXT NOT NULL,
    remote_domain TEXT NOT NULL,
    method TEXT NOT NULL,
    strongest TEXT NOT NULL,
    success_at BIGINT,
    success_id TEXT,
    failure_at BIGINT,
    failure_id TEXT,
    failure_result TEXT,
    PRIMARY KEY (partner, direction, local_domain, remote_domain)
);
