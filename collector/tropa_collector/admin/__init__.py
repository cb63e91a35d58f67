"""The admin listener: everything that returns stored data or changes it, behind a bearer token."""
