"""Measurements of the real programs on a real TimescaleDB that writes as in production. They assert nothing.

A benchmark is an async function in a module of this folder, marked with `@benchmark("subject.name")`; it gets the DSN
of a migrated database of its own and a scale (1.0 = the published size) and returns figures.
"""
