"""The rules that no usage moves, swept by the clock: one file each, its presence registers it."""

import importlib
import pkgutil

from alerts.sweeps.base import Sweep


def _registered() -> list[Sweep]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


SWEEPS = _registered()
