"""The providers we meter, one file each; adding one is copying a neighbour, its presence registers it."""

import importlib
import pkgutil
from collections.abc import Mapping

from usage.providers.base import Provider


def _registered() -> dict[str, Provider]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    found = [importlib.import_module(f"{__name__}.{name}").PROVIDER for name in names]
    return {provider.key: provider for provider in found}


PROVIDERS: Mapping[str, Provider] = _registered()

_BY_ANY_NAME = {
    name: provider for provider in PROVIDERS.values() for name in (provider.key, *provider.aliases)
}

_BY_HOST = {host: provider for provider in PROVIDERS.values() for host in provider.hosts}
# A host written "*-aiplatform.googleapis.com" stands for every name with that ending.
_BY_ENDING = [
    (host.removeprefix("*"), provider) for host, provider in _BY_HOST.items() if host.startswith("*")
]


def find(name: str) -> Provider | None:
    """The provider senders call `name` (its key or an alias, in any case), or None."""
    return _BY_ANY_NAME.get(name) or _BY_ANY_NAME.get(name.strip().lower())


def by_host(host: str) -> Provider | None:
    """The provider that answers at `host` (a name without port, in any case), or None."""
    name = host.rstrip(".").lower()
    return _BY_HOST.get(name) or next((one for ending, one in _BY_ENDING if name.endswith(ending)), None)


def name_of(key: str) -> str:
    """The provider's own spelling of its name, for people; the key itself where it is not known."""
    provider = PROVIDERS.get(key)
    return provider.name if provider else key


__all__ = ["PROVIDERS", "Provider", "by_host", "find", "name_of"]
