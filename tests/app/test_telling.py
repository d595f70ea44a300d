"""What the terminal says of candidates, word for word."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from consilience.app.telling import _candidates


def test_the_extra_to_install_is_said_whole() -> None:
    words = "needs the extra 'deep': pip install 'consilience[deep]'."
    found: Any = SimpleNamespace(name="[red]deep", role="given", estimate=None, failed=words)
    finding: Any = SimpleNamespace(title="t", metric_label="AUROC", candidates=[found])
    text = io.StringIO()
    Console(file=text, width=200).print(_candidates(finding))
    assert words in text.getvalue() and "[red]deep" in text.getvalue()
