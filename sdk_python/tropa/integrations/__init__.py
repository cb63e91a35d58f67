"""Middlewares that let a server-side event join the visitor who browsed: ``asgi``, ``wsgi`` and ``django``."""
