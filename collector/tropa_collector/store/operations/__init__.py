"""What operators ask of any store, and what becomes of those who were erased. Each runs in a transaction of the writing side."""
