"""The console: pages on the admin listener for whoever looks after the collector. Server-rendered, no build step.

How a page is added:

1. a module here with ``routes(console: Console) -> list[Route]``; its handlers end in
   ``console.page(request, "name.html", key=plain values, …)`` (a fragment for htmx is a template of its own, the same way);
2. the module in ``PAGES`` of ``application.py``; an item in ``NAVIGATION`` there if it has a place in the navigation;
3. ``templates/name.html``: ``{% extends "layout.html" %}``, the blocks ``title`` and ``content``, macros from ``parts.html``
   (badge, empty, when, contact, json, pager); texts only as ``{{ t("page.key") }}``;
4. every key in ``words/en.py`` and ``words/ru.py`` (``tests/console`` compares the two, and looks for keys without a text).

What holds for every page:

- Values given to ``page`` are plain (JSON-like): a masked session's are all masked on their way to the template, so a page need not
  think of it. What the operator typed himself is ``Typed(text)`` and shown as it was typed.
- Everything is escaped by Jinja; nothing is ever marked safe. No inline script and no ``style`` attribute: the CSP refuses both.
  Sizes in pictures are SVG attributes, colours are classes of ``static/console.css``.
- Lists are paged by key (``Page.next`` into ``?before=``), and no query grows with the store.
- Unsafe methods are forms or htmx requests of the same origin: ``gate.py`` refuses the rest, and asks for the session.
- Contacts are linked as ``/contacts/id:c12`` (macro ``contact``).
"""
