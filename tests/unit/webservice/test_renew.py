"""A request to the system that sent the original: its own elements, our event."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from adapters.kit.contract import Source
from adapters.webservice import adapter
from adapters.webservice.renew import renew

CASES = Path(__file__).parents[3] / "mappings" / "webservice" / "cases"
COUNTY = Source("county", "990200002", format="webservice", options={"source_system": "ALLIANCE"})
AT = datetime(2026, 11, 22, 0, 0, 0, tzinfo=UTC)


def test_everything_but_header_and_time_comes_back_line_for_line() -> None:
    data = (CASES / "AdmissionRt.full.xml").read_bytes()
    tree = renew(data, "AdmissionRt", COUNTY, "77", AT)
    assert tree is not None
    assert adapter.encode is not None
    before, after = data.decode().splitlines(), adapter.encode(tree, COUNTY).decode().splitlines()
    lost, found = (
        [one.strip() for one in before if one not in after],
        [one.strip() for one in after if one not in before],
    )
    assert [one for one in found if "PADRemarks" not in one] == [
        "<SourceSystem>ALLIANCE</SourceSystem>",
        "<MessageID>77</MessageID>",
        "<UpdateDate>2026-11-22</UpdateDate>",
        "<UpdateTime>08:00:00</UpdateTime>",
    ]
    assert len(lost) == 7  # header and time twice two, who wrote it, and one empty element spelled shorter
    assert "<FeeTypeDesc>医保</FeeTypeDesc>" in adapter.encode(tree, COUNTY).decode()


def test_an_answer_s_state_starts_anew() -> None:
    data = (CASES / "ReferralStateRt.accepted.xml").read_bytes()
    assert renew(data, "ReferralStateRt", COUNTY, "77", AT) is None
    assert renew(data, "ReferralRt", COUNTY, "77", AT) is None


def test_the_envelope_it_came_in_stays_behind() -> None:
    tree = renew((CASES / "PatientRt.soap-gbk.xml").read_bytes(), "PatientRt", COUNTY, "77", AT)
    assert tree is not None
    assert adapter.encode is not None
    assert adapter.encode(tree, COUNTY).decode("gbk").splitlines()[1] == "<Request>"
