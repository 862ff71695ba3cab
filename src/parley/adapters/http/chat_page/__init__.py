"""The chat page: a client of the public API for people, served as the static files beside this module."""
