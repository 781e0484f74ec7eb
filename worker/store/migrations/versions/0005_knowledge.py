"""Knowledge bases, and what the dataset ids of documents stand for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: An index beside the table, which keeps nothing but words; triggers carry every change of the table over.
FTS5 = (
    """CREATE VIRTUAL TABLE knowledge_index USING fts5(
        terms, content='knowledge_chunks', content_rowid='id', tokenize='unicode61 remove_diacritics 0')""",
    """CREATE TRIGGER knowledge_chunks_added AFTER INSERT ON knowledge_chunks BEGIN
        INSERT INTO knowledge_index(rowid, terms) VALUES (new.id, new.terms); END""",
    """CREATE TRIGGER knowledge_chunks_deleted AFTER DELETE ON knowledge_chunks BEGIN
        INSERT INTO knowledge_index(knowledge_index, rowid, terms) VALUES ('delete', old.id, old.terms); END""",
)


def upgrade() -> None:
    create_bases()
    create_documents()
    create_chunks()
    create_maps()
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("knowledge_index", "knowledge_chunks", ["terms"], postgresql_using="gin")
    else:
        for statement in FTS5:
            op.execute(statement)


def create_bases() -> None:
    op.create_table(
        "knowledge_bases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("embedding_provider", sa.Text(), nullable=True),
        sa.Column("embedding_model", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_bases")),
        sa.UniqueConstraint("name", name=op.f("uq_knowledge_bases_name")),
    )


def create_documents() -> None:
    op.create_table(
        "knowledge_documents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("base_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"], ["knowledge_bases.id"], name=op.f("fk_knowledge_documents_base_id_knowledge_bases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_documents")),
        sa.UniqueConstraint("base_id", "name", name=op.f("uq_knowledge_documents_base_id")),
    )


def create_chunks() -> None:
    op.create_table(
        "knowledge_chunks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("base_id", sa.String(length=36), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["base_id"], ["knowledge_bases.id"], name=op.f("fk_knowledge_chunks_base_id_knowledge_bases"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["knowledge_documents.id"],
            name=op.f("fk_knowledge_chunks_document_id_knowledge_documents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_chunks")),
    )
    op.create_index(op.f("ix_knowledge_chunks_base_id"), "knowledge_chunks", ["base_id"])
    op.create_index(op.f("ix_knowledge_chunks_document_id"), "knowledge_chunks", ["document_id"])


def create_maps() -> None:
    op.create_table(
        "knowledge_maps",
        sa.Column("dataset_id", sa.String(length=512), nullable=False),
        sa.Column("base_id", sa.String(length=36), nullable=True),
        sa.Column("endpoint", sa.Text(), nullable=True),
        sa.Column("knowledge_id", sa.Text(), nullable=True),
        sa.Column("api_key", sa.LargeBinary(), nullable=True),
        sa.Column("updated_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"], ["knowledge_bases.id"], name=op.f("fk_knowledge_maps_base_id_knowledge_bases"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_knowledge_maps")),
    )
    op.create_index(op.f("ix_knowledge_maps_base_id"), "knowledge_maps", ["base_id"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE knowledge_index")
    for table in ("knowledge_maps", "knowledge_chunks", "knowledge_documents", "knowledge_bases"):
        op.drop_table(table)
