"""Tropa's collector: receive, validate, enrich, resolve, store, forward. ``pipeline.py`` is the story; read it first."""
