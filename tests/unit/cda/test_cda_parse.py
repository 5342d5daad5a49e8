"""CDA documents: kind, number, lane, and what counts as a value."""

from pathlib import Path

import pytest

from adapters.cda import adapter
from adapters.cda.parse import STRUCTURE
from adapters.kit.contract import Source
from adapters.kit.xml import read
from adapters.kit.xmltree import XmlTree, read_structure
from gateway.fhir.errors import Malformed

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "ccda"
SOURCE = Source(name="hospital-cda", organisation="99000001")
HEAD = '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'


def document(
    code: str = '<code code="C0053" codeSystem="2.16.156.10011.2.4"/>',
    number: str = '<id root="2.16.156.10011.1.1" extension="D1"/>',
    ids: str = '<id root="2.16.156.10011.2.5.1.4" extension="P1"/>',
    name: str = "张䶮",
    encoding: str = "UTF-8",
) -> str:
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n{HEAD}'
        f"<!-- 文档 -->{number}{code}<recordTarget><patientRole>{ids}"
        f"<patient><name>{name}</name></patient></patientRole></recordTarget></ClinicalDocument>\n"
    )


def test_kind_number_and_lane_are_read_from_the_header():
    envelope = adapter.envelope(document().encode(), SOURCE)
    assert (envelope.kind, envelope.control_id, envelope.lane) == ("C0053", "2.16.156.10011.1.1^D1", "P1")


def test_lane_is_the_inpatient_number_where_there_is_no_patient_number():
    ids = '<id root="2.16.156.10011.1.19" extension="K"/><id root="2.16.156.10011.1.12" extension="ZY7"/>'
    assert adapter.envelope(document(ids=ids).encode(), SOURCE).lane == "ZY7"


def test_kind_falls_back_to_the_template_of_the_national_standard():
    code = '<templateId root="2.16.156.10011.2.1.1.45"/>'
    assert adapter.envelope(document(code=code).encode(), SOURCE).kind == "C0025"


def test_document_without_a_number_of_its_own_is_refused():
    with pytest.raises(Malformed) as refused:
        adapter.envelope(document(number='<id root="2.16.156.10011.1.1" extension=""/>').encode(), SOURCE)
    assert refused.value.issues[0].expression == ("/ClinicalDocument/id/@extension",)


@pytest.mark.parametrize("body", [b"", b"<a/>", document(code="").encode(), b"\xff\xfe\x00", b"<ClinicalDocument>"])
def test_what_is_no_clinical_document_is_malformed(body):
    with pytest.raises(Malformed):
        adapter.parse(body, SOURCE)


@pytest.mark.parametrize("encoding", ["GBK", "GB2312", "gb18030", "UTF-8"])
def test_rare_characters_survive_every_declaration(encoding):
    data = document(encoding=encoding).encode("utf-8" if encoding == "UTF-8" else "gb18030")
    tree = adapter.parse(data, SOURCE)
    assert [node.text for node in tree.select("recordTarget/patientRole/patient/name")] == ["张䶮"]
    assert adapter.encode is not None
    assert adapter.encode(tree, SOURCE) == data


def test_gbk_bytes_declared_utf8_are_read_with_a_warning():
    tree = adapter.parse(document().encode("gb18030"), SOURCE)
    assert [node.text for node in tree.select("//name")] == ["张䶮"]
    assert [issue.severity for issue in tree.issues] == ["warning"]


def test_leaves_are_values_and_not_the_form_around_them():
    leaves = [node.path for node in adapter.parse(document().encode(), SOURCE).leaves()]
    assert leaves == [
        "/ClinicalDocument/id[1]/@extension",
        "/ClinicalDocument/recordTarget[1]/patientRole[1]/id[1]/@extension",
        "/ClinicalDocument/recordTarget[1]/patientRole[1]/patient[1]/name[1]",
    ]


def test_entry_without_a_value_is_not_selected():
    entry = (
        '<component><section><entry><observation classCode="OBS" moodCode="EVN"><code code="DE05.01.024.00" '
        'codeSystem="2.16.156.10011.2.2.1" displayName="x"/><value xsi:type="CD" code=""/></observation></entry>'
        "</section></component>"
    )
    tree = adapter.parse(document(number='<id root="1" extension="2"/>' + entry).encode(), SOURCE)
    assert tree.select("component/section/entry/observation[code/@code='DE05.01.024.00']") == []


def samples() -> list[Path]:
    return sorted(path for path in SHARED.rglob("*") if path.suffix.lower() == ".xml")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/ccda is not there: C-CDA samples that others wrote")
def test_documents_and_sections_that_others_wrote_are_read_whole():
    structure = read_structure(STRUCTURE)
    not_well_formed = []
    for path in samples():
        data = path.read_bytes()
        try:
            found = read(data)
        except Malformed:
            not_well_formed.append(path.name)
            continue
        tree = XmlTree(found, "sample", found.root, structure)
        leaves = list(tree.leaves())
        assert len({node.path for node in leaves}) == len(leaves), path.name
        assert all(node.text for node in leaves), path.name
        assert leaves[-1:] == tree.select(leaves[-1].path)[:1] if leaves else True, path.name
        assert tree.encode() == data
    assert not_well_formed == ["Basic_Occupation_Observation_Example.xml"]  # its <value> is closed as </entry>
