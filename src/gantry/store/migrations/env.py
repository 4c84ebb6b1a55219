"""Alembic's environment: the connection and the tree come from `gantry.store.migrate`."""

from alembic import context

from gantry.store.tables import Tree

tree: Tree = context.config.attributes["tree"]
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tree.metadata,
    version_table=tree.revision.name,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
