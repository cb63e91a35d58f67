"""Which fault under which load, against which target: each module answers with rows of one table."""
