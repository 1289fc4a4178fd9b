"""`python -m gencourse` is the command line, as `gencourse` is."""

from gencourse.cli import app

if __name__ == "__main__":
    app(prog_name="gencourse")
