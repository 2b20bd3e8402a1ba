"""Indices for what is looked up: feedback by sound and by time, the audit by time, the queue by its order."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the indices."""
    op.create_index("ix_feedback_clip", "feedback", ["clip"])
    op.create_index("ix_feedback_time", "feedback", ["time"])
    op.create_index("ix_audit_time", "audit", ["time"])
    op.create_index("ix_jobs_queued", "jobs", ["queued"])
