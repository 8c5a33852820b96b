"""The seam: a file is whole or not there, whatever stops the writer."""

from __future__ import annotations

import os

import pytest

from raypipe.storage import files


def test_writing_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    files.write_atomic(path, b"old")

    def write_half():
        with files.writing(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_bytes() == b"old"
    assert files.list_names(tmp_path) == ["a.txt"]


def test_writing_shows_nothing_before_it_ends(tmp_path):
    path = tmp_path / "a.txt"
    with files.writing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert files.read_bytes(path) == b"new"


def test_writing_output_follows_a_link_and_leaves_a_device_a_device(tmp_path):
    target, link = tmp_path / "deep" / "a.txt", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    for data in (b"x", b"y"):  # the second finds a file behind the link
        with files.writing_output(link) as file:
            file.write(data)
        assert link.is_symlink()
        assert target.read_bytes() == data
    device = tmp_path / "pipe"
    os.mkfifo(device)
    reader = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    with files.writing_output(device) as file:
        file.write(b"through")
    assert os.read(reader, 99) == b"through"
    os.close(reader)
    assert device.is_fifo()


def test_writing_output_into_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError), files.writing_output(tmp_path):
        pass


def test_write_atomic_changes_the_file_that_readers_open_next(tmp_path):
    path = tmp_path / "CURRENT"
    files.write_atomic(path, b"one")
    with files.open_read(path) as reader:
        files.write_atomic(path, b"two")
        assert reader.read() == b"one"
    assert files.read_bytes(path) == b"two"


def test_list_names_of_no_folder_is_empty_and_of_one_is_sorted(tmp_path):
    assert files.list_names(tmp_path / "none") == []
    for name in ("b.json", "a.json", "c.txt"):
        (tmp_path / name).touch()
    assert files.list_names(tmp_path, "*.json") == ["a.json", "b.json"]


def test_list_names_of_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PermissionError):
        files.list_names(tmp_path)
