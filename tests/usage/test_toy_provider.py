"""Adding a provider is adding one file: this one is written into a folder of its own, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from usage.providers import PROVIDERS, by_host

TOY = '''
"""Toy: reads pages aloud."""

from usage.events import Units
from usage.providers.base import Provider
from usage.wire.base import Call, Reader, SentRequest
from usage.wire.bodies import SentAsItIs, UnitsReader, object_of, text_of


class ToyWire(SentAsItIs):
    """Reads `POST /read`, charged by the character."""

    def call_of(self, request: SentRequest) -> Call | None:
        """The characters to be read."""
        if (request.method, request.path) != ("POST", "/read"):
            return None
        text = text_of(object_of(request.body).get("text"))
        return Call(operation="read", units=Units(characters=len(text)))

    def reader(self, call: Call) -> Reader:
        """A reader of `characters`."""
        return UnitsReader(lambda body: Units(characters=object_of(body)["characters"]), unsaid=call.units)


PROVIDER = Provider(key="toy", name="Toy", kind="llm", hosts=("api.toy.example",), wire=ToyWire())
'''
# The folder joins the package's search path before the package looks what is there.
METERED = """
import importlib.util, json, sys

spec = importlib.util.find_spec("usage.providers")
spec.submodule_search_locations.append(sys.argv[1])
providers = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = providers
spec.loader.exec_module(providers)

from usage.wire.base import SentRequest

toy = providers.by_host("api.toy.example")
call = toy.wire.call_of(SentRequest(method="POST", path="/read", body=b'{"text": "twelve marks"}'))
reader = toy.wire.reader(call)
reader.whole(b'{"characters": 11}')
sys.stdout.write(json.dumps({
    "found": providers.find("toy") is toy and providers.name_of("toy") == "Toy",
    "beside": providers.find("openai").key,
    "held": call.units.characters,
    "read": reader.reading().units.characters,
    "django": "django" in sys.modules,
}))
"""


def test_a_provider_is_added_by_one_file(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")

    shown = subprocess.run(
        [sys.executable, "-c", METERED, str(tmp_path)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert json.loads(shown) == {"found": True, "beside": "openai", "held": 12, "read": 11, "django": False}


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("api.anthropic.com", "anthropic"),
        ("API.Exa.AI.", "metaphor"),
        ("us-central1-aiplatform.googleapis.com", "gemini"),
    ],
)
def test_a_provider_is_found_by_its_host(host: str, key: str) -> None:
    assert by_host(host) is PROVIDERS[key]


@pytest.mark.parametrize("host", ["", "example.org", "api.anthropic.com.example.org", "anthropic.com"])
def test_other_hosts_are_nobodys(host: str) -> None:
    assert by_host(host) is None
