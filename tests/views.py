"""The views of a page, read from its source: a page that is imported draws itself."""

import ast
from pathlib import Path

PAGES = Path(__file__).parents[1] / "pages"


def views(page: str) -> list[str]:
    """Their names in the address."""
    for node in ast.parse((PAGES / f"{page}.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "VIEWS":
            return [ast.literal_eval(name) for name in node.value.keys]
    raise LookupError(f"pages/{page}.py has no VIEWS")
