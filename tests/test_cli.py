"""The command line: what is right prints a result, what is wrong is one sentence and exit code 2, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def adjudge(*arguments: str, folder: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, in a folder."""
    command = [sys.executable, "-m", "adjudge", *arguments]
    return subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, check=False, env={"PATH": "", "COLUMNS": "80"}
    )


def payment(number: int, **more: object) -> str:
    fields = {
        "payment_id": f"p{number}",
        "at": f"2026-01-02T10:00:{number:02}+01:00",
        "user": "u1",
        "merchant": "m1",
        "amount": "12.50",
    }
    return json.dumps({k: v for k, v in (fields | more).items() if v is not None})


def test_check_says_what_a_system_holds(tmp_path: Path) -> None:
    done = adjudge("check", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["system"], facts["decides"]) == ("payments", "payment")
    assert facts["features"] > 200


def test_a_new_system_compiles_as_it_is(tmp_path: Path) -> None:
    assert adjudge("new", "refunds", folder=tmp_path).returncode == 0
    done = adjudge("check", "--system", "refunds", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decides"] == "refunds_event"
    again = adjudge("new", "refunds", folder=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert "is there already" in again.stderr


def test_decide_names_bad_lines_and_decides_the_others(tmp_path: Path) -> None:
    lines = [payment(1), payment(2, amount="-1"), "{", payment(3, usr="x"), payment(4)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    done = adjudge("decide", "in.jsonl", folder=tmp_path)
    assert done.returncode == 1
    decided = [json.loads(line) for line in done.stdout.splitlines()]
    assert [d["id"] for d in decided] == ["p1", "p4"]
    for named in ("line 2: amount", "line 3:", "line 4:", "usr"):
        assert named in done.stderr


WRONG: dict[str, tuple[list[str], str]] = {
    "unknown system": (["check", "--system", "paymets"], "did you mean 'payments'"),
    "no bundle": (["check", "--bundle", "nothing"], "there is no bundle in nothing"),
    "no file": (["train", "b", "--data", "nothing.parquet"], "there is no file 'nothing.parquet'"),
    "not parquet": (["train", "b", "--data", "junk.parquet"], "cannot be read as parquet"),
    "a time in words": (["train", "b", "--data", "words.csv"], "words.csv: column 'at' must hold times such as"),
    "a time as a number": (["train", "b", "--data", "whole.csv"], "whole.csv: column 'at' must hold times such as"),
    "a time without offset": (["train", "b", "--data", "naive.csv"], "naive.csv: column 'at' holds times without"),
    "no time": (["verify", "--data", "untimed.csv", "--no-http"], "untimed.csv has no column 'at'"),
    "no id": (["train", "b", "--data", "nameless.csv"], "nameless.csv has no column 'payment_id'; did you mean"),
    "a label in words": (["train", "b", "--data", "yes.csv"], "yes.csv: column 'fraud' must hold true or false"),
    "a folder of bad labels": (["train", "b", "--data", "world"], "labels_fraud.csv has no column 'value'"),
    "no events": (["train", "b"], "--data PATH or --simulate N"),
    "bad name": (["new", "My System"], "identifier in lower case"),
    "bad port": (["serve", "--port", "99999"], "port must be between"),
    "no key": (
        ["serve", "--workspace", "w"],
        "adjudge keys create --owner NAME --scopes decide --why REASON --workspace w",
    ),
    "no key in memory": (["serve", "--log", "memory"], "has no API key"),
    "open to others": (["serve", "--auth", "off", "--host", "0.0.0.0"], "only this machine may be served"),
    "bad host": (["serve", "--host", "300.1.1.1"], "host '300.1.1.1' is no address"),
    "no input": (["decide", "nothing.jsonl"], "nothing.jsonl"),
}


AT = "2026-01-02T10:00:00Z"
TABLES = {
    "words.csv": "payment_id,at\np1,yesterday",
    "whole.csv": "payment_id,at\np1,1700000000",
    "naive.csv": "payment_id,at\np1,2026-01-02T10:00:00",
    "untimed.csv": "payment_id,user\np1,u1",
    "nameless.csv": f"payment,at\np1,{AT}",
    "yes.csv": f"payment_id,at,fraud\np1,{AT},yes",
    "world/payment.csv": f"payment_id,at\n1,{AT}",
    "world/labels_fraud.csv": f"payment_id,known_at\n1,{AT}",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_sentence_and_exit_code_2(name: str, tmp_path: Path) -> None:
    arguments, message = WRONG[name]
    (tmp_path / "junk.parquet").write_bytes(b"junk")
    (tmp_path / "world").mkdir()
    for file, text in TABLES.items():
        (tmp_path / file).write_text(text)
    done = adjudge(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert message in " ".join(done.stderr.split())


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bundle.json").write_text("{}")
    done = adjudge("check", "--bundle", "b", folder=tmp_path)
    assert done.returncode == 2
    assert "the bundle in b cannot be read" in " ".join(done.stderr.split())
