"""Invented people of an invented region: prefix 99 belongs to no province, so no number here is anybody's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from gateway.fhir.check_digit import resident_digit

OUTSIDE = "990105"  # a county that the health centre does not serve
_SURNAMES = [
    "欧阳",
    "司马",
    "诸葛",
    "皇甫",
    "张",
    "王",
    "李",
    "赵",
    "钱",
    "孙",
    "周",
    "吴",
    "郑",
    "冯",
    "陈",
    "褚",
    "卫",
    "蒋",
    "沈",
    "韩",
    "杨",
    "朱",
    "秦",
    "尤",
    "许",
    "何",
    "吕",
    "施",
    "孔",
    "曹",
    "严",
    "华",
    "金",
    "魏",
    "陶",
    "姜",
    "戚",
    "谢",
    "邹",
    "喻",
    "柏",
    "水",
    "窦",
    "章",
    "云",
    "苏",
    "潘",
    "葛",
]
_GIVEN = [
    "明远",
    "清和",
    "若兰",
    "立冬",
    "珅",
    "晓棠",
    "怀瑾",
    "思齐",
    "望舒",
    "景行",
    "知秋",
    "嘉木",
    "南星",
    "书瑶",
    "长风",
    "采薇",
    "半夏",
    "子衿",
    "凌霄",
    "云舒",
    "雨桐",
    "松年",
    "如岚",
    "静姝",
    "致远",
    "佩兰",
    "春山",
    "忍冬",
    "白露",
    "修竹",
    "忆安",
    "远志",
    "其华",
    "木槿",
    "霁月",
    "之遥",
    "沉香",
    "青禾",
    "小满",
    "谷雨",
]
_STREETS = ("和平路", "杏林路", "文昌巷", "柳营街", "滨河东路")
_DISTRICTS = {"990101": "东区", "990102": "西县", OUTSIDE: "南山县"}
_CONDITIONS = (
    ("I10.x00x002", "高血压病2级"),
    ("E11.900", "2型糖尿病"),
    ("S72.000", "股骨颈骨折"),
    ("I63.900", "脑梗死"),
    ("J44.100", "慢性阻塞性肺疾病急性加重"),
    ("I25.103", "冠状动脉粥样硬化性心脏病"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person. number: in the cast, from 1."""

    number: int
    name: str
    sex: str  # GB/T 2261.1: 1 male, 2 female
    born_on: date
    district: str

    @property
    def resident_id(self) -> str:
        """GB 11643: district, birth date, a sequence that is odd for men, the check digit."""
        sequence = 2 * self.number + (1 if self.sex == "1" else 0)
        body = f"{self.district}{self.born_on:%Y%m%d}{sequence:03d}"
        return body + resident_digit(body)

    @property
    def telephone(self) -> str:
        return f"139000{self.number:05d}"

    @property
    def street(self) -> str:
        return f"{_STREETS[self.number % len(_STREETS)]}{self.number}号"

    @property
    def address(self) -> str:
        return f"示范省示范市{_DISTRICTS[self.district]}{self.street}"

    @property
    def condition(self) -> tuple[str, str]:
        """ICD-10 (GB/T 14396) code and name of why they are in care."""
        return _CONDITIONS[self.number % len(_CONDITIONS)]


@cache
def person(number: int) -> Person:
    """The same person for the same number, always. The name of number 5 holds a `|` in its GBK bytes; 14 lives outside."""
    name = "张珅" if number == 5 else _SURNAMES[number % len(_SURNAMES)] + _GIVEN[(7 * number) % len(_GIVEN)]
    born = date(1938, 3, 12) + timedelta(days=431 * number)
    district = OUTSIDE if number == 14 else "990101" if number <= 28 else "990102"
    return Person(number, name, "12"[number % 2], born, district)
