"""Runs the judges that others wrote against FHIR servers, and prints the matrix: `judge.py NAME=BASE…`, with --write into the READMEs.

It imports nothing of the gateway and knows nothing of it: any R4 server can be judged. A step holds when it holds on every server
named (one on each database, say). Exit code 1 when something failed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import claims
from clients.steps import Line
from published import publish

HERE = Path(__file__).resolve().parent

# Programs of others, each with the command that runs our few lines around it.
CLIENTS = {
    "fhirpy (PyPI)": [sys.executable, "clients/fhirpy_client.py"],
    "fhirclient (PyPI)": [sys.executable, "clients/fhirclient_pypi.py"],
    "fhir-kit-client (npm)": ["node", "clients/fhir-kit-client.mjs"],
    "@medplum/core (npm)": ["node", "clients/medplum.mjs"],
    "fhirclient (npm)": ["node", "clients/fhirclient.mjs"],
}
STEPS = (
    "metadata",
    "create",
    "read",
    "update",
    "patch",
    "search",
    "paging",
    "conditional create",
    "transaction",
    "history",
    "delete",
)
NO_CALL = "no call of its own; "


class Judgement(NamedTuple):
    """lines  of the report, Markdown; failures  what did not hold, in words"""

    lines: list[str]
    failures: list[str]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("servers", nargs="+", metavar="NAME=BASE", help="a name and the base URL of a server")
    arguments.add_argument("--definitions", type=Path, help="folder of the OperationDefinitions that are not HL7's")
    arguments.add_argument("--openapi", action="store_true", help="schemathesis over /openapi.json of each")
    arguments.add_argument("--examples", default="40", help="requests that schemathesis makes for each operation")
    arguments.add_argument("--also", action="append", default=[], help="a line of another judge, for the report")
    arguments.add_argument("--write", action="store_true", help="write the matrix into the READMEs")
    asked = arguments.parse_args()
    servers = dict(one.split("=", 1) for one in asked.servers)

    judged = [clients(servers), *(claimed(name, base, asked.definitions) for name, base in servers.items())]
    if asked.openapi:
        judged += [fuzzed(name, base, asked.examples) for name, base in servers.items()]
    else:
        judged.append(Judgement(["- schemathesis: not run (no --openapi)."], []))
    lines = [line for one in judged for line in one.lines] + [f"- {line}" for line in asked.also]
    failures = [failure for one in judged for failure in one.failures]
    print("\n".join(lines))
    for failure in failures:
        print(f"FAILED  {failure}", file=sys.stderr)
    if asked.write and not failures:
        publish(lines)
    elif asked.write:
        print("The READMEs are left as they are, for something failed.", file=sys.stderr)
    return 1 if failures else 0


def clients(servers: dict[str, str]) -> Judgement:
    """Each client on each server: ✓ by a call of its own, ○ by its general request, ✗ it failed, – it was not tried."""
    rows, failures, words = [], [], []
    for client, command in CLIENTS.items():
        found: dict[str, list[Line]] = {}
        for name, base in servers.items():
            lines, trouble = _run(command, base)
            failures += [f"{client} on {name}: {said}" for said in trouble]
            failures += [f"{client} on {name}, {line['step']}: {line['detail']}" for line in lines if not line["ok"]]
            for line in lines:
                found.setdefault(line["step"], []).append(line)
        marks = [_mark(found.get(step, []), len(servers)) for step in STEPS]
        rows.append(f"| {client} | {' | '.join(marks)} |")
        told = " · ".join(f"{step}: {found[step][0]['detail']}" for step in STEPS if step in found)
        words.append(f"- {client}: {told}")
    head = [f"| | {' | '.join(STEPS)} |", f"|---|{':-:|' * len(STEPS)}"]
    return Judgement([*head, *rows, "", *words], failures)


def _run(command: list[str], base: str) -> tuple[list[Line], list[str]]:
    if shutil.which(command[0]) is None:
        return [], [f"{command[0]} is not installed, so this client was not tried"]
    done = subprocess.run([*command, base], cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
    lines: list[Line] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    missing = [step for step in STEPS if step not in {line["step"] for line in lines}]
    if done.returncode or missing:
        return lines, [f"it ended with {done.returncode} without {', '.join(missing)}: {done.stderr.strip()[-300:]}"]
    return lines, []


def _mark(lines: list[Line], of: int) -> str:
    if len(lines) < of:
        return "–"
    if not all(line["ok"] for line in lines):
        return "✗"
    return "○" if lines[0]["detail"].startswith(NO_CALL) else "✓"


def claimed(name: str, base: str, definitions: Path | None) -> Judgement:
    """/metadata against the server."""
    started = time.monotonic()
    found, requests = claims.compare(base, definitions)
    wrong = [f"{name}: {finding.claim}: {finding.wrong}" for finding in found if finding.wrong]
    took = time.monotonic() - started
    said = f"- CapabilityStatement, {name}: {len(found) - len(wrong):,} of {len(found):,} claims hold"
    return Judgement([f"{said} ({requests:,} requests, {took:.0f} s)."], wrong)


def fuzzed(name: str, base: str, examples: str) -> Judgement:
    """schemathesis over the OpenAPI: whatever is sent, no answer is a 500."""
    program = Path(sys.executable).with_name("schemathesis")
    options = ["--checks", "not_a_server_error", "--max-examples", examples, "--seed", "1", "--no-color"]
    command = [str(program), "run", base.rsplit("/", 1)[0] + "/openapi.json", *options]
    with tempfile.TemporaryDirectory() as place:  # it leaves its findings where it is run
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=1800, check=False)
    made = re.search(r"(\d[\d,]*) generated", done.stdout)
    if done.returncode or made is None:
        said = f"- schemathesis, {name}: it found server errors, or did not run."
        return Judgement([said], [f"schemathesis on {name}: {(done.stdout + done.stderr)[-3000:]}"])
    operations = re.search(r"Tested: (\d+)|Operations: +(\d+) selected", done.stdout)
    of = f" of {next(filter(None, operations.groups()))} operations" if operations else ""
    return Judgement(
        [f"- schemathesis, {name}: {made.group(1)} requests{of} made from the OpenAPI, seed 1, no answer a 500."], []
    )


if __name__ == "__main__":
    sys.exit(main())
