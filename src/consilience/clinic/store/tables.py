"""The tables, and what guards the audit table in the database itself."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

metadata = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


about = Table("about", metadata, Column("name", Text, primary_key=True), _text("value"))

patients = Table(
    "patients",
    metadata,
    _text("tenant"),
    _text("patient"),
    _text("key"),
    _text("name"),
    _text("fhir"),
    _text("at"),
    PrimaryKeyConstraint("tenant", "patient"),
    UniqueConstraint("key"),
)

assessments = Table(
    "assessments",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _text("tenant"),
    _text("patient"),
    _text("model"),
    _text("at"),
    _text("body"),
    Index("assessments_of", "tenant", "patient", "id"),
)

answers = Table(
    "answers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *(_text(name) for name in ("tenant", "patient", "card", "rule", "outcome", "reason")),
    *(_text(name) for name in ("by", "at", "model")),
    Index("answers_of", "tenant", "patient", "id"),
)

cards = Table(
    "cards",
    metadata,
    *(_text(name) for name in ("tenant", "uuid", "patient", "rule", "model", "at")),
    PrimaryKeyConstraint("tenant", "uuid"),
    Index("cards_of", "tenant", "patient"),
)

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    _text("tenant"),
    _text("role"),
    _text("password"),
    Column("one_time_until", Text),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", Text),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token", Text, primary_key=True),
    _text("name"),
    _text("role"),
    _text("tenant"),
    Column("local", Text),
    _text("opened"),
    _text("expires"),
    Index("sessions_expire", "expires"),
    ForeignKeyConstraint(["local"], ["users.name"], ondelete="CASCADE"),
)

tokens = Table(
    "tokens",
    metadata,
    _text("issuer"),
    _text("jti"),
    _text("expires"),
    PrimaryKeyConstraint("issuer", "jti"),
    Index("tokens_expire", "expires"),
)

counts = Table(
    "counts",
    metadata,
    _text("reference"),
    _text("period"),
    _text("body"),
    PrimaryKeyConstraint("reference", "period"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    *(_text(name) for name in ("at", "tenant", "who", "action")),
    Column("patient", Text),
    Column("model", Text),
    *(_text(name) for name in ("detail", "previous", "hash")),
    Index("audit_of", "tenant", "seq"),
    Index("audit_of_patient", "tenant", "patient", "seq"),
)

TRIGGERS = ("audit_no_change", "audit_no_removal", "audit_in_order")

SQLITE_GUARDS = (
    "CREATE TRIGGER IF NOT EXISTS audit_no_change BEFORE UPDATE ON audit BEGIN "
    "SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_no_removal BEFORE DELETE ON audit BEGIN "
    "SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    # INSERT OR REPLACE would remove an entry without the trigger on DELETE.
    "CREATE TRIGGER IF NOT EXISTS audit_in_order BEFORE INSERT ON audit "
    "WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit) BEGIN "
    "SELECT RAISE(ABORT, 'the audit log is append-only'); END",
)

POSTGRES_GUARDS = (
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE OR REPLACE FUNCTION audit_follow() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit) THEN "
    "RAISE EXCEPTION 'the audit log is append-only'; END IF; RETURN NEW; END $$",
    "CREATE OR REPLACE TRIGGER audit_no_change BEFORE UPDATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE OR REPLACE TRIGGER audit_no_removal BEFORE DELETE OR TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE OR REPLACE TRIGGER audit_in_order BEFORE INSERT ON audit "
    "FOR EACH ROW EXECUTE FUNCTION audit_follow()",
)
