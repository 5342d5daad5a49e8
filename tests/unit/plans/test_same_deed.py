"""Which words name one deed: only those beyond doubt."""

from __future__ import annotations

import pytest

from gateway.plans.same_deed import is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("每3天换药", "每三天更换敷料一次"),
        ("出院后7天内电话随访", "1周内电话回访一次"),
        ("术后14天拆线", "两周后到社区卫生服务中心拆除缝线"),
        ("每周一次PICC维护", "7天维护１次PICC导管"),
        ("左膝伤口换药", "左膝更换敷料"),
    ],
)
def test_one_deed_in_other_words(one: str, other: str) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("左膝换药", "右足换药"),
        ("左膝换药", "换药"),
        ("电话随访", "家访"),
        ("随访", "电话随访"),
        ("门诊复诊", "门诊复查血常规"),
        ("换药并拆线", "换药"),
        ("导管维护", "PICC维护"),
        ("复查", "复查"),
        ("", ""),
    ],
)
def test_what_is_doubtful_stays_two(one: str, other: str) -> None:
    assert not is_same(one, other)
