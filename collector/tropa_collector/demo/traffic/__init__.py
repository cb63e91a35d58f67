"""Visitors for the demo: made of a seed, so that the same ones come again, and played over HTTP as browsers and SDKs send."""
