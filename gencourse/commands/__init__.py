"""The verbs of the command line, one file each. `gencourse.cli` assembles them.

A verb is a function whose arguments typer reads. It imports rooms inside, so that `gencourse --help` stays quick,
and hands what it found to `gencourse.commands.answer`, which knows `--json` and the exit codes.
"""
