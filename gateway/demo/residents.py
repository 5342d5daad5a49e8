"""The health centre's list of residents: a CSV in GBK, as its record system exports it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from gateway.demo.calendar import Calendar
from gateway.demo.people import Person

_COLUMNS = (
    "居民编号",
    "健康档案编号",
    "姓名",
    "性别",
    "出生日期",
    "身份证号",
    "民族",
    "联系电话",
    "现住址",
    "婚姻状况",
    "签约机构",
    "签约医生",
    "签约医生工号",
    "签约日期",
    "慢病类型",
    "更新日期",
)


def number(who: Person) -> str:
    """The centre's own number."""
    return f"R{who.number:06d}"


def listed(people: Iterable[Person], calendar: Calendar) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(_COLUMNS)
    for who in people:
        rows.writerow(
            (
                number(who),
                f"99010100300{who.number:06d}",
                who.name,
                "男" if who.sex == "1" else "女",
                who.born_on.isoformat(),
                who.resident_id,
                "汉族",
                who.telephone,
                who.address,
                "已婚",
                "示范社区卫生服务中心",
                "王小兰",
                "S001",
                "2025-06-01",
                "高血压" if who.number % 2 else "糖尿病",
                f"{calendar.at(-20, 0):%Y-%m-%d}",
            )
        )
    return text.getvalue().encode("gbk")
