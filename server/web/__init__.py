"""Moot over HTTP: one ASGI application for programs and browsers.

One folder, one thing that is served; it exports its routes, and the application that mounts them is built above.
"""
