"""The verifier as a regulator gets it: one file or one wheel, PyNaCl, and nothing of Assay."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ledger import forge

BUILD = Path(__file__).resolve().parents[2] / "scripts" / "build_verifier.py"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """As `make verifier` does it: in a process of its own, which has imported nothing else."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, BUILD, folder], check=True, capture_output=True)
    return sorted(folder.iterdir())


@pytest.fixture
def alone(built: list[Path], tmp_path: Path) -> Run:
    """An interpreter without site-packages, in a folder with PyNaCl and the single file."""
    site = Path(sysconfig.get_path("purelib"))
    for found in (site / "nacl", *site.glob("_cffi_backend*")):
        (tmp_path / found.name).symlink_to(found)
    single = next(path for path in built if path.suffix == ".pyz")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", single, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True,
            env={"PATH": os.defpath, "PYTHONUTF8": "1", "PYTHONPATH": str(tmp_path)}, check=False,
        )  # fmt: skip

    return run


def test_the_single_file_verifies_a_bundle_and_names_what_is_wrong(alone: Run, tmp_path: Path) -> None:
    file, log = tmp_path / "bundle.zip", forge.Log(20)
    file.write_bytes(forge.bundle(log, 0, 20))
    good = alone(file, "--key", forge.LOG.vkey)
    assert (good.returncode, good.stderr) == (0, "")
    assert "✓ missing entries: no entry of the range was left out" in good.stdout
    assert "bundle.zip: verified" in good.stdout
    members = forge.unpacked(file.read_bytes())
    members["leaves.jsonl"] = members["leaves.jsonl"].replace(log.leaves[7] + b"\n", b"")
    file.write_bytes(forge.resealed(members))
    bad = alone(file, "--key", forge.LOG.vkey, "--json")
    assert bad.returncode == 1
    found = {check["name"]: check["message"] for check in json.loads(bad.stdout)["checks"] if check["ok"] is False}
    assert found["missing entries"] == "entry 7 is in the table, and not among the entries"


def test_it_writes_the_proof_of_one_entry_out_of_a_bundle(alone: Run, tmp_path: Path) -> None:
    file, log = tmp_path / "bundle.zip", forge.Log(13)
    file.write_bytes(forge.bundle(log, 3, 6))
    for index in (3, 5, 8):
        done = alone(file, "--key", forge.LOG.vkey, "--prove", index)
        assert done.stdout == log.tlog_proof(index, log.checkpoint(), 13)
    assert "entry 9 is not in this bundle: it holds 3 to 8" in alone(file, "--prove", 9).stderr
    file.write_bytes(forge.bundle(log, 3, 6)[:-1])
    refused = alone(file, "--prove", 3)
    assert refused.returncode == 1
    assert "NOT verified" in refused.stdout
    file.write_bytes(forge.receipt(log, 3))
    assert (alone(file, "--prove", 3).returncode, alone(file).returncode) == (2, 0)


def test_the_wheel_is_whole_and_names_the_command(built: list[Path]) -> None:
    wheel = next(path for path in built if path.suffix == ".whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = next(name for name in names if name.endswith("RECORD"))
        rows = [row.split(",") for row in archive.read(record).decode().splitlines()]
        assert [row[0] for row in rows] == names
        assert all(int(size) == archive.getinfo(name).file_size for name, digest, size in rows if digest)
        assert b"assay-verify = ledger.verify:main" in archive.read(record.replace("RECORD", "entry_points.txt"))
        assert "ledger/log.py" not in names


def test_the_same_sources_give_the_same_bytes(built: list[Path], tmp_path: Path) -> None:
    subprocess.run([sys.executable, BUILD, tmp_path], check=True, capture_output=True)
    for path in built:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_a_bundle_three_times_as_large_takes_no_more_memory(tmp_path: Path) -> None:
    """The peak of a process that verifies, in KiB (`ru_maxrss` would be that of whoever started it)."""
    program = (
        "import re, sys\nfrom ledger import verify\n"
        "assert verify.verify_file(open(sys.argv[1], 'rb')).ok\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    peaks = []
    for count in (3000, 9000):
        file = tmp_path / f"{count}.zip"
        file.write_bytes(forge.bundle(forge.Log(count), 0, count))
        done = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert (tmp_path / "9000.zip").stat().st_size > 6_000_000
    assert peaks[1] - peaks[0] < 1_500
