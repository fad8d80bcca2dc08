"""Decisions as pure functions over frozen values: who may send what, what happens to each message, and why."""
