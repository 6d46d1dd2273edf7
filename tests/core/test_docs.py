"""What the documents promise is what the code has."""

import fnmatch
import re
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from provenance import judgement, media

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = re.compile(r"\bASSAY_[A-Z0-9_]+")
# Set by the Makefile, by this suite or inside a longer name; not for operators to choose.
NOT_SETTINGS = {"ASSAY_CHROMIUM", "ASSAY_X", "ASSAY_X_FILE", "ASSAY_KEYS", "ASSAY_MAX_UPLOAD_BYTES"}


def _read_by_the_code() -> set[str]:
    """Names that the settings or the supervisor read from the environment."""
    read = re.compile(r"""(?:env\.\w+|_secret|environ\.get)\(\s*["'](ASSAY_[A-Z0-9_]+)""")
    return {
        name
        for file in ("config/settings.py", "core/supervisor.py")
        for name in read.findall((ROOT / file).read_text())
    }


def _told_by_the_readme() -> set[str]:
    """Names in the table of settings; `ASSAY_S3_BUCKET`, `_ENDPOINT` stands for two."""
    names = set()
    for row in (line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `ASSAY_")):
        cell = row.split("|")[1]
        first = NAME.findall(cell)[0]
        prefix = first.rsplit("_", 1)[0]
        names |= set(NAME.findall(cell)) | {prefix + tail for tail in re.findall(r"`(_[A-Z0-9_]+)`", cell)}
    return names


def test_the_readme_tells_every_setting_and_no_other() -> None:
    assert len(_read_by_the_code()) > 25
    assert _told_by_the_readme() - NOT_SETTINGS == _read_by_the_code() - NOT_SETTINGS


def test_the_readmes_first_screen_shows_the_two_commands() -> None:
    first = (ROOT / "README.md").read_text().split("---")[0]
    blocks = re.findall(r"```\n(.*?)```", first, re.DOTALL)
    assert len(blocks) == 1
    assert [line.split("#")[0].strip() for line in blocks[0].strip().splitlines()] == ["make run", "make test"]


def test_every_make_target_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        named = set(re.findall(r"`make ([a-z-]+)`", document.read_text()))
        assert named <= targets, f"{document.name}: {named - targets}"


def test_every_management_command_the_documents_name_exists() -> None:
    known = set(get_commands())
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").iterdir()]:
        named = set(re.findall(r"manage\.py ([a-z_]+)", document.read_text()))
        assert named <= known, f"{document.name}: {named - known}"


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_every_verdict_is_explained_with_every_state_it_can_have() -> None:
    told: dict[str, set[str]] = {}
    name = ""
    for line in (ROOT / "docs" / "provenance.md").read_text().split("Three things behind")[0].splitlines():
        if line.startswith("| ") and line.count("|") == 5:
            first, states = line.split("|")[1:3]
            name = next(iter(re.findall(r"\*\*(\w+)\*\*", first)), name)
            told.setdefault(name, set()).update(re.findall(r"`(\w+)`", states))
    assert {name: told.get(name) for name in judgement.STATES} == {
        name: set(states) for name, states in judgement.STATES.items()
    }


def test_every_format_that_takes_a_credential_inside_is_named() -> None:
    table = (ROOT / "docs" / "provenance.md").read_text()
    rows = [line for line in table.splitlines() if "inside and beside" in line]
    named = {name for row in rows for name in row.split("|")[1].strip().split(", ")}
    assert named == {media.name_of(media_type) for media_type in media.EMBEDDABLE}


def test_the_exit_codes_of_the_commands_are_those_they_tell_themselves() -> None:
    document = (ROOT / "docs" / "provenance.md").read_text()
    for command in ("verify", "sign"):
        table = document.split(f"`manage.py {command} FILE")[1].split("| exit code |")[1].split("\n\n")[0]
        told = load_command_class("provenance", command).help.split("Exit codes:")[1]
        assert set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE)) == set(re.findall(r"\b(\d+) ", told)), command


@pytest.mark.parametrize("room", ["provenance", "policy"])
def test_every_module_has_its_place_in_the_house(room: str) -> None:
    named = re.findall(r"`([a-z_0-9*]+)`", (ROOT / "docs" / "architecture.md").read_text())
    everywhere = {"__init__", "apps", "models", "tasks", "urls", "api", "api_shapes"}
    files = [*(ROOT / room).glob("*.py"), *(ROOT / room).glob("*/*.py")]
    told_by_their_folder = {"models", "migrations", "management", "rulebook"}
    modules = {file.stem for file in files if file.parent.name not in told_by_their_folder} - everywhere
    assert not {module for module in modules if not any(fnmatch.fnmatch(module, name) for name in named)}


def test_the_compose_example_is_well_formed_and_names_what_exists() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    services = compose["services"]
    assert {"web", "worker", "beat", "sequencer", "postgres", "valkey"} <= set(services)
    for service in services.values():
        for secret in service.get("secrets", []):
            assert secret in compose["secrets"]
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"]


def test_every_requirement_has_its_row_and_names_tests_and_documents_that_exist() -> None:
    rows = re.findall(r"^\| (R\d\d) \| (.*)$", (ROOT / "docs" / "requirements.md").read_text(), re.MULTILINE)
    assert [number for number, _ in rows] == [f"R{n:02}" for n in range(1, 39)]
    known = set(
        re.findall(r"def (test_\w+)\(", "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py")))
    )
    for number, row in rows:
        state = row.split("|")[1].strip()
        assert re.match(r"(met|part|later)\b", state), number
        named = set(re.findall(r"`(test_\w+)`", row))
        assert named <= known, f"{number}: {named - known}"
        assert bool(named) == (not state.startswith("later")), number
        assert all((ROOT / document).exists() for document in re.findall(r"`(docs/[\w.-]+)`", row)), number
