"""Enrich: what a good event gains before it is stored. Read the stages in this order:

1. ``clock.py``  when it really happened: the sender's clock set right by the collector's
2. ``page.py``   where: page, referrer, campaign and click ids
3. ``device.py`` on what: type, system, browser, bots marked (``client_hints.py`` and ``crawlers.py`` help it)
4. ``place.py``  from which country and city (``geo_database.py`` reads ``.mmdb`` files), then the address cut short

Plain functions over plain values: nothing here raises on what a sender wrote, nothing waits for the network. A value
seen before costs one look-up in a bounded cache (``bounded_cache.py``).
"""
