"""Download pinned packages from the package registry that pip is configured for."""

from __future__ import annotations

import ast
import logging
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from httpx2 import HTTPError
from unearth import PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.errors import UnpackError
from unearth.fetchers import PyPIClient
from unearth.preparer import download_link

from supertickets.errors import UserError, one_line
from supertickets.files import replacing, require_sha256

log = logging.getLogger(__name__)

#: Where pip's settings are from, the strongest first.
SCOPES = (":env:", "download", "global")


def fetch_package(package: str, release: dict[str, str], archive: Path) -> None:
    """Download one release file of a package and check its hash, without unpacking it.

    ``pip download`` would run the code of a source archive to learn its name and version, which are known here.

    Args:
        package: name of the package.
        release: pinned ``version``, ``form`` (wheel or sdist) and ``sha256`` of the file.
        archive: file to write.

    Raises:
        UserError: no registry has the file, none answers, or its hash differs.
    """
    version, form, expected = (release[key] for key in ("version", "form", "sha256"))
    origin = f"{package}=={version}"
    log.info("fetching %s (%s)", origin, form)
    finder = finder_of(pip_settings(), package, form)
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = finder.find_best_match(origin, allow_yanked=True, allow_prereleases=True)
            if found.best is None:
                versions = sorted({each.version or "" for each in found.candidates})
                known = f"it has {', '.join(versions)}" if versions else "it is not there"
                raise UserError(f"{origin}: no {form} of it where pip looks: {known}")
            path = download_link(finder.session, found.best.link, Path(folder))
        except (UnpackError, HTTPError, OSError) as error:
            raise UserError(f"{origin}: the {form} could not be downloaded: {one_line(error)}") from error
        require_sha256(path, expected, origin)
        with replacing(archive) as part:
            part.write_bytes(path.read_bytes())


def pip_settings() -> dict[str, str]:
    """Settings of pip from its config files and environment, by option."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, text=True, capture_output=True, check=True).stdout.splitlines()
    settings = dict(line.partition("=")[::2] for line in lines if "=" in line)
    found: dict[str, str] = {}
    for scope in SCOPES:
        begin = f"{scope}."
        ours = {
            key.removeprefix(begin): ast.literal_eval(value) for key, value in settings.items() if key.startswith(begin)
        }
        found = ours | found
    return found


def finder_of(settings: dict[str, str], package: str, form: str) -> PackageFinder:
    """A finder of a package's files in one form, on the indexes that pip is configured for.

    Args:
        settings: of :func:`pip_settings`.
        package: its name.
        form: ``wheel`` or ``sdist``.
    """

    def places(*names: str) -> list[str]:
        return [place for name in names for place in settings.get(name, "").split()]

    links = [Path(place).resolve().as_uri() if Path(place).is_dir() else place for place in places("find-links")]
    alone = settings.get("no-index", "") in ("1", "true", "yes", "on")
    indexes = (
        [] if alone else [settings.get("index-url", PackageFinder().sources[0]["url"]), *places("extra-index-url")]
    )
    verify = ssl.create_default_context(cafile=settings["cert"]) if "cert" in settings else True
    client = PyPIClient(verify=verify, trusted_hosts=places("trusted-host"), proxy=settings.get("proxy"), timeout=60)
    client.auth = MultiDomainBasicAuth(index_urls=indexes)
    return PackageFinder(
        client, index_urls=indexes, find_links=links, ignore_compatibility=True,
        no_binary=[package] if form == "sdist" else [], only_binary=[package] if form == "wheel" else [],
    )  # fmt: skip
