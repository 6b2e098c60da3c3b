"""The channels alerts go out by, one file each; adding one is copying a neighbour, which registers it."""

import importlib
import pkgutil
from collections.abc import Mapping

from alerts.channels.base import Channel


def _registered() -> dict[str, Channel]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    found = [importlib.import_module(f"{__name__}.{name}").CHANNEL for name in names]
    return {channel.key: channel for channel in found}


CHANNELS: Mapping[str, Channel] = _registered()
