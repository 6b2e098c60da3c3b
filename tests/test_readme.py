"""The README shows nothing that is not tested: its examples are those of the documents that tests run."""

import re

import pytest

from tests.support.processes import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(python|sh)\n(.*?)```", README, flags=re.DOTALL)
TESTED = {"python": "docs/metering.md", "sh": "docs/api.md"}


@pytest.mark.parametrize(("language", "example"), EXAMPLES)
def test_an_example_is_one_that_is_run(language: str, example: str) -> None:
    assert example in (PROJECT / TESTED[language]).read_text(encoding="utf-8")


def test_there_are_examples_of_each_way_in() -> None:
    assert [language for language, _ in EXAMPLES] == ["python", "sh", "sh", "python"]
