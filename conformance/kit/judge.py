"""Runs the judges that others wrote against a FHIR server, and prints the matrix: `judge.py BASE`, or with --write into the READMEs.

It imports nothing of the gateway and knows nothing of it: any R4 server can be judged. Exit code 1 when something failed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import claims

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

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
    "delete",
)
BEGIN, END = "<!-- conformance -->", "<!-- /conformance -->"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("base", help="the server's base URL")
    arguments.add_argument("--openapi", help="URL of its OpenAPI; schemathesis is left out, and said so, without")
    arguments.add_argument("--examples", default="40", help="requests that schemathesis makes for each operation")
    arguments.add_argument("--write", action="store_true", help="write the matrix into the READMEs")
    asked = arguments.parse_args()
    base = asked.base.rstrip("/")

    table, failures = clients(base)
    found = list(claims.compare(base))
    wrong = [f"{finding.claim}: {finding.wrong}" for finding in found if finding.wrong]
    failures += wrong
    lines = [*table, "", f"- CapabilityStatement: {len(found)} claims tried, {len(found) - len(wrong)} hold."]
    if asked.openapi:
        said, failed = fuzz(asked.openapi, asked.examples)
        lines.append(said)
        failures += failed
    else:
        lines.append("- schemathesis: not run (no --openapi).")
    print("\n".join(lines))
    for failure in failures:
        print(f"FAILED  {failure}", file=sys.stderr)
    if asked.write:
        publish(lines)
    return 1 if failures else 0


def clients(base: str) -> tuple[list[str], list[str]]:
    """The matrix as Markdown, and what failed in it."""
    rows, failures = [], []
    for name, command in CLIENTS.items():
        if shutil.which(command[0]) is None:
            failures.append(f"{name}: {command[0]} is not installed, so this client was not tried")
            continue
        done = subprocess.run([*command, base], cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
        found = {line["step"]: line for line in map(json.loads, done.stdout.splitlines())}
        if done.returncode or not found:
            failures.append(f"{name}: it ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        failures += [f"{name}, {step}: {line['detail']}" for step, line in found.items() if not line["ok"]]
        marks = ["·" if step not in found else "✓" if found[step]["ok"] else "✗" for step in STEPS]
        rows.append(f"| {name} | {' | '.join(marks)} |")
    head = [f"| | {' | '.join(STEPS)} |", f"|---|{'---|' * len(STEPS)}"]
    return head + rows, failures


def fuzz(openapi: str, examples: str) -> tuple[str, list[str]]:
    """schemathesis over the OpenAPI: whatever is sent, no answer is a 500."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program),
        "run",
        openapi,
        "--checks",
        "not_a_server_error",
        "--max-examples",
        examples,
        "--seed",
        "1",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=1800, check=False)
    closing = [line.strip(" =") for line in done.stdout.splitlines() if line.strip(" =")][-1:]
    generated = re.search(r"(\d[\d,]*) generated", done.stdout)
    count = generated.group(1) if generated else "?"
    if done.returncode:
        return "- schemathesis: it found server errors.", [f"schemathesis: {done.stdout[-1500:]}"]
    return f"- schemathesis: {count} requests made from the OpenAPI, none answered 500 ({' '.join(closing)}).", []


def publish(lines: list[str]) -> None:
    """Put the matrix between its marks in both READMEs."""
    for name in ("README.md", "README.zh.md"):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        path.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
