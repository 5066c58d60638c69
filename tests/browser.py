"""A real browser without a window, which opens a page and says what it has shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Collects errors, from before any other script of the page.
BEFORE = """<script>
const errors = [];
window.addEventListener("error", event => errors.push(event.message));
window.addEventListener("unhandledrejection", event => errors.push(String(event.reason)));
for (const level of ["error", "warn"]) {
  const written = console[level];
  console[level] = (...words) => {errors.push(words.join(" ")); written(...words)};
}
</script>"""
AFTER = """<script>
const pause = () => new Promise(done => setTimeout(done, 300));
window.addEventListener("load", async () => {
  await pause();
  let outcome;
  try {outcome = await (async () => {%s})()} catch (error) {errors.push(String(error))}
  const said = document.createElement("pre");
  said.id = "outcome";
  const requests = performance.getEntriesByType("resource").map(entry => entry.name);
  said.textContent = JSON.stringify({outcome, errors, requests});
  document.body.append(said);
});
</script>"""


def opened(page: Path, folder: Path, script: str, *options: str) -> dict[str, Any]:
    """Open a page without a network and run a script in it.

    Args:
        page: HTML file.
        folder: for a copy of the page, and what the browser keeps.
        script: body of an asynchronous function, which may ``await pause()``.
        options: further options of the browser.

    Returns:
        What the script returns (``outcome``), ``errors`` and warnings, and ``requests``: addresses that were asked for.
    """
    assert BROWSER
    text = page.read_text(encoding="utf-8")
    copy = folder / f"opened {page.name}"
    text = text.replace("<head>", f"<head>{BEFORE}", 1)
    copy.write_text("".join([*text.rpartition("</body>")[:1], AFTER % script, "</body></html>"]), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=20000", "--window-size=1280,1600"]
    done = subprocess.run(
        [*command, *options, "--dump-dom", copy.absolute().as_uri()], capture_output=True, text=True, timeout=120
    )
    found = re.search(r'<pre id="outcome">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(unescape(found[1]))
