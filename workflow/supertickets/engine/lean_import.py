"""Import one transformers model file without the half of the library that a training never calls.

``transformers`` needs four seconds to import its generation, quantisation, distribution and compilation code beside a
600-line model file, too long for a retraining of a few seconds. While the model file is imported, placeholders replace
the modules of that code; afterwards they are removed. If another release of transformers really needs such a module,
the import fails at once and the ordinary import is used: it is slower and gives the same classes.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import logging
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

log = logging.getLogger(__name__)

#: Packages and modules that model files import, but that training and evaluating an encoder never use.
NOT_NEEDED = (
    "accelerate",
    "huggingface_hub._snapshot_download",
    "huggingface_hub.file_download",
    "huggingface_hub.hf_api",
    "torch._dynamo",
    "torch.distributed.fsdp",
    "torch.distributed.tensor",
    "transformers.conversion_mapping",
    "transformers.core_model_loading",
    "transformers.distributed",
    "transformers.generation",
    "transformers.integrations.accelerate",
    "transformers.integrations.peft",
    "transformers.integrations.flash_attention",
    "transformers.loss",
    "transformers.processing_utils",
    "transformers.quantizers",
    "transformers.utils.auto_docstring",
    "transformers.utils.chat_template_utils",
)

#: Modules inside these packages that are needed to create a configuration.
NEEDED = ("transformers.distributed.mixin", "transformers.generation.configuration_utils")


class _Absent:
    """Stand-in for any imported name (decorator, base class, annotation or constant) while imports run."""

    importing = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not _Absent.importing:
            raise RuntimeError(
                "this code of transformers or torch was left out by supertickets.engine.lean_import; import it first"
            )
        # As a decorator it returns the decorated object.
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()  # a mixin that is not needed is left out of the bases

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__

    def __getitem__(self, item: Any) -> Any:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __contains__(self, item: Any) -> bool:
        return False


_ABSENT = _Absent()


class _Placeholder(types.ModuleType):
    """An importable module in which every name exists and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ABSENT


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Meta path finder for the modules of :data:`NOT_NEEDED` and their submodules, except :data:`NEEDED`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        absent = any(name == prefix or name.startswith(prefix + ".") for prefix in NOT_NEEDED)
        if not absent or name in NEEDED:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        # The real folder, so that the ordinary finders still find a needed module inside it.
        spec.submodule_search_locations = [f"{folder}/{name.rpartition('.')[2]}" for folder in path or ()]
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: a placeholder has no code."""


def _bare_package(name: str) -> None:
    """Register a package without running its ``__init__`` (which scans every model folder of transformers)."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"package {name} is not installed")
    module = types.ModuleType(name)
    module.__path__ = list(spec.submodule_search_locations)
    module.__spec__ = spec
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _forget(names: Sequence[str]) -> None:
    """Remove modules from ``sys.modules`` and from their parent packages."""
    for name in names:
        module = sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        holder = sys.modules.get(parent)
        if holder is not None and module is not None and vars(holder).get(child) is module:
            delattr(holder, child)


def import_modules(names: Sequence[str]) -> list[types.ModuleType]:
    """Import modules of transformers: leanly if nothing of transformers is loaded yet, otherwise ordinarily.

    After a lean import this process has no full ``transformers`` package (no ``AutoModel``), and its
    ``huggingface_hub`` cannot download. A process that needs them imports them before this call.

    Args:
        names: full module names, all inside ``transformers``.

    Returns:
        The modules, in the order of ``names``.
    """
    if "transformers" in sys.modules:
        return [importlib.import_module(name) for name in names]
    importlib.import_module("torch")  # first, because its own imports must not get a placeholder

    before = set(sys.modules)
    _Absent.importing = True
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        _bare_package("transformers")
        vars(sys.modules["transformers"])["__version__"] = importlib.metadata.version("transformers")
        _bare_package("transformers.models")
        modules = [importlib.import_module(name) for name in names]
    except Exception as error:
        # Any exception, not only ImportError, because a placeholder can break an import in any way.
        log.warning("no lean import with this release of transformers, start-up is slower: %r", error)
        modules = []
    finally:
        _Absent.importing = False
        sys.meta_path.remove(finder)
    placeholders = [name for name, module in sys.modules.items() if isinstance(module, _Placeholder)]
    if modules:
        _forget(placeholders)
        return modules
    _forget([name for name in sys.modules if name not in before])
    return [importlib.import_module(name) for name in names]
