"""python -m unlearn_core COMMAND: all of it without a screen."""

from unlearn_core.cli import app

if __name__ == "__main__":
    app()
