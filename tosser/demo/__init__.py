"""The demo: an invented network, an embedded broker and the real daemon, in a temporary directory."""
