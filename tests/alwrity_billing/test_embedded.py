"""Folders of the embedded services, and the sentence when one cannot be used."""

import os
import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from alwrity_billing import embedded
from tests.support.processes import manage


def test_the_broker_gets_folders_it_can_write(tmp_path: Path) -> None:
    options = embedded.broker_folders(tmp_path)

    assert options["data_folder_in"] == options["data_folder_out"]
    assert all(os.access(str(folder), os.W_OK) for name, folder in options.items() if "folder" in name)


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    assert embedded.make_folder(tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_place_of_the_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")

    with pytest.raises(ImproperlyConfigured, match="make it writable or set DATA_DIR"):
        embedded.make_folder(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_explained(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    with pytest.raises(ImproperlyConfigured, match=r"cannot be written \(Permission denied\)"):
        embedded.make_folder(tmp_path / "data")


def test_manage_prints_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")

    refused = manage("check", data_dir=tmp_path / "data")

    assert refused.returncode == 1
    assert refused.stderr == (
        f"The data folder {tmp_path / 'data'} cannot be written (File exists): "
        "make it writable or set DATA_DIR to another folder.\n"
    )
