"""Build the offline verifier alone, to be run on a machine without Assay: `build_verifier.py FOLDER`.

Makes a wheel (`pip install assay_verify-….whl`, command `assay-verify`) and a single file (`python assay-verify.pyz`,
beside PyNaCl) out of the modules that `ledger.verify` needs, and of no other: each must be one of those that know no
Django (pyproject.toml). The same sources give the same bytes.
"""

import base64
import hashlib
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CONTRACT = "The offline verifier and what it uses know no Django"
MAIN = b"import sys\n\nfrom ledger.verify import main\n\nsys.exit(main())\n"
NEEDS = "pynacl>=1.5"


def build(folder: Path) -> list[Path]:
    """The wheel and the single file, written into this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    files, version = _sources(settings), settings["project"]["version"]
    wheel, single = folder / f"assay_verify-{version}-py3-none-any.whl", folder / "assay-verify.pyz"
    info = f"assay_verify-{version}.dist-info"
    described = {**files, **{f"{info}/{name}": data for name, data in _metadata(version, settings).items()}}
    _write(wheel, {**described, f"{info}/RECORD": _record(described, info)})
    _write(single, {**files, "__main__.py": MAIN}, b"#!/usr/bin/env python3\n")
    single.chmod(0o755)
    return [wheel, single]


def _sources(settings: Mapping[str, object]) -> dict[str, bytes]:
    """Path in the package → content, of what the verifier imports. Raises SystemExit for a module it may not."""
    import ledger.verify  # noqa: F401  # to see what comes with it

    needed = {name for name in sys.modules if name.startswith("ledger.")}
    if strange := needed - _allowed(settings):
        raise SystemExit(
            f"the verifier may not import {', '.join(sorted(strange))}: see “{CONTRACT}” in pyproject.toml"
        )
    paths = [ROOT / "ledger" / "__init__.py", *(ROOT / f"{name.replace('.', '/')}.py" for name in sorted(needed))]
    return {str(path.relative_to(ROOT)): path.read_bytes() for path in paths}


def _allowed(settings: Mapping[str, object]) -> set[str]:
    match settings:
        case {"tool": {"importlinter": {"contracts": [*contracts]}}}:
            return {name for one in contracts if one["name"] == CONTRACT for name in one["source_modules"]}
    return set()


def _metadata(version: str, settings: Mapping[str, object]) -> dict[str, bytes]:
    texts = {
        "METADATA": (
            f"Metadata-Version: 2.1\nName: assay-verify\nVersion: {version}\n"
            "Summary: Verifies offline what an Assay log says: bundles, receipts, acknowledgements, whole logs.\n"
            f"Requires-Python: >=3.11\nRequires-Dist: {NEEDS}\n"
        ),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: assay\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "[console_scripts]\nassay-verify = ledger.verify:main\n",
    }
    return {name: text.encode() for name, text in texts.items()}


def _record(files: Mapping[str, bytes], info: str) -> bytes:
    """Each file with its digest, as PEP 376 wants it; RECORD itself without."""
    rows = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*rows, f"{info}/RECORD,,\n"]).encode()


def _write(path: Path, files: Mapping[str, bytes], start: bytes = b"") -> None:
    with path.open("wb") as target:
        target.write(start)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                member.create_system, member.external_attr = 3, 0o100644 << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, data)


def main() -> int:
    for path in build(Path(sys.argv[1])):
        sys.stdout.write(f"{path.name}  sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
