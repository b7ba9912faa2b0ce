"""``gsagent completion``: tab completion for a shell, made from the same parser that reads the command line."""

from __future__ import annotations

import argparse

SUMMARY = "print a tab-completion script for bash, zsh or tcsh"
DESCRIPTION = """\
Print a completion script for a shell. To use it:

  bash   gsagent completion bash > ~/.local/share/bash-completion/completions/gsagent
  zsh    gsagent completion zsh > ~/.zfunc/_gsagent      (a folder in $fpath)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what this command takes."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from agent.commands import make_parser

    print(shtab.complete(make_parser(), arguments.shell))
    return 0
