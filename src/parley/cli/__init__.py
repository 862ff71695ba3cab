"""The command line."""

from parley.cli.commands import main

__all__ = ["main"]
