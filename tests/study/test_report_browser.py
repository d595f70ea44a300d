"""The report in a real browser: nothing sticks out, no label covers another, text is legible."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.study.discoveries_example import discovering
from tests.study.report_example import example
from tests.study.report_reading import crowded

from consilience.study.report import render_report

# Measured in a frame, as a window cannot be made as narrow as a phone.
PROBE = """<!DOCTYPE html><body><iframe src="report.html"
style="width:{width}px;height:900px;border:0"></iframe><pre id="found"></pre><script>
window.onload = () => {{
  const page = document.querySelector('iframe').contentDocument;
  for (const part of page.querySelectorAll('details')) part.open = true;
  const boxes = [], overlaps = [], sizes = [];
  for (const svg of page.querySelectorAll('svg')) {{
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim());
    const rects = texts.map(t => t.getBoundingClientRect());
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    texts.forEach((t, i) => {{
      sizes.push(scale * parseFloat(getComputedStyle(t).fontSize));
      for (let j = 0; j < i; j++) {{
        const a = rects[i], b = rects[j];
        // A line box is taller than the letters in it: a third of it may be shared.
        const slack = 0.17 * Math.min(a.height, b.height, a.width, b.width) + 1;
        if (a.left < b.right - slack && b.left < a.right - slack &&
            a.top < b.bottom - slack && b.top < a.bottom - slack)
          overlaps.push([t.textContent, texts[j].textContent]);
      }}
    }});
  }}
  const root = page.documentElement;
  const out = [...page.querySelectorAll('body *')].filter(e =>
    !e.closest('.wide') && !e.closest('svg') &&
    e.getBoundingClientRect().right > root.clientWidth + 1
  ).map(e => e.tagName + ' ' + e.textContent.slice(0, 40));
  document.getElementById('found').textContent = JSON.stringify({{
    scroll: root.scrollWidth, client: root.clientWidth, out: out, overlaps: overlaps,
    smallest: Math.min(...sizes), drawings: page.querySelectorAll('svg').length,
    paper: getComputedStyle(page.body).backgroundColor,
  }});
}};
</script></body>"""


def probe(browser: str, folder: Path, width: int, *flags: str) -> dict[str, Any]:
    """Open the folder's report at a width and return what was measured."""
    page = folder / f"probe-{width}.html"
    page.write_text(PROBE.format(width=width), encoding="utf-8")
    done = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--allow-file-access-from-files",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1400,1000",
            "--virtual-time-budget=8000",
            *flags,
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    measured: dict[str, Any] = json.loads(html.unescape(found[1]))
    return measured


@pytest.mark.parametrize("kind", ["binary", "multiclass", "continuous", "survival"])
def test_fits_phone_and_desktop(browser: str, tmp_path: Path, kind: str) -> None:
    made = discovering(kind)
    render_report(made.finding, made.evidence, tmp_path / "report.html")
    for width in (390, 1280):
        found = probe(browser, tmp_path, width)
        assert found["drawings"] > 6
        assert found["scroll"] <= found["client"]
        assert found["out"] == []
        assert found["overlaps"] == []
        assert found["smallest"] >= 10


def test_a_crowded_report_fits_a_phone(browser: str, tmp_path: Path) -> None:
    made = crowded(example("survival"))
    render_report(made.finding, made.evidence, tmp_path / "report.html")
    found = probe(browser, tmp_path, 390)
    assert found["scroll"] <= found["client"]
    assert found["out"] == []
    assert found["overlaps"] == []


def test_follows_the_readers_choice_of_light_or_dark(browser: str, tmp_path: Path) -> None:
    made = example("binary")
    render_report(made.finding, made.evidence, tmp_path / "report.html")
    papers = [
        probe(browser, tmp_path, 800, f"--blink-settings=preferredColorScheme={scheme}")["paper"]
        for scheme in (1, 0)
    ]
    assert papers == ["rgb(255, 255, 255)", "rgb(17, 22, 28)"]
