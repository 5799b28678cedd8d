"""What the package exports, and that it is all of what is public."""

import inspect
from importlib.metadata import metadata, requires, version
from pathlib import Path

import synap_sdk
from synap_sdk import errors, sessions


def test_everything_exported_is_there() -> None:
    assert synap_sdk.__all__ == sorted(synap_sdk.__all__)
    assert [name for name in synap_sdk.__all__ if not hasattr(synap_sdk, name)] == []


def test_nothing_else_is_public() -> None:
    public = {name for name, each in vars(synap_sdk).items() if not (name.startswith("_") or inspect.ismodule(each))}
    assert public | {"__version__"} == set(synap_sdk.__all__)


def test_what_sessions_export() -> None:
    assert sessions.__all__ == sorted(sessions.__all__)
    assert [name for name in sessions.__all__ if not hasattr(sessions, name)] == []
    public = {name for name, each in vars(sessions).items() if not (name.startswith("_") or inspect.ismodule(each))}
    assert public == set(sessions.__all__)


def test_every_error_is_exported() -> None:
    raised = {
        name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, errors.SynapError)
    }
    assert raised <= set(synap_sdk.__all__)
    assert raised, "there are some"


def test_the_distribution() -> None:
    assert version("synap-sdk") == synap_sdk.__version__ == "0.1.0"
    required = requires("synap-sdk") or []
    assert [each for each in required if "extra ==" not in each] == ["httpx<1,>=0.28"], "and nothing else"
    assert metadata("synap-sdk").get_all("Provides-Extra") == ["django", "fastapi", "flask", "starlette"]
    assert metadata("synap-sdk")["License-Expression"] == "Apache-2.0"
    assert (Path(synap_sdk.__file__).parent / "py.typed").exists()
