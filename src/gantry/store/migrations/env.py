"""Alembic's environment: the connection and the tree come from `gantry.store.migrate`."""

from alembic import context

from gantry.store.metadata import Tree

tree: Tree = context.config.attributes["tree"]
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tree.metadata,
    version_table=tree.revision.name,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,
)
if context.config.attributes["in_transaction"]:
    context.run_migrations()
else:
    with context.begin_transaction():
        context.run_migrations()
