"""SQLite: the schema, its migrations, and the one writer."""
