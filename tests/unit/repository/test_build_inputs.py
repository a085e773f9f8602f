"""What decides which code is compiled into the judge of signatures."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NATIVE = ROOT / "native" / "stark_verifier"


def test_no_library_of_the_machine_judges_signatures() -> None:
    settings = tomllib.loads((ROOT / ".cargo" / "config.toml").read_text())
    assert settings["env"]["AWS_LC_SYS_USE_SYSTEM"] == {"value": "0", "force": True}


def test_the_judge_of_signatures_has_one_version() -> None:
    crate = tomllib.loads((NATIVE / "signatures" / "Cargo.toml").read_text())
    for name in ("aws-lc-rs", "aws-lc-sys"):
        version = crate["dependencies"][name]["version"]
        locked = [
            package["version"]
            for package in tomllib.loads((NATIVE / "Cargo.lock").read_text())["package"]
            if package["name"] == name
        ]
        assert version.startswith("=")
        assert locked == [version[1:]]
