"""The sub-commands of ``gsagent``, one file each.

A command module says what it is in ``SUMMARY`` and ``DESCRIPTION``, what it takes in ``add_arguments(parser)``
and does its work in ``run(arguments) -> int``. Imports of anything heavy stand inside ``run``: ``gsagent --help``
loads every module of this folder.
"""
