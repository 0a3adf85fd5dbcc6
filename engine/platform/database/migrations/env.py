"""What Alembic runs: the migrations, in the transaction that `engine.platform.database.migrate` began."""

from __future__ import annotations

from alembic import context

from engine.platform.database.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
