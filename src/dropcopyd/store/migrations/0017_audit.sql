-- Whether something was done to a subject already.
CREATE INDEX audit_by_subject ON audit (subject, action);
