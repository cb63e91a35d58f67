"""The oracle: an issuer that takes obligations, faults that strike meanwhile, and a judge who looks at the disk.

    python -m loadtests.oracle kills --size 300

Read in this order: ``issuer.py`` (what was promised), ``judge.py`` (what must hold), ``faults/`` (what strikes), ``proofs/``
(which fault under which load, against which target), ``plan.py`` (how large each is). ``sabotage/`` holds builds of the
collector that break one promise each: a proof that passes on them proves nothing.
"""
