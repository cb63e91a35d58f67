"""The SDK's version: a constant, because asking the installed metadata for it would cost a host 20 ms at import."""

VERSION = "0.1.0"
