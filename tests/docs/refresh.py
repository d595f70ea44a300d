"""Write what the examples print into the pages: ``python tests/docs/refresh.py tutorial.md ...``.

After a change that is meant to change what is printed; read the difference before you
commit it. A block that still matches, with its "...", is left as it is.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import textwrap
from pathlib import Path

from test_pages import DOCS, run_bash, run_python, same

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def wrapped(printed: str) -> str:
    """Return a text with its long sentences broken; tables stay as they are."""
    lines = [
        textwrap.fill(line, 96) if len(line) > 100 and "  " not in line.strip() else line.rstrip()
        for line in printed.rstrip("\n").split("\n")
    ]
    return "\n".join(lines) + "\n"


def refresh(page: Path) -> None:
    """Run a page in a folder of its own and put what is printed in its place."""
    whole = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "page"}
    printed, done, parts = "", 0, []
    for match in FENCE.finditer(whole):
        language, text = match[1], match[3]
        title = re.search(r'title="([^"]+)"', match[2])
        if title:
            Path(title[1]).parent.mkdir(parents=True, exist_ok=True)
            Path(title[1]).write_text(text, encoding="utf-8")
        elif language == "python":
            line = whole.count("\n", 0, match.start()) + 1
            printed = run_python(text, page.name, line, namespace)
        elif language == "bash":
            printed = run_bash(text, Path.cwd())
        elif language == "text" and not same(text, printed):
            parts += [whole[done : match.start(3)], wrapped(printed)]
            done = match.end(3)
    page.write_text("".join(parts) + whole[done:], encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            refresh(DOCS / name)
