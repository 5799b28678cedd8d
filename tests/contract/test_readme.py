"""README's examples do what README says."""

import re
from pathlib import Path

from synap.config import Settings, load_settings
from tests.contract.client import Client
from tests.contract.test_seed_examples import needs_curl, run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def examples() -> list[tuple[str, str]]:
    """Each curl command of README, and the answer in the comment below it."""
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "curl" in block]
    lines = "".join(blocks).replace("\\\n", "")
    return re.findall(r"^(curl .*)\n# (.*)$", lines, re.MULTILINE)


def without_the_time(answer: str) -> str:
    """The remaining time to live is another one each time."""
    return re.sub(r'("ttl(?:_ms)?":)\d+', r"\1…", answer.strip())


@needs_curl
async def test_the_two_minutes(client: Client) -> None:
    assert len(examples()) == 5
    for command, answer in examples():
        assert without_the_time(await run(client, command)) == without_the_time(answer)


def test_the_settings_shown_are_the_defaults(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    file = tmp_path / "synap.yml"
    file.write_text(shown, encoding="utf-8")
    assert load_settings(file, {}) == Settings()
