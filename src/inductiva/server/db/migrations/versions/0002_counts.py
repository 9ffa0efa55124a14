"""How many tasks there are of each kind, so that the length of a list of a million is known without counting them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADD = """
    INSERT INTO task_counts (user_id, project_id, status, tasks)
    VALUES (NEW.user_id, NEW.project_id, NEW.status, 1)
    ON CONFLICT (user_id, project_id, status) DO UPDATE SET tasks = tasks + 1;
"""
_REMOVE = """
    UPDATE task_counts SET tasks = tasks - 1
    WHERE user_id = OLD.user_id AND project_id = OLD.project_id AND status = OLD.status;
"""
TRIGGERS = {
    "count_inserted": f"AFTER INSERT ON tasks BEGIN {_ADD} END",
    "count_deleted": f"AFTER DELETE ON tasks BEGIN {_REMOVE} END",
    "count_changed": f"AFTER UPDATE OF status, project_id ON tasks BEGIN {_REMOVE} {_ADD} END",
}


def upgrade() -> None:
    op.create_table(
        "task_counts",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "project_id", "status", name=op.f("pk_task_counts")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO task_counts (user_id, project_id, status, tasks) "
        "SELECT user_id, project_id, status, count(*) FROM tasks GROUP BY 1, 2, 3"
    )
    for name, body in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {body}")
    op.drop_index("ix_tasks_project_id_seq", table_name="tasks")
    op.create_index("ix_tasks_user_id_project_id_seq", "tasks", ["user_id", "project_id", "seq"])
    op.drop_index("ix_tasks_queue_seq", table_name="tasks")
    op.create_index("ix_tasks_queue_seq", "tasks", ["queue_seq"], sqlite_where=sa.text("queue_seq IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_tasks_queue_seq", table_name="tasks")
    op.create_index("ix_tasks_queue_seq", "tasks", ["queue_seq"])
    op.drop_index("ix_tasks_user_id_project_id_seq", table_name="tasks")
    op.create_index("ix_tasks_project_id_seq", "tasks", ["project_id", "seq"])
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    op.drop_table("task_counts")
