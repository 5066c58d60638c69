"""Archives of anything: a member of them or a clear error, never unpacked, and no more memory than they may take."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_hostile import damaged

from supertickets.data.archive import read_member
from supertickets.errors import UserError
from supertickets.files import LARGEST


def archives() -> dict[str, bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/file.txt", b"some text " * 20)
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        info = tarfile.TarInfo("folder/file.txt")
        info.size = 200
        tar.addfile(info, io.BytesIO(b"some text " * 20))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return {"a.zip": zipped.getvalue(), "a.tar.gz": tarred.getvalue()}


@pytest.mark.parametrize("name", archives())
@given(data=st.data())
def test_damaged_archives(tmp_path: Path, name: str, data: st.DataObject) -> None:
    path = tmp_path / name
    path.write_bytes(data.draw(damaged(archives()[name]) | st.binary(max_size=100)))
    with suppress(UserError):
        read_member(path, ["folder/file.txt"])


@pytest.mark.parametrize("member", ["../../etc/passwd", "/etc/passwd", "link", "folder"])
def test_archives_are_read_and_never_unpacked(tmp_path: Path, member: str) -> None:
    for name, content in archives().items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="cannot take"):
            read_member(tmp_path / name, [member])
    assert {path.name for path in tmp_path.iterdir()} == set(archives())


def bombs() -> dict[str, bytes]:
    """Archives of some kilobytes that unpack to more than ten megabytes."""
    zeros, zipped, tarred, pax = bytes(11_000_000), io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", zeros)
    with tarfile.open(fileobj=tarred, mode="w:xz") as tar:
        for name in ("before", "bomb"):  # what lies before a member is read too
            info = tarfile.TarInfo(name)
            info.size = len(zeros) if name == "before" else 1
            tar.addfile(info, io.BytesIO(zeros))
    with tarfile.open(fileobj=pax, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("bomb")
        info.pax_headers = {"comment": "x" * len(zeros)}
        tar.addfile(info)
    return {"a.zip": zipped.getvalue(), "a.tar.xz": tarred.getvalue(), "a.tar.gz": pax.getvalue()}


@pytest.mark.parametrize("name", bombs())
def test_archives_that_unpack_to_far_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bombs()[name])
    assert path.stat().st_size < 100_000 and read_member(path, ["bomb"]) is not None
    monkeypatch.setattr("supertickets.data.archive.LARGEST", 10_000_000)
    with pytest.raises(UserError, match=rf"{name}: cannot take 'bomb' out of it \(it unpacks to more than 10,000,000"):
        read_member(path, ["bomb"])


def sparse(form: int, linked: bool) -> bytes:
    """A tar of some kilobytes with a member that says that it has a terabyte of zeros, or with a link to it."""
    info = tarfile.TarInfo("gaps" if linked else "bomb")
    link = tarfile.TarInfo("bomb")
    link.type, link.linkname = tarfile.LNKTYPE, "gaps"
    info.pax_headers = {"GNU.sparse.size": str(2**40), "GNU.sparse.map": f"{2**40},0"}
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        tar.addfile(info)
        if linked:
            tar.addfile(link)
    return made.getvalue()


@pytest.mark.parametrize("linked", [False, True])
def test_archives_whose_members_are_mostly_gaps(tmp_path: Path, linked: bool) -> None:
    (tmp_path / "a.tar").write_bytes(sparse(tarfile.PAX_FORMAT, linked))
    assert (tmp_path / "a.tar").stat().st_size <= 20_480
    with pytest.raises(UserError, match=r"a.tar: cannot take 'bomb' out of it \(it unpacks to more than 2,147,483,648"):
        read_member(tmp_path / "a.tar", ["bomb"])


def test_archives_that_end_within_a_list_of_gaps(tmp_path: Path) -> None:
    info = tarfile.TarInfo("bomb")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1  # the list goes on in the next block
    header[148:156] = f"{sum(header[:148]) + sum(header[156:]) + 8 * 32:06o}\0 ".encode()
    (tmp_path / "a.tar").write_bytes(header)
    with pytest.raises(UserError, match=r"a.tar: cannot take 'bomb' out of it"):
        read_member(tmp_path / "a.tar", ["bomb"])


@pytest.mark.parametrize("size", [3 * 2**30, 64 * 2**30])
def test_archives_that_are_too_large(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.zip").touch()
    os.truncate(tmp_path / "a.zip", size)
    with pytest.raises(UserError, match=f"a.zip: it has {size:,} bytes; at most {LARGEST:,} are read"):
        read_member(tmp_path / "a.zip", ["bomb"])
