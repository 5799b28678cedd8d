"""What the package exports, and that it is all of what is public."""

import inspect
from importlib.metadata import metadata, requires, version
from pathlib import Path

import synap_sdk
from synap_sdk import errors


def test_everything_exported_is_there() -> None:
    assert synap_sdk.__all__ == sorted(synap_sdk.__all__)
    assert [name for name in synap_sdk.__all__ if not hasattr(synap_sdk, name)] == []


def test_nothing_else_is_public() -> None:
    public = {name for name, each in vars(synap_sdk).items() if not (name.startswith("_") or inspect.ismodule(each))}
    assert public | {"__version__"} == set(synap_sdk.__all__)


def test_every_error_is_exported() -> None:
    raised = {
        name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, errors.SynapError)
    }
    assert raised <= set(synap_sdk.__all__)
    assert raised, "there are some"


def test_the_distribution() -> None:
    assert version("synap-sdk") == synap_sdk.__version__ == "0.1.0"
    assert requires("synap-sdk") == ["httpx<1,>=0.28"], "and nothing else"
    assert metadata("synap-sdk")["License-Expression"] == "Apache-2.0"
    assert (Path(synap_sdk.__file__).parent / "py.typed").exists()
