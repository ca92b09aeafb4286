"""How results lie on disk: the database, its tables and migrations, files by content, checks, questions."""
